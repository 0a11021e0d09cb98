"""Phones are told of every change, whatever happens on the way; on SQLite and PostgreSQL."""

from __future__ import annotations

import datetime as dt
import threading
import time
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select

from app.delivery import apple as apple_delivery
from app.delivery import worker
from app.delivery.apple import DevicePush
from app.delivery.engine import Runner
from app.delivery.outcomes import DONE, Drop, Outcome, Retry
from app.domain import codes
from app.domain.codes import Purpose
from app.sandbox.apns import SILENCE, PushAnswer
from app.sandbox.iphone import Phone
from app.services import decisions, people
from app.services.changes import Change, Subject
from app.services.decisions import Candidate, Tally
from app.services.issuance import Person
from app.services.people import Did
from app.store.models import AppleDevice, AppleRegistration, Campaign, Event, Voucher
from app.store.session import Database
from tests.apple_world import World
from tests.marketing import apply
from tests.storefront import MONEY, TEXTS, Issued


def balance(phone: Phone, issued: Issued) -> object:
    """What the one card of the phone shows as its first money value."""
    for (_, serial), card in phone.cards.items():
        if serial == issued.serial:
            style = card.content["storeCard"]
            fields = [field for slot in style.values() if isinstance(slot, list) for field in slot]
            return next(field["value"] for field in fields if field["key"] == "balance")
    raise AssertionError("the phone does not hold the pass")


def spend(apple: World, issued: Issued, amount: int = 100) -> None:
    """Change what the pass shows, as a redemption does."""
    with apple.house.database.write() as session:
        voucher = session.get_one(Voucher, issued.id)
        voucher.balance_minor -= amount
        voucher.version += 1


def edit(apple: World, campaign: int) -> None:
    """Edit a campaign, as a marketer does: another headline for every holder."""
    with apple.house.database.read() as session:
        number = session.get_one(Campaign, campaign).revision
    texts = {
        language: replace(each, title=f"{each.title} {number}") for language, each in TEXTS.items()
    }
    apple.storefront.revise(campaign, terms=MONEY, texts=texts)


def registrations(database: Database) -> list[AppleRegistration]:
    with database.read() as session:
        return list(session.scalars(select(AppleRegistration).order_by(AppleRegistration.id)))


def devices(database: Database) -> list[AppleDevice]:
    with database.read() as session:
        return list(session.scalars(select(AppleDevice).order_by(AppleDevice.id)))


def test_a_redemption_reaches_the_phone_with_one_push(apple: World) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    assert balance(phone, card) == 15
    spend(apple, card)
    with apple.runner() as runner:
        runner.hint([Change(Subject.VOUCHER, card.id)])
        apple.deliver(runner)
        assert balance(phone, card) == 14
        assert len(apple.apns.tokens()) == 1
        apple.clock.advance(minutes=10)
        apple.deliver(runner)
    assert len(apple.apns.tokens()) == 1
    assert phone.faults == []
    (known,) = registrations(apple.house.database)
    with apple.house.database.read() as session:
        version = session.get_one(Voucher, card.id).version
    assert known.pushed_voucher == known.listed_voucher == known.fetched_voucher == version
    with apple.house.database.read() as session:
        kinds = session.scalars(select(Event.kind).order_by(Event.id)).all()
    assert kinds == ["added"]


def test_a_worker_pushes_with_the_certificate_that_signs_whatever_its_form(apple: World) -> None:
    """Apple's portal gives DER, which signs passes as it is."""
    folder = apple.settings.certs / "apple"
    signing = apple.house.certificates.signer.certificate
    (folder / "pass.cer").write_bytes(signing.public_bytes(Encoding.DER))
    (folder / "pass.pem").unlink()
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    spend(apple, card)
    runner = Runner(apple.house, worker.apple_pushes(apple.house))
    try:
        apple.deliver(runner)
    finally:
        runner.kind.close()
    assert balance(phone, card) == 14
    assert len(apple.apns.tokens()) == 1


def test_a_lost_hint_costs_moments_and_no_update(apple: World) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    spend(apple, card)
    with apple.runner() as runner:
        apple.deliver(runner)
    assert balance(phone, card) == 14


def test_twenty_changes_before_a_delivery_cost_one_push(apple: World) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    for _ in range(14):
        spend(apple, card)
    with apple.runner() as runner:
        apple.deliver(runner)
    assert balance(phone, card) == 1
    assert len(apple.apns.tokens()) == 1


def test_two_changes_within_a_second_are_both_fetched(apple: World) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    with apple.runner() as runner:
        for _ in range(2):
            spend(apple, card)
            phone.pushed()
        assert balance(phone, card) == 13
        apple.deliver(runner)
    assert phone.faults == []


def test_an_edit_that_commits_after_a_later_redemption_was_delivered_is_delivered(
    apple: World,
) -> None:
    """Versions are compared for difference: a campaign's edit may commit late with a low number."""
    campaign = apple.storefront.campaign("gift_card")
    card = apple.storefront.voucher(campaign)
    phone = apple.holder(card)
    with apple.runner() as runner:
        for _ in range(3):
            spend(apple, card)
        apple.deliver(runner)
        fetched = phone.fetches
        edit(apple, campaign)
        apple.clock.advance(seconds=5)
        apple.deliver(runner)
    assert phone.fetches == fetched + 1
    (known,) = registrations(apple.house.database)
    assert (known.fetched_voucher, known.fetched_campaign) == (4, 2)


def test_a_change_while_its_predecessor_is_being_pushed_is_pushed_too(apple: World) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    phone.go_offline()
    pushes = 0

    def change(token: str) -> None:
        nonlocal pushes
        pushes += 1
        if pushes == 1:
            spend(apple, card)

    apple.apns.on_push = change
    spend(apple, card)
    with apple.runner() as runner:
        runner.settle()
        apple.clock.advance(seconds=5)
        runner.settle()
        assert pushes == 2
        apple.clock.advance(seconds=5)
        runner.settle()
    assert pushes == 2


def test_a_campaign_edited_while_its_last_edit_is_delivered_reaches_every_phone(
    apple: World,
) -> None:
    campaign = apple.storefront.campaign("gift_card")
    cards = [apple.storefront.voucher(campaign) for _ in range(6)]
    phones = [apple.holder(card) for card in cards]
    edit(apple, campaign)
    with apple.runner() as runner:
        runner.batch = 2
        runner.hint([Change(Subject.CAMPAIGN, campaign)])
        while len(apple.apns.tokens()) < 2:
            runner.step()
        edit(apple, campaign)
        runner.hint([Change(Subject.CAMPAIGN, campaign)])
        for _ in range(3):
            apple.clock.advance(seconds=5)
            apple.deliver(runner)
    assert all(phone.faults == [] for phone in phones)
    assert {known.fetched_campaign for known in registrations(apple.house.database)} == {3}
    assert len(apple.apns.tokens()) <= 2 * len(phones)


def test_one_device_with_two_passes_gets_one_push_and_fetches_what_changed(apple: World) -> None:
    campaign = apple.storefront.campaign("gift_card")
    first, second = (apple.storefront.voucher(campaign) for _ in range(2))
    phone = apple.holder(first)
    phone.install(apple.link(second))
    before = phone.fetches
    with apple.runner() as runner:
        spend(apple, first)
        apple.deliver(runner)
        assert phone.fetches == before + 1
        apple.clock.advance(seconds=5)
        edit(apple, campaign)
        apple.deliver(runner)
    assert len(apple.apns.tokens()) == 2
    assert phone.fetches == before + 3
    assert phone.faults == []


def test_phone_and_watch_are_told_each(apple: World) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    watch = apple.fleet.join(phone.pair_watch())
    spend(apple, card)
    with apple.runner() as runner:
        apple.deliver(runner)
    assert balance(phone, card) == balance(watch, card) == 14
    assert sorted(apple.apns.tokens()) == sorted([phone.push_token, watch.push_token])
    assert {known.fetched_voucher for known in registrations(apple.house.database)} == {2}


def test_an_offline_phone_hears_of_the_change_when_it_is_back(apple: World) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    phone.go_offline()
    with apple.runner() as runner:
        for _ in range(3):
            spend(apple, card)
            apple.deliver(runner)
            apple.clock.advance(seconds=5)
        phone.go_online()
    assert balance(phone, card) == 12


def test_a_phone_that_does_not_ask_is_reminded_a_few_times_and_then_left_alone(
    apple: World,
) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    apple.apns.on_push = None
    spend(apple, card)
    pushed = []
    with apple.runner() as runner:
        for hours in (0, 1, 6, 24, 168, 168, 168, 168, 168):
            apple.clock.advance(hours=hours, seconds=1)
            apple.deliver(runner)
            pushed.append(len(apple.apns.tokens()))
    assert pushed == [1, 2, 3, 4, 5, 6, 7, 7, 7]
    assert phone.fetches == 1


def test_a_restored_phone_gets_everything_with_its_old_tag_or_without(apple: World) -> None:
    cards = [apple.storefront.voucher(apple.storefront.campaign("gift_card")) for _ in range(2)]
    phone = apple.holder(cards[0])
    phone.install(apple.link(cards[1]))
    with apple.runner() as runner:
        for _ in range(6):
            for card in cards:
                spend(apple, card)
            phone.restore()
            apple.fleet.join(phone)
            assert {balance(phone, card) for card in cards} == {balance(phone, cards[0])}
            spend(apple, cards[0])
            apple.clock.advance(seconds=5)
            apple.deliver(runner)
            spend(apple, cards[1])
            apple.clock.advance(seconds=5)
            apple.deliver(runner)
    assert balance(phone, cards[0]) == balance(phone, cards[1]) == 3


def test_a_removed_pass_is_owed_nothing_and_a_readded_one_is_told_again(apple: World) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    phone.delete(card.serial)
    assert registrations(apple.house.database) == []
    assert devices(apple.house.database) == []
    spend(apple, card)
    with apple.runner() as runner:
        apple.deliver(runner)
        assert apple.apns.tokens() == []
        phone.install(apple.link(card))
        spend(apple, card)
        apple.deliver(runner)
    assert balance(phone, card) == 13
    with apple.house.database.read() as session:
        kinds = session.scalars(select(Event.kind).order_by(Event.number)).all()
    assert kinds == ["added", "removed", "added"]


def test_a_changed_push_token_is_used_and_the_old_one_is_not(apple: World) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    old = phone.push_token
    phone.change_token()
    apple.fleet.join(phone)
    spend(apple, card)
    with apple.runner() as runner:
        apple.clock.advance(minutes=1)
        apple.deliver(runner)
    assert balance(phone, card) == 14
    assert old not in apple.apns.tokens()
    assert len(devices(apple.house.database)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        PushAnswer(429, "TooManyRequests", retry_after=3_600),
        PushAnswer(400, "BadDeviceToken"),
        PushAnswer(410, "Unregistered"),
        PushAnswer(400, "PayloadEmpty"),
    ],
)
def test_what_the_old_token_was_refused_for_never_delays_the_new_one(
    apple: World, answer: PushAnswer
) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    apple.apns.always(phone.push_token, answer)
    if answer.status == 410:
        # Apple heard of the loss before the phone registered, so that it is not dropped.
        apple.apns.unregister(phone.push_token, apple.clock() - dt.timedelta(days=1))
    spend(apple, card)
    with apple.runner() as runner:
        apple.deliver(runner)
        phone.change_token()
        apple.fleet.join(phone)
        spend(apple, card)
        # A device that registers is given that long to list by itself.
        apple.clock.advance(seconds=31)
        apple.deliver(runner)
    assert balance(phone, card) == 13
    (device,) = devices(apple.house.database)
    assert (device.attempts, device.failure, device.reminders) == (0, None, 0)


def test_a_refusal_of_the_old_token_that_arrives_late_leaves_the_new_one_alone(
    apple: World,
) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    spend(apple, card)
    now = apple.clock()
    with apple.runner() as runner:
        with apple.house.database.write() as session:
            (device,) = session.scalars(select(AppleDevice.id))
            (job,) = runner.kind.lease(
                session, [device], now=now, until=now + dt.timedelta(seconds=120)
            )
        phone.change_token()
        apple.fleet.join(phone)
        with apple.house.database.write() as session:
            late = Retry(dt.timedelta(hours=1), "TooManyRequests", asked=True)
            runner.kind.record(session, [(job, late)], now=now)
        spend(apple, card)
        apple.clock.advance(seconds=31)
        apple.deliver(runner)
    assert balance(phone, card) == 13


def test_an_unregistered_device_is_dropped_with_all_its_passes(apple: World) -> None:
    cards = [apple.storefront.voucher(apple.storefront.campaign("gift_card")) for _ in range(2)]
    phone = apple.holder(cards[0])
    phone.install(apple.link(cards[1]))
    apple.apns.unregister(phone.push_token, apple.clock() + dt.timedelta(seconds=1))
    spend(apple, cards[0])
    with apple.runner() as runner:
        apple.deliver(runner)
    assert devices(apple.house.database) == []
    assert registrations(apple.house.database) == []


def test_a_device_that_registered_after_it_was_unregistered_is_kept(apple: World) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    apple.apns.unregister(phone.push_token, apple.clock() - dt.timedelta(days=1))
    spend(apple, card)
    with apple.runner() as runner:
        apple.deliver(runner)
        assert len(devices(apple.house.database)) == 1
        apple.apns.always(phone.push_token, None)
        apple.clock.advance(hours=1)
        apple.deliver(runner)
    assert balance(phone, card) == 14


def test_a_bad_token_is_asked_twice_and_dropped_while_others_are_reached(apple: World) -> None:
    campaign = apple.storefront.campaign("gift_card")
    cards = [apple.storefront.voucher(campaign) for _ in range(2)]
    bad, good = (apple.holder(card) for card in cards)
    apple.apns.always(bad.push_token, PushAnswer(400, "BadDeviceToken"))
    with apple.runner() as runner:
        edit(apple, campaign)
        apple.deliver(runner)
        assert len(devices(apple.house.database)) == 2
        apple.clock.advance(minutes=5)
        edit(apple, campaign)
        apple.deliver(runner)
        apple.clock.advance(minutes=20)
        apple.deliver(runner)
    (left,) = devices(apple.house.database)
    assert left.push_token == good.push_token


def test_many_bad_tokens_at_once_delete_nothing(apple: World) -> None:
    campaign = apple.storefront.campaign("gift_card")
    phones = [apple.holder(apple.storefront.voucher(campaign)) for _ in range(8)]
    for phone in phones[1:]:
        apple.apns.always(phone.push_token, PushAnswer(400, "BadDeviceToken"))
    edit(apple, campaign)
    with apple.runner() as runner:
        for _ in range(4):
            apple.deliver(runner)
            apple.clock.advance(minutes=30)
        assert len(devices(apple.house.database)) == 8
        for phone in phones:
            apple.apns.always(phone.push_token, None)
        apple.clock.advance(hours=12)
        apple.deliver(runner)
    assert {known.fetched_campaign for known in registrations(apple.house.database)} == {2}


@pytest.mark.parametrize(
    "answer",
    [
        PushAnswer(429, "TooManyRequests", retry_after=30),
        PushAnswer(500, "InternalServerError"),
        PushAnswer(503, "ServiceUnavailable"),
    ],
)
def test_a_passing_failure_is_retried_until_it_passes(apple: World, answer: PushAnswer) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    apple.apns.answer(answer, times=2)
    spend(apple, card)
    with apple.runner() as runner:
        for _ in range(4):
            runner.kind.close()
            runner.kind._sender._resume_at = 0.0  # type: ignore[attr-defined]
            apple.deliver(runner)
            apple.clock.advance(minutes=5)
    assert balance(phone, card) == 14
    (device,) = devices(apple.house.database)
    assert (device.attempts, device.failure) == (0, None)


def test_a_worker_killed_between_lease_and_record_loses_nothing(apple: World) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    phone = apple.holder(card)
    spend(apple, card)
    with apple.runner() as killed, apple.house.database.write() as session:
        now = apple.clock()
        (device,) = session.scalars(select(AppleDevice.id))
        (job,) = killed.kind.lease(
            session, [device], now=now, until=now + dt.timedelta(seconds=120)
        )
        assert job.token == phone.push_token
    with apple.runner() as other:
        apple.deliver(other)
        assert apple.apns.tokens() == []
        apple.clock.advance(seconds=121)
        apple.deliver(other)
    assert balance(phone, card) == 14


def test_two_workers_never_push_the_same_device_at_once(apple: World) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    apple.holder(card)
    spend(apple, card)
    now = apple.clock()
    until = now + dt.timedelta(seconds=120)
    with apple.runner() as one, apple.runner() as two:
        leased = []
        for runner in (one, two):
            with apple.house.database.write() as session:
                ids = list(session.scalars(select(AppleDevice.id)))
                leased.append(runner.kind.lease(session, ids, now=now, until=until))
    assert [len(jobs) for jobs in leased] == [1, 0]


@pytest.mark.parametrize(
    "outcome",
    [DONE, Retry(dt.timedelta(), "later"), Drop("gone"), Drop("bad", doubtful=True), None],
)
def test_a_worker_that_slept_past_its_lease_leaves_the_next_ones_alone(
    apple: World, outcome: Outcome | None
) -> None:
    card = apple.storefront.voucher(apple.storefront.campaign("gift_card"))
    apple.holder(card)
    spend(apple, card)
    database = apple.house.database
    held: list[tuple[DevicePush, dt.datetime]] = []
    with apple.runner() as slept, apple.runner() as awake:
        for runner in (slept, awake):
            now, until = apple.clock(), apple.clock() + dt.timedelta(seconds=120)
            with database.write() as session:
                ids = list(session.scalars(select(AppleDevice.id)))
                (job,) = runner.kind.lease(session, ids, now=now, until=until)
            held.append((job, until))
            apple.clock.advance(seconds=121)
        apple.clock.advance(seconds=-121)
        (old, _), (new, until) = held
        with database.write() as session:
            if outcome is None:
                slept.kind.release(session, [old], now=apple.clock())
            else:
                slept.kind.record(session, [(old, outcome)], now=apple.clock())
        (device,) = devices(database)
        assert device.claimed_until == device.due_at == until
        with database.write() as session:
            awake.kind.record(session, [(new, DONE)], now=apple.clock())
        (device,) = devices(database)
        assert device.claimed_until is None
        apple.deliver(awake)
    assert apple.apns.tokens() == []


def test_a_bad_token_of_a_device_that_went_meanwhile_costs_no_other_record(apple: World) -> None:
    campaign = apple.storefront.campaign("gift_card")
    cards = [apple.storefront.voucher(campaign) for _ in range(2)]
    phones = [apple.holder(card) for card in cards]
    for card in cards:
        spend(apple, card)
    database = apple.house.database
    now = apple.clock()
    with apple.runner() as runner:
        with database.write() as session:
            ids = list(session.scalars(select(AppleDevice.id).order_by(AppleDevice.id)))
            gone, reached = runner.kind.lease(
                session, ids, now=now, until=now + dt.timedelta(seconds=120)
            )
        phones[0].delete(next(iter(phones[0].cards))[1])
        with database.write() as session:
            results = [(gone, Drop("BadDeviceToken", doubtful=True)), (reached, DONE)]
            runner.kind.record(session, results, now=now)
    (left,) = devices(database)
    assert (left.id, left.pushed_at) == (reached.device_id, now)


def test_edits_of_a_paused_campaign_wait_while_redemptions_go_out(apple: World) -> None:
    campaign = apple.storefront.campaign("gift_card", delivery_paused=True)
    cards = [apple.storefront.voucher(campaign) for _ in range(2)]
    phones = [apple.holder(card) for card in cards]
    edit(apple, campaign)
    with apple.runner() as runner:
        apple.deliver(runner)
        assert apple.apns.tokens() == []
        spend(apple, cards[0])
        apple.deliver(runner)
    assert apple.apns.tokens() == [phones[0].push_token]


def test_a_push_that_apple_never_answers_keeps_no_other_phone_waiting(apple: World) -> None:
    campaign = apple.storefront.campaign("gift_card")
    silent, told, later = (apple.storefront.voucher(campaign) for _ in range(3))
    phones = [apple.holder(card) for card in (silent, told, later)]
    apple.apns.always(phones[0].push_token, SILENCE)
    apple.answer_timeout = 20.0
    spend(apple, silent)
    spend(apple, told)
    with apple.runner() as runner:
        delivery = threading.Thread(target=runner.settle)
        delivery.start()
        await_push(apple, phones[1])
        spend(apple, later)
        runner.hint([Change(Subject.VOUCHER, later.id)])
        await_push(apple, phones[2])
        # And what was answered is recorded although one is still under way.
        until = time.monotonic() + 15
        while devices(apple.house.database)[2].pushed_at is None and time.monotonic() < until:
            time.sleep(0.01)
        held, *others = devices(apple.house.database)
        assert held.pushed_at is None
        assert all(each.pushed_at is not None for each in others)
        assert delivery.is_alive()
        delivery.join(60)
        apple.quiet()
    assert balance(phones[1], told) == balance(phones[2], later) == 14
    assert devices(apple.house.database)[0].failure is not None
    assert apple.apns.connections == 1


def await_push(apple: World, phone: Phone) -> None:
    """Wait until Apple accepted a push to the phone, for less than a silent push takes."""
    until = time.monotonic() + 15
    while phone.push_token not in apple.apns.tokens():
        assert time.monotonic() < until, "the push waits for another"
        time.sleep(0.005)


def test_reminders_are_those_of_the_design() -> None:
    hours = [pause.total_seconds() / 3600 for pause in apple_delivery.REMINDERS]
    assert hours == [1, 6, 24, 168, 168, 168]


def test_incentive_that_is_withdrawn_once_renewed_shows_so_on_its_phone(apple: World) -> None:
    apply(apple.house, codes={"source": "on_demand"}, rules={"stops": [{"event": "renewed"}]})
    ada = Candidate(person=Person(external_id="ada"))
    (decided,) = decisions.decide(apple.house, "spring", [ada], Tally())
    assert decided.issued is not None
    given = decided.issued
    ring, now = apple.house.keyring, apple.clock()
    issued = Issued(
        id=given.voucher_id,
        public_id=given.public_id,
        code="",
        barcode="",
        link=ring.token(Purpose.LINK, key_id=given.key_id, public_id=given.public_id),
        serial=codes.serial(given.public_id),
    )
    phone = apple.holder(issued)
    with apple.runner() as runner:
        apple.deliver(runner)
        with apple.house.database.write() as session:
            renewed = Did(external_id="ada", name="renewed", key="1", at=now)
            people.report(session, apple.house.keyring, [renewed], now=now)
        assert decisions.withdraw(apple.house.database, now=now) == 1
        runner.hint([Change(Subject.VOUCHER, issued.id)])
        apple.deliver(runner)

    (card,) = phone.cards.values()
    assert card.content["voided"] is True
    assert len(apple.apns.tokens()) == 1
    (known,) = registrations(apple.house.database)
    assert known.fetched_voucher == 2
