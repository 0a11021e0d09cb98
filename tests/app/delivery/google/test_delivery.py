"""Passes on Android phones stay true, within Google's limits and through its failures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import event, select, update

from app.delivery.google import chores
from app.delivery.google.objects import GoogleObjects, ObjectJob
from app.delivery.outcomes import Retry
from app.domain.campaign import Anchor, Presentation, Terms, Texts, Validity
from app.domain.overrides import Override
from app.sandbox.android import AndroidPhone, NotSavedError
from app.sandbox.google import PlannedFault
from app.services import changes, clockwork, updates
from app.services.wallets.google import standing
from app.store.models import Campaign, Event, GoogleMessage, GoogleObject, Voucher
from tests.app.delivery.google.conftest import House
from tests.storefront import TEXTS, Issued


def change(house: House, issued: Issued, **values: object) -> None:
    """Change a voucher as a use case would: the version grows with what shows."""
    with house.deployment.database.write() as session:
        session.execute(
            update(Voucher)
            .where(Voucher.id == issued.id)
            .values(version=Voucher.version + 1, **values)
        )
        changes.voucher(session, issued.id)


def row(house: House, issued: Issued) -> GoogleObject:
    with house.deployment.database.read() as session:
        return session.scalars(
            select(GoogleObject).where(GoogleObject.voucher_id == issued.id)
        ).one()


def events(house: House, issued: Issued) -> list[str]:
    with house.deployment.database.read() as session:
        return list(
            session.scalars(
                select(Event.kind).where(Event.voucher_id == issued.id).order_by(Event.number)
            )
        )


def writes(house: House) -> list[tuple[str, str]]:
    """The calls that changed something: method and the kind of resource."""
    return [
        (call.method, call.path.split("/")[3])
        for call in house.wire.calls
        if call.method != "GET" and call.status == 200
    ]


def save(house: House, phone: AndroidPhone, issued: Issued) -> str:
    """Ask for the link, let the worker work, and follow the link."""
    link = f"{house.url}/p/{issued.link}/google"
    house.app.test_client().get(f"/p/{issued.link}/google")
    house.settle()
    (object_id,) = phone.save(link)
    house.wire.sender.settle()
    house.settle()
    return object_id


def test_a_saved_coupon_shows_that_it_was_redeemed(house: House) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, issued)
        shown = phone.passes()[object_id]
        assert (shown.state, shown.barcode, shown.title) == (
            "ACTIVE",
            issued.barcode,
            "On everything",
        )
        change(house, issued, used=1)
        house.settle()
        assert phone.passes()[object_id].state == "COMPLETED"
    assert writes(house) == [
        ("POST", "offerClass"),
        ("POST", "offerObject"),
        ("PATCH", "offerObject"),
    ]


def test_a_validity_from_the_first_add_begins_when_the_pass_is_saved(house: House) -> None:
    terms = Terms(validity=Validity(anchor=Anchor.FIRST_ADD, days=3))
    issued = house.shop.voucher(house.shop.campaign(terms=terms))
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, issued)
        house.settle()
        with house.deployment.database.read() as session:
            ends_at = session.get_one(Voucher, issued.id).ends_at
        assert ends_at == dt.datetime(2026, 11, 24, 23, 0, tzinfo=dt.UTC)
        assert phone.passes()[object_id].ends == "2026-11-24T23:59:59+01:00"
    with AndroidPhone(house.wire.url, user="bert") as phone:
        house.clock.advance(days=1)
        save(house, phone, issued)
    with house.deployment.database.read() as session:
        assert session.get_one(Voucher, issued.id).ends_at == ends_at


def test_twenty_changes_before_a_delivery_cost_one_call(house: House) -> None:
    card = house.shop.voucher(house.shop.campaign("gift_card"))
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, card)
        before = len(writes(house))
        for cents in range(20):
            change(house, card, balance_minor=1000 + cents)
        house.settle()
        assert phone.passes()[object_id].balance_micros == 10_190_000
    patches = [each for each in writes(house)[before:] if each[0] == "PATCH"]
    assert len(patches) == 1


def test_saving_and_deleting_are_known_and_a_deleted_pass_is_owed_nothing(house: House) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, issued)
        assert row(house, issued).has_users is True
        phone.delete(object_id)
        house.wire.sender.settle()
        house.settle()
        assert row(house, issued).has_users is False
        assert events(house, issued) == ["added", "removed"]
        before = len(house.wire.calls)
        change(house, issued, used=1)
        house.settle()
        assert len(house.wire.calls) == before
        save(house, phone, issued)
        assert phone.passes()[object_id].state == "COMPLETED"
    assert events(house, issued) == ["added", "removed", "added"]


def test_a_save_of_which_google_never_told_is_asked_for_a_day_after_its_link(
    house: House,
) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, issued)
        phone.delete(object_id)
        house.wire.sender.settle()
        house.settle()
        assert row(house, issued).has_users is False
        house.wire.sender.lose = 1.0
        save(house, phone, issued)
        assert row(house, issued).has_users is None
        # Whoever may have saved it is kept true meanwhile.
        change(house, issued, used=1)
        house.settle()
        assert phone.passes()[object_id].state == "COMPLETED"
        house.clock.advance(days=1)
        house.settle()
    assert house.wire.sender.lost == 1
    assert row(house, issued).has_users is True
    assert events(house, issued) == ["added", "removed", "added"]


def test_a_link_that_nobody_followed_costs_one_question(house: House) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    client = house.app.test_client()
    for _ in range(3):
        client.get(f"/p/{issued.link}/google")
        house.settle()
    before = len(house.wire.calls)
    house.clock.advance(days=1)
    house.settle()
    house.settle()
    assert [call.method for call in house.wire.calls[before:]] == ["GET"]
    assert row(house, issued).has_users is False
    assert events(house, issued) == []


def test_a_deletion_is_not_asked_about_while_somebody_may_be_saving(house: House) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    with (
        AndroidPhone(house.wire.url, user="anna") as anna,
        AndroidPhone(house.wire.url, user="bob") as bob,
    ):
        object_id = save(house, anna, issued)
        anna.delete(object_id)
        house.wire.sender.settle()
        link = house.app.test_client().get(f"/p/{issued.link}/google").headers["Location"]
        house.settle()
        house.wire.sender.lose = 1.0
        bob.save(link)
        house.clock.advance(minutes=10)
        house.settle()
        assert row(house, issued).has_users is True
        change(house, issued, used=1)
        house.settle()
        assert bob.passes()[object_id].state == "COMPLETED"


def test_a_deletion_of_which_google_never_told_is_heard_with_the_next_change(
    house: House,
) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, issued)
        house.wire.sender.lose = 1.0
        phone.delete(object_id)
    house.settle()
    assert row(house, issued).has_users is True
    change(house, issued, used=1)
    house.settle()
    assert row(house, issued).has_users is False
    assert events(house, issued) == ["added", "removed"]


def test_no_change_waits_for_the_day_of_a_question(house: House) -> None:
    campaign = house.shop.campaign()
    ends = house.clock.now + dt.timedelta(days=30)
    issued = house.shop.voucher(campaign, ends_at=ends)
    with AndroidPhone(house.wire.url, user="anna") as phone:
        house.wire.sender.lose = 1.0
        object_id = save(house, phone, issued)
        before = phone.passes()[object_id].ends
        with house.deployment.database.write() as session:
            updates.order(
                session,
                session.get_one(Campaign, campaign).key,
                updates.UpdateRequest(override=Override(ends_at=ends + dt.timedelta(days=9))),
                settings=house.deployment.settings,
                keyring=house.deployment.keyring,
                now=house.deployment.now(),
            )
        house.settle()
        assert phone.passes()[object_id].ends != before
        # Nobody hints at this one: the sweep finds it.
        house.shop.set(issued.id, used=1, version=2)
        house.settle()
        assert phone.passes()[object_id].state == "COMPLETED"
    due = row(house, issued).due_at
    assert due is not None
    assert due > house.clock.now + dt.timedelta(hours=23)


def test_a_deletion_by_one_of_several_holders_is_not_the_end(house: House) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    with (
        AndroidPhone(house.wire.url, user="anna") as anna,
        AndroidPhone(house.wire.url, user="bob") as bob,
    ):
        object_id = save(house, anna, issued)
        save(house, bob, issued)
        anna.delete(object_id)
        house.wire.sender.settle()
        house.settle()
        assert row(house, issued).has_users is True
        change(house, issued, used=1)
        house.settle()
        assert bob.passes()[object_id].state == "COMPLETED"
    assert events(house, issued) == ["added"]


def test_a_gift_card_is_for_one_person(house: House) -> None:
    card = house.shop.voucher(house.shop.campaign("gift_card"))
    with (
        AndroidPhone(house.wire.url, user="anna") as anna,
        AndroidPhone(house.wire.url, user="bob") as bob,
    ):
        save(house, anna, card)
        with pytest.raises(NotSavedError, match="somebody else"):
            save(house, bob, card)


def test_without_a_worker_a_coupon_travels_inside_the_link_and_is_then_kept_true(
    house: House,
) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    chores.run(house.deployment)
    house.classes.settle()
    with AndroidPhone(house.wire.url, user="anna") as phone:
        (object_id,) = phone.save(f"{house.url}/p/{issued.link}/google")
        assert phone.passes()[object_id].state == "ACTIVE"
        change(house, issued, used=1)
        house.settle()
        assert phone.passes()[object_id].state == "COMPLETED"


def test_several_vouchers_are_saved_by_one_link(house: House) -> None:
    coupon = house.shop.voucher(house.shop.campaign())
    card = house.shop.voucher(house.shop.campaign("gift_card"))
    path = f"/p/{coupon.link}.{card.link}/google"
    house.app.test_client().get(path)
    house.settle()
    with AndroidPhone(house.wire.url, user="anna") as phone:
        assert len(phone.save(house.url + path)) == 2
        assert len(phone.passes()) == 2


def test_an_edit_that_shows_on_the_class_is_one_call_however_many_hold_it(house: House) -> None:
    campaign = house.shop.campaign()
    issued = [house.shop.voucher(campaign) for _ in range(3)]
    with AndroidPhone(house.wire.url, user="anna") as phone:
        ids = [save(house, phone, each) for each in issued]
        before = len(writes(house))
        texts = {
            "en": Texts(title="On all shoes", offer="−20 %"),
            "fr": Texts(title="Sur les chaussures", offer="−20 %"),
        }
        house.shop.revise(campaign, texts=texts)
        touched: list[str] = []

        def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
            if "google_object " in statement and statement.startswith("UPDATE"):
                touched.append(statement)

        event.listen(house.deployment.database.engine, "before_cursor_execute", note)
        house.settle()
        event.remove(house.deployment.database.engine, "before_cursor_execute", note)
        assert touched == []
        assert {phone.passes()[each].title for each in ids} == {"On all shoes"}
    assert writes(house)[before:] == [("PATCH", "offerClass")]
    with house.deployment.database.read() as session:
        assert standing.standing(session, rate=20).owed == 0


def test_an_edit_that_is_taken_back_before_the_class_knew_of_it_leaves_no_object_behind(
    house: House,
) -> None:
    """A redemption shows an object the edit in between, which the class never sees."""
    campaign = house.shop.campaign()
    issued = house.shop.voucher(campaign)
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, issued)

        def override(ends: str) -> None:
            with house.deployment.database.write() as session:
                found = session.get_one(Campaign, campaign)
                found.version += 1
                found.override = {"ends_at": ends} if ends else None
                changes.campaign(session, campaign)

        before = phone.passes()[object_id].ends
        house.shop.set(issued.id, ends_at=house.clock.now + dt.timedelta(days=3))
        change(house, issued)
        house.settle()
        own = phone.passes()[object_id].ends
        assert own != before
        override("2026-12-24T12:00:00+00:00")
        change(house, issued)
        house.objects.settle()
        assert phone.passes()[object_id].ends != own
        override("")
        house.settle()
        assert phone.passes()[object_id].ends == own


def test_an_overriding_end_that_comes_is_shown_by_every_object(house: House) -> None:
    """The edit was known long before; what changes is that its time has come."""
    campaign = house.shop.campaign()
    ends = house.clock.now + dt.timedelta(days=30)
    issued = [house.shop.voucher(campaign, ends_at=ends) for _ in range(2)]
    clockwork.run(house.deployment)
    with AndroidPhone(house.wire.url, user="anna") as phone:
        ids = [save(house, phone, each) for each in issued]
        sooner = house.clock.now + dt.timedelta(days=1)
        with house.deployment.database.write() as session:
            updates.order(
                session,
                session.get_one(Campaign, campaign).key,
                updates.UpdateRequest(
                    override=Override(ends_at=sooner, forced=frozenset({"ends_at"}))
                ),
                settings=house.deployment.settings,
                keyring=house.deployment.keyring,
                now=house.deployment.now(),
            )
        house.settle()
        assert {phone.passes()[each].state for each in ids} == {"ACTIVE"}
        house.clock.advance(days=2)
        clockwork.run(house.deployment)
        house.settle()
        assert {phone.passes()[each].state for each in ids} == {"EXPIRED"}


def test_an_edit_that_is_undone_before_its_class_had_its_turn_stays_on_no_object(
    house: House,
) -> None:
    """Whoever redeems in between is given the edit, and then what came after it."""
    campaign = house.shop.campaign()
    ends = house.clock.now + dt.timedelta(days=30)
    issued = house.shop.voucher(campaign, ends_at=ends, uses=9)

    def override(days: int) -> None:
        end = ends + dt.timedelta(days=days)
        with house.deployment.database.write() as session:
            updates.order(
                session,
                session.get_one(Campaign, campaign).key,
                updates.UpdateRequest(
                    override=Override(ends_at=end, forced=frozenset({"ends_at"}))
                ),
                settings=house.deployment.settings,
                keyring=house.deployment.keyring,
                now=house.deployment.now(),
            )

    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, issued)
        override(10)
        house.settle()
        assert phone.passes()[object_id].state == "ACTIVE"
        override(-31)
        change(house, issued, used=1)
        house.objects.settle()
        assert phone.passes()[object_id].state == "EXPIRED"
        override(10)
        house.settle()
        assert phone.passes()[object_id].state == "ACTIVE"


def test_an_object_that_google_lost_is_inserted_again(house: House) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, issued)
        house.wire.store.lose(object_id)
        change(house, issued, used=1)
        house.settle()
        house.settle()
    assert house.wire.store.get("offerObject", object_id)["state"] == "COMPLETED"


@pytest.mark.parametrize(
    "fault",
    [
        PlannedFault(503),
        PlannedFault(500, after=True),
        PlannedFault(0),
        PlannedFault(0, after=True),
        PlannedFault(429, retry_after=3),
        PlannedFault(401),
    ],
    ids=["unavailable", "failed-late", "dropped", "dropped-late", "busy", "token-refused"],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_failed_call_is_made_good(house: House, fault: PlannedFault, method: str) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    house.wire.fail(
        PlannedFault(
            fault.status, method, "offerObject", after=fault.after, retry_after=fault.retry_after
        )
    )
    with AndroidPhone(house.wire.url, user="anna") as phone:
        house.app.test_client().get(f"/p/{issued.link}/google")
        house.settle()
        house.clock.advance(seconds=10)
        object_id = save(house, phone, issued)
        change(house, issued, used=1)
        house.settle()
        house.clock.advance(seconds=10)
        house.settle()
        assert phone.passes()[object_id].state == "COMPLETED"
    assert row(house, issued).failure is None


def test_a_change_that_is_taken_back_after_an_unclear_answer_is_taken_back_at_google(
    house: House,
) -> None:
    """Google carried the change out, and nobody here knows: what was sent before is no guide."""
    issued = house.shop.voucher(house.shop.campaign())
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, issued)
        house.wire.fail(PlannedFault(0, "PATCH", "offerObject", after=True))
        change(house, issued, used=1)
        house.objects.settle()
        assert phone.passes()[object_id].state == "COMPLETED"
        change(house, issued, used=0)
        house.clock.advance(seconds=10)
        house.settle()
        assert phone.passes()[object_id].state == "ACTIVE"


def test_a_change_that_is_taken_back_after_a_worker_died_is_taken_back_at_google(
    house: House,
) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, issued)
        change(house, issued, used=1)
        kind, now = house.objects.kind, house.clock.now
        with house.deployment.database.write() as session:
            until = now + dt.timedelta(seconds=120)
            jobs = kind.lease(session, [row(house, issued).id], now=now, until=until)
        assert list(kind.deliver(jobs, now=now))
        assert phone.passes()[object_id].state == "COMPLETED"
        change(house, issued, used=0)
        house.clock.advance(minutes=3)
        house.settle()
        assert phone.passes()[object_id].state == "ACTIVE"


def test_an_edit_that_is_taken_back_after_an_unclear_answer_is_taken_back_on_the_class(
    house: House,
) -> None:
    campaign = house.shop.campaign()
    issued = house.shop.voucher(campaign)
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, issued)
        house.wire.fail(PlannedFault(0, "PATCH", "offerClass", after=True))
        other = {name: replace(each, title="Later") for name, each in TEXTS.items()}
        house.shop.revise(campaign, texts=other)
        house.classes.settle()
        assert phone.passes()[object_id].title == "Later"
        house.shop.revise(campaign, texts=TEXTS)
        house.clock.advance(seconds=10)
        house.settle()
        assert phone.passes()[object_id].title == "On everything"


def test_refused_content_waits_for_a_change_and_names_the_cause(house: House) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    house.wire.fail(PlannedFault(400, "POST", "offerObject", reason="barcode.value is unreadable"))
    house.app.test_client().get(f"/p/{issued.link}/google")
    house.settle()
    assert "barcode.value is unreadable" in (row(house, issued).failure or "")
    before = len(house.wire.calls)
    house.clock.advance(minutes=30)
    house.settle()
    assert len(house.wire.calls) == before
    change(house, issued, uses=3)
    house.settle()
    house.objects.settle()
    assert row(house, issued).status == "inserted"
    assert row(house, issued).failure is None


def test_a_refused_account_stops_the_sender_until_it_is_invited(house: House) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    house.wire.invited = False
    house.app.test_client().get(f"/p/{issued.link}/google")
    house.settle()
    resting = house.objects.kind.rest()
    assert resting is not None
    assert "Invite" in resting.remedy
    before = len(house.wire.calls)
    house.settle()
    assert len(house.wire.calls) == before
    house.wire.invited = True
    house.clock.advance(minutes=6)
    house.settle()
    house.settle()
    assert row(house, issued).status == "inserted"


def test_a_balance_is_told_three_times_a_day_and_then_silently(house: House) -> None:
    card = house.shop.voucher(house.shop.campaign("gift_card"))
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, card)
        for euros in range(14, 8, -1):
            change(house, card, balance_minor=euros * 100)
            house.settle()
            house.settle()
            house.clock.advance(minutes=10)
        shown = phone.passes()[object_id]
        assert shown.balance_micros == 9_000_000
        assert shown.messages == ("€14.00", "€13.00", "€12.00", "€11.00", "€10.00", "€9.00")
        assert phone.notifications() == ["€14.00", "€13.00", "€12.00"]
        house.clock.advance(hours=24)
        change(house, card, balance_minor=800)
        house.settle()
        house.settle()
        assert phone.notifications()[-1] == "€8.00"
        for euros in (7, 6, 5, 4, 3):
            change(house, card, balance_minor=euros * 100)
            house.settle()
            house.settle()
        assert phone.passes()[object_id].messages[-1] == "€3.00"
        assert len(phone.passes()[object_id].messages) <= 10


@pytest.mark.parametrize(
    "fault", [PlannedFault(500, after=True), PlannedFault(0, after=True), PlannedFault(503)]
)
def test_no_message_comes_twice_after_an_unclear_answer(house: House, fault: PlannedFault) -> None:
    card = house.shop.voucher(house.shop.campaign("gift_card"))
    with AndroidPhone(house.wire.url, user="anna") as phone:
        save(house, phone, card)
        house.wire.fail(PlannedFault(fault.status, "POST", "addMessage", after=fault.after))
        change(house, card, balance_minor=500)
        for _ in range(4):
            house.settle()
            house.clock.advance(seconds=10)
        assert phone.notifications() == ["€5.00"]
    with house.deployment.database.read() as session:
        assert session.scalars(select(GoogleMessage.status)).all() == ["sent"]


def test_a_paused_campaign_sends_redemptions_and_no_edit(house: House) -> None:
    campaign = house.shop.campaign()
    issued = house.shop.voucher(campaign)
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, issued)
        with house.deployment.database.write() as session:
            session.get_one(Campaign, campaign).delivery_paused = True
        house.shop.revise(campaign, texts={"en": Texts(title="Later", offer="−20 %")})
        change(house, issued, used=1)
        house.settle()
        shown = phone.passes()[object_id]
        assert (shown.state, shown.title) == ("COMPLETED", "On everything")


def test_a_worker_that_died_loses_nothing(house: House) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, issued)
        change(house, issued, used=1)
        target = row(house, issued).id
        with house.deployment.database.write() as session:
            now = house.clock.now
            until = now.replace(minute=now.minute + 2)
            assert len(house.objects.kind.lease(session, [target], now=now, until=until)) == 1
            assert house.objects.kind.lease(session, [target], now=now, until=until) == []
        house.settle()
        assert phone.passes()[object_id].state == "ACTIVE"
        house.clock.advance(minutes=3)
        house.settle()
        assert phone.passes()[object_id].state == "COMPLETED"


def test_a_voucher_that_changes_while_google_is_called_is_called_about_again_at_once(
    house: House,
) -> None:
    issued = house.shop.voucher(house.shop.campaign())
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_id = save(house, phone, issued)
        change(house, issued, uses=3)
        kind, now = house.objects.kind, house.clock.now
        with house.deployment.database.write() as session:
            until = now + dt.timedelta(seconds=120)
            jobs = kind.lease(session, [row(house, issued).id], now=now, until=until)
        results = list(kind.deliver(jobs, now=now))
        change(house, issued, used=3)
        with house.deployment.database.write() as session:
            kind.record(session, results, now=now)
        assert row(house, issued).due_at == now
        house.objects.settle()
        assert phone.passes()[object_id].state == "COMPLETED"


def test_what_a_campaign_tells_everybody_is_left_to_the_lane_of_campaigns(house: House) -> None:
    """No redemption stands behind an edit or a message that goes to a hundred thousand."""
    campaign = house.shop.campaign()
    issued = [house.shop.voucher(campaign) for _ in range(3)]
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_ids = [save(house, phone, each) for each in issued]
        with house.deployment.database.write() as session:
            override = Override(ends_at=house.clock.now + dt.timedelta(days=9))
            updates.order(
                session,
                session.get_one(Campaign, campaign).key,
                updates.UpdateRequest(message={"en": "Longer", "fr": "Plus"}, override=override),
                settings=house.deployment.settings,
                keyring=house.deployment.keyring,
                now=house.deployment.now(),
            )
        change(house, issued[0], used=1)
        house.classes.settle()
        house.objects.settle()
        assert [phone.passes()[each].state for each in object_ids] == [
            "COMPLETED",
            "ACTIVE",
            "ACTIVE",
        ]
        assert phone.notifications() == []
        assert row(house, issued[1]).sent_campaign == 1
        for _ in range(2):
            house.edits.settle()
        assert phone.notifications() == ["Longer"] * 3
        assert [row(house, each).sent_campaign for each in issued] == [2, 2, 2]


def test_no_call_begins_when_its_lease_is_about_to_end(house: House) -> None:
    """Else another worker, who has the lease by then, would speak of the object at once."""
    campaign = house.shop.campaign()
    issued = [house.shop.voucher(campaign) for _ in range(2)]
    with AndroidPhone(house.wire.url, user="anna") as phone:
        object_ids = [save(house, phone, each) for each in issued]
        change(house, issued[0], used=1)
        house.shop.revise(campaign, texts={"en": Texts(title="Later", offer="−20 %")})
        house.classes.settle()
        before = writes(house)
        targets = [row(house, each).id for each in issued]
        kind, now = house.objects.kind, house.clock.now
        with house.deployment.database.write() as session:
            jobs = kind.lease(session, targets, now=now, until=now + dt.timedelta(seconds=120))
        assert sorted(job.campaign_only for job in jobs) == [False, True]
        house.clock.advance(seconds=61)
        results = list(kind.deliver(jobs, now=now))
        assert {type(outcome) for _, outcome in results} == {Retry}
        assert writes(house) == before
        with house.deployment.database.write() as session:
            kind.record(session, results, now=house.clock.now)
        assert [row(house, each).attempts for each in issued] == [0, 0]
        house.clock.advance(seconds=1)
        house.settle()
        assert phone.passes()[object_ids[0]].state == "COMPLETED"


def test_a_sweep_is_taken_no_further_than_its_leases_can_be_kept(house: House) -> None:
    taken: list[int] = []

    def offered() -> Iterator[ObjectJob]:
        for number in range(1_000):
            taken.append(number)
            yield ObjectJob(
                row_id=number,
                until=house.clock.now,
                voucher_id=number,
                public_id=number,
                object_id="",
                inserted=True,
                campaign_only=True,
                asks=False,
                speaks=False,
                digest=None,
                ask_users_at=None,
                attempts=0,
            )

    results = list(house.objects.kind.deliver(offered(), now=house.clock.now))
    assert len(results) == len(taken) == GoogleObjects.batch


def test_a_gift_card_that_ends_soon_is_told_once_by_day_and_an_offer_by_google(
    house: House,
) -> None:
    ends = house.clock.now + dt.timedelta(days=4)
    card = house.shop.voucher(house.shop.campaign("gift_card"), ends_at=ends)
    quiet = Presentation(texts=TEXTS, expiry_notice=False)
    silent = house.shop.voucher(house.shop.campaign("gift_card", presentation=quiet), ends_at=ends)
    coupon = house.shop.voucher(house.shop.campaign(presentation=quiet), ends_at=ends)
    with AndroidPhone(house.wire.url, user="anna") as phone:
        for each in (card, silent, coupon):
            save(house, phone, each)
        assert house.wire.store.resources("offerObject")[0]["disableExpirationNotification"] is True
        house.clock.now = ends - dt.timedelta(hours=35)  # 02:00 in Paris
        clockwork.run(house.deployment)
        house.settle()
        assert phone.notifications() == []
        house.clock.advance(hours=8)
        for _ in range(3):
            clockwork.run(house.deployment)
            house.settle()
            house.clock.advance(minutes=1)
        # It ends in the middle of a day, so that the hour is told, too.
        assert phone.notifications() == ["Nov 25, 2026, 1:00\u202fPM"]


def test_an_end_with_the_day_is_told_by_its_last_day(house: House) -> None:
    # Midnight in Paris: what ends then is good through the day before.
    ends = dt.datetime(2026, 11, 30, 23, 0, tzinfo=dt.UTC)
    card = house.shop.voucher(house.shop.campaign("gift_card"), ends_at=ends)
    with AndroidPhone(house.wire.url, user="anna") as phone:
        save(house, phone, card)
        house.clock.now = ends - dt.timedelta(hours=30)
        clockwork.run(house.deployment)
        house.settle()
        assert phone.notifications() == ["Nov 30, 2026"]


def test_a_marketers_message_reaches_every_holder_once(house: House) -> None:
    campaign = house.shop.campaign()
    issued = [house.shop.voucher(campaign) for _ in range(3)]
    with AndroidPhone(house.wire.url, user="anna") as phone:
        for each in issued:
            save(house, phone, each)
        with house.deployment.database.write() as session:
            key = session.get_one(Campaign, campaign).key
            said = updates.UpdateRequest(message={"en": "Two more days", "fr": "Encore deux jours"})
            updates.order(
                session,
                key,
                said,
                settings=house.deployment.settings,
                keyring=house.deployment.keyring,
                now=house.deployment.now(),
            )
        for _ in range(3):
            house.settle()
        assert phone.notifications() == ["Two more days"] * 3
        change(house, issued[0], used=1)
        late = save(house, phone, house.shop.voucher(campaign))
        assert phone.passes()[late].messages == ()
        assert len(phone.notifications()) == 3
