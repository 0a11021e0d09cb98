"""Holds and gift cards at the till: what is set aside, spent, loaded, refunded, blocked, ended."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection, delete, func, select, update

from app.domain import overrides
from app.domain.campaign import Benefit, BenefitType, Source, Terms
from app.domain.codes import from_serial
from app.domain.overrides import Override
from app.domain.refusals import Reason
from app.services import access, audit, closing, keys, links, resolving
from app.services.access import Client, Scope
from app.services.deployment import Deployment
from app.services.tills import (
    Answer,
    CardAction,
    CardCall,
    Redemption,
    ScannedItem,
    Tills,
    lookup,
    release_lapsed,
)
from app.services.tills import cards as actions
from app.services.tills.attempt import Attempt, Call
from app.services.tills.memory import Memory
from app.services.tills.requests import Where
from app.services.tills.voucher_rows import Found
from app.services.wallets import holdings
from app.services.wallets.content import pass_content
from app.store.models import (
    Campaign,
    Code,
    Entry,
    Event,
    Hold,
    OperatorDay,
    RecipientUse,
    Voucher,
)
from passes.content import Localized, Money
from tests.conftest import Clock
from tests.shop import Issued, Shop, Till

EUR = "EUR"


def euros(minor: int, currency: str = EUR) -> dict[str, Any]:
    return {"minor": minor, "currency": currency}


class Counter:
    """A till that also holds and refunds, and a supervisor beside it."""

    def __init__(self, till: Till, supervisor: Till) -> None:
        self.till = till
        self.supervisor = supervisor

    def ask(self, path: str, *, boss: bool = False, key: str | None = None, **body: Any) -> Any:
        answer = (self.supervisor if boss else self.till).post(path, body, key=key)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()

    def hold(self, card: Issued, minor: int | None = None, **body: Any) -> Any:
        item = {"barcode": card.barcode, **({"amount": euros(minor)} if minor else {})}
        return self.ask("/redemptions", mode="hold", items=[item], **body)

    def held(self, card: Issued, minor: int | None = None, **body: Any) -> str:
        found: str = self.hold(card, minor, **body)["holds"][0]["hold_id"]
        return found

    def capture(self, hold: str, **body: Any) -> Any:
        return self.ask(f"/holds/{hold}/capture", **body)

    def void(self, hold: str, **body: Any) -> Any:
        return self.ask(f"/holds/{hold}/void", **body)

    def card(self, action: str, card: Issued, *, boss: bool = True, **body: Any) -> Any:
        return self.ask(
            f"/gift-cards/{action}", boss=boss, barcode=card.barcode, operator="ann", **body
        )

    def spend(self, card: Issued, minor: int) -> str:
        answer = self.till.redeem(card.barcode, amount=euros(minor))
        found: str = answer["redemptions"][0]["redemption_id"]
        return found

    def refund(self, redemption: str, minor: int | None = None, **body: Any) -> Any:
        amount = {"amount": euros(minor)} if minor else {}
        return self.ask(
            "/refunds", redemption_id=redemption, **{"operator": "ann", **amount, **body}
        )


@pytest.fixture
def counter(shop: Shop, till: Till, client: FlaskClient) -> Counter:
    scopes = (Scope.POS, Scope.POS_SUPERVISOR)
    return Counter(till, Till(client, shop.key(*scopes, store="paris", terminal="1")))


@pytest.fixture
def card(shop: Shop) -> Issued:
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=5_000))
    return shop.voucher()


def money(shop: Shop, card: Issued) -> tuple[int, int]:
    row = shop.row(card)
    return row.balance_minor, row.held_minor


def balanced(deployment: Deployment) -> bool:
    """Whether every balance is the sum of its entries, and every hold is covered."""
    with deployment.database.read() as session:
        for voucher in session.scalars(select(Voucher)):
            entries = session.scalars(select(Entry).where(Entry.voucher_id == voucher.id)).all()
            held = session.scalar(
                select(func.coalesce(func.sum(Hold.amount_minor - Hold.captured_minor), 0)).where(
                    Hold.voucher_id == voucher.id, Hold.status == "open"
                )
            )
            if (
                sum(entry.amount_minor for entry in entries) != voucher.balance_minor
                or sum(entry.uses for entry in entries) != voucher.used
                or held != voucher.held_minor
                or not 0 <= voucher.held_minor <= voucher.balance_minor
            ):
                return False
    return True


def clean(deployment: Deployment) -> bool:
    """Whether the audit finds nothing."""
    return not any(section.findings for section in audit.run(deployment.database))


def test_a_hold_sets_money_aside_until_a_part_is_captured_and_the_rest_released(
    shop: Shop, counter: Counter, card: Issued, deployment: Deployment
) -> None:
    hold = counter.held(card, 3_000)
    assert money(shop, card) == (5_000, 3_000)
    version = shop.row(card).version
    short = counter.till.redeem(card.barcode, amount=euros(2_001))
    assert short["details"]["available_minor"] == 2_000

    captured = counter.capture(hold, amount=euros(1_200), receipt="R1")["redemptions"][0]

    assert (captured["applied_minor"], captured["released_minor"]) == (1_200, 1_800)
    assert captured["voucher"]["available_minor"] == 3_800
    assert money(shop, card) == (3_800, 0)
    assert shop.row(card).version == version + 1
    assert balanced(deployment)


def test_a_capture_that_is_not_final_leaves_the_rest_of_the_hold_open(
    shop: Shop, counter: Counter, card: Issued, deployment: Deployment
) -> None:
    hold = counter.held(card, 3_000)
    counter.capture(hold, amount=euros(1_000), final=False)
    assert money(shop, card) == (4_000, 2_000)
    counter.capture(hold, amount=euros(500), final=False)
    assert counter.capture(hold, amount=euros(1_501))["details"]["left_minor"] == 1_500
    counter.void(hold)
    assert money(shop, card) == (3_500, 0)
    assert balanced(deployment)


def test_a_coupons_hold_counts_on_every_counter_and_gives_back_or_keeps_all_of_them(
    shop: Shop, counter: Counter, deployment: Deployment
) -> None:
    shop.campaign(
        source=Source.SHARED,
        budget_uses=5,
        budget_minor=5_000,
        terms=Terms(
            benefit=Benefit(type=BenefitType.AMOUNT, minor=500),
            uses=2,
            uses_per_recipient=2,
            uses_per_day=2,
        ),
    )
    code_id = shop.code("SUMMER", limit=2)
    coupon = shop.voucher(code_id=code_id, recipient_id=shop.recipient("r"))
    basket = {"currency": EUR, "lines": [{"id": "1", "amount_minor": 900}]}

    def counters() -> list[tuple[int, int]]:
        with deployment.database.read() as session:
            rows = [session.get_one(Voucher, coupon.id), session.get_one(Code, code_id)]
            uses = session.scalars(select(RecipientUse)).all()
            campaign = session.scalars(select(Campaign)).one()
            return [
                *((row.used, row.held) for row in [*rows, *uses, campaign]),
                (campaign.used_minor, campaign.held_minor),
            ]

    first, second = (counter.held(coupon, basket=basket) for _ in range(2))
    assert counters() == [(0, 2)] * 5 + [(0, 1_000)]
    assert counter.till.redeem(coupon.barcode)["reason"] == Reason.HELD_ELSEWHERE
    counter.void(first)
    assert counters() == [(0, 1)] * 5 + [(0, 500)]
    made = counter.capture(second)["redemptions"][0]["redemption_id"]
    assert counters() == [(1, 0)] * 5 + [(500, 0)]
    counter.till.reverse(redemption_id=made)
    assert counters() == [(0, 0)] * 5 + [(0, 0)]


def test_the_next_write_releases_what_lapsed_and_so_does_the_clock(
    shop: Shop, counter: Counter, card: Issued, deployment: Deployment, clock: Clock
) -> None:
    hold = counter.held(card, 5_000, ttl_seconds=60)
    clock.advance(seconds=61)
    assert counter.capture(hold)["reason"] == Reason.HOLD_EXPIRED
    assert counter.till.scan(card.barcode)["voucher"]["available_minor"] == 5_000
    counter.held(card, 5_000, ttl_seconds=60)
    clock.advance(seconds=61)
    assert counter.spend(card, 5_000)
    other = shop.voucher()
    counter.held(other, 100, ttl_seconds=60)
    clock.advance(seconds=61)

    assert release_lapsed(deployment, deployment.now()) == 1
    assert release_lapsed(deployment, deployment.now()) == 0
    assert money(shop, other) == (5_000, 0)
    assert balanced(deployment)


@pytest.mark.parametrize("end", ["capture", "part", "void", "lapse"])
def test_a_hold_outlives_the_card_and_what_it_releases_then_is_booked_as_expired(
    shop: Shop, counter: Counter, deployment: Deployment, clock: Clock, end: str
) -> None:
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=5_000))
    card = shop.voucher(ends_at=clock.now + dt.timedelta(minutes=5))
    hold = counter.held(card, 2_000, ttl_seconds=600)
    clock.advance(minutes=6)

    assert release_lapsed(deployment, deployment.now()) == 1
    assert money(shop, card) == (2_000, 2_000)
    assert shop.row(card).status == "expired"

    if end == "capture":
        assert counter.capture(hold)["outcome"] == "accepted"
    elif end == "part":
        assert counter.capture(hold, amount=euros(500))["outcome"] == "accepted"
    elif end == "void":
        assert counter.void(hold)["outcome"] == "accepted"
    else:
        clock.advance(minutes=10)
        assert release_lapsed(deployment, deployment.now()) == 1

    assert money(shop, card) == (0, 0)
    with deployment.database.read() as session:
        expired = session.scalars(select(Entry.amount_minor).where(Entry.kind == "expire")).all()
    spent = {"capture": 2_000, "part": 500}.get(end, 0)
    assert sum(expired) == -(5_000 - spent)
    assert balanced(deployment)


def test_a_redemption_is_refunded_in_parts_and_never_beyond_what_it_took(
    shop: Shop, counter: Counter, card: Issued, deployment: Deployment, clock: Clock
) -> None:
    made = counter.spend(card, 3_000)
    assert counter.refund(made, 1_000)["left_minor"] == 2_000
    over = counter.refund(made, 2_001)
    assert (over["reason"], over["details"]["left_minor"]) == ("refund_over_redemption", 2_000)
    clock.advance(days=1)
    assert counter.refund(made)["returned_minor"] == 2_000
    assert counter.refund(made, 1)["reason"] == Reason.ALREADY_REVERSED
    assert money(shop, card) == (5_000, 0)
    assert balanced(deployment)


@pytest.mark.parametrize("how", ["refund", "undo"])
def test_a_refund_to_a_dead_card_goes_to_one_replacement(
    shop: Shop, counter: Counter, deployment: Deployment, clock: Clock, how: str
) -> None:
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=5_000))
    card = shop.voucher(
        ends_at=clock.now + dt.timedelta(minutes=5), recipient_id=shop.recipient("r")
    )
    first, second = counter.spend(card, 1_000), counter.spend(card, 2_000)
    clock.advance(minutes=6)
    release_lapsed(deployment, deployment.now())
    version = shop.row(card).version

    if how == "refund":
        replaced_by = counter.refund(first, 400)["replaced_by"]
        assert counter.refund(second)["replaced_by"] == replaced_by
    else:
        counter.till.reverse(redemption_id=first)
        counter.till.reverse(redemption_id=second)

    old = shop.row(card)
    assert old.replaced_by_id is not None
    new = shop.row(old.replaced_by_id)
    assert old.version > version
    assert (old.balance_minor, old.status) == (0, "expired")
    assert (new.balance_minor, new.recipient_id) == (
        2_400 if how == "refund" else 3_000,
        old.recipient_id,
    )
    assert counter.till.scan(card.barcode)["reason"] == Reason.STALE_BARCODE
    assert balanced(deployment)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_old_cards_link_and_pass_lead_to_the_replacement(
    shop: Shop, counter: Counter, deployment: Deployment, clock: Clock, client: FlaskClient
) -> None:
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=5_000))
    code_id = shop.code("CARD-1", free=False)
    card = shop.voucher(code_id=code_id, ends_at=clock.now + dt.timedelta(minutes=5))
    made = counter.spend(card, 1_234)
    clock.advance(minutes=6)
    counter.refund(made)

    with deployment.database.read() as session:
        old = holdings.find(session, from_serial(card.serial) or 0)
        assert old is not None
        new = holdings.current(session, old)
    shown = pass_content(deployment, old, now=clock.now)
    address = links.page(
        deployment.settings, deployment.keyring, [(new.voucher.public_id, new.voucher.key_id)]
    )
    assert shown.status.spent
    assert [field.value for field in shown.fields if field.key == "replacement"] == [address]
    fresh = pass_content(deployment, new, now=clock.now)
    assert (fresh.balance, fresh.card_number) == (Money(1_234, EUR), "CARD-1")
    assert not fresh.status.spent
    link = links.page(
        deployment.settings, deployment.keyring, [(old.voucher.public_id, old.voucher.key_id)]
    )
    page = client.get(link.removeprefix(deployment.settings.base_url))
    assert page.status_code == 200
    assert "12.34" in page.get_data(as_text=True)
    assert counter.till.redeem("card-1", amount=euros(234))["outcome"] == "accepted"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_pass_shows_the_last_movements_in_each_of_its_languages(
    shop: Shop, counter: Counter, deployment: Deployment, card: Issued
) -> None:
    before = shop.row(card).version
    counter.card("load", card, amount=euros(700))
    counter.spend(card, 1_250)
    with deployment.database.read() as session:
        holding = holdings.find(session, from_serial(card.serial) or 0)
    assert holding is not None
    assert holding.voucher.version == before + 2
    content = pass_content(deployment, holding, now=deployment.now())
    (field,) = content.fields
    shown = field.value["en"] if isinstance(field.value, Localized) else ""
    assert shown.splitlines() == [
        "Nov 21, 2026 · Payment · -€12.50",
        "Nov 21, 2026 · Top-up · +€7.00",
        "Nov 21, 2026 · Top-up · +€50.00",
    ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (update(Hold).values(captured_minor=99), "99 minor units captured, the ledger 100"),
        (update(Campaign).values(held_minor=1), "1 minor units of its budget"),
        (
            update(Entry)
            .where(Entry.kind == "transfer", Entry.amount_minor > 0)
            .values(kind="load"),
            "leave -100 minor units over",
        ),
        (
            update(Voucher).where(Voucher.balance_minor == 50).values(balance_minor=51),
            "owes 150 by the report, its cards hold 151",
        ),
        (delete(Entry).where(Entry.kind == "refund"), "was answered with entry"),
    ],
)
def test_the_audit_finds_spoiled_money(
    shop: Shop, counter: Counter, deployment: Deployment, clock: Clock, spoil: Any, cause: str
) -> None:
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=150), budget_minor=1_000)
    card = shop.voucher(ends_at=clock.now + dt.timedelta(minutes=5))
    made = counter.capture(counter.held(card, 150), amount=euros(100))
    clock.advance(minutes=6)
    release_lapsed(deployment, clock.now)
    shop.voucher(balance_minor=50)
    counter.refund(made["redemptions"][0]["redemption_id"])
    found = [each for section in audit.run(deployment.database) for each in section.findings]
    assert found == []
    with deployment.database.write() as session:
        if spoil.is_delete:
            session.execute(update(Event).values(entry_id=None))
            session.execute(update(Entry).values(refers_to_id=None))
        session.execute(spoil)
    found = [each for section in audit.run(deployment.database) for each in section.findings]
    assert any(cause in each.cause for each in found), found


def test_a_card_is_activated_loaded_adjusted_blocked_and_ended(
    shop: Shop, counter: Counter, deployment: Deployment
) -> None:
    shop.campaign(kind="gift_card", terms=Terms())
    card = shop.voucher(status="pending", balance_minor=0)
    assert counter.till.scan(card.barcode)["reason"] == Reason.NOT_ACTIVATED
    counter.card("activate", card, boss=False, amount=euros(2_000))
    counter.card("load", card, boss=False, amount=euros(500))
    counter.card("adjust", card, change=euros(-300), reason="correction")
    assert money(shop, card) == (2_200, 0)
    counter.card("block", card, boss=False, because="found in the street")
    assert counter.till.scan(card.barcode)["reason"] == Reason.BLOCKED
    counter.card("unblock", card, because="owner came")
    hold = counter.held(card, 200)
    ended = counter.card("deactivate", card, because="owner asked")
    assert (ended["applied_minor"], ended["status"]) == (-2_000, "deactivated")
    assert counter.capture(hold)["reason"] == Reason.REVOKED
    counter.void(hold)
    assert money(shop, card) == (0, 0)
    with deployment.database.read() as session:
        kinds = session.scalars(select(Entry.kind).order_by(Entry.created_at, Entry.id)).all()
    assert kinds == [
        *("activate", "load", "adjust", "block", "unblock", "deactivate", "expire"),
    ]
    assert balanced(deployment)


def test_a_load_is_undone_on_the_spot_but_not_once_it_is_spent(
    shop: Shop, counter: Counter, card: Issued
) -> None:
    loaded = counter.card("load", card, boss=False, amount=euros(700))["entry_id"]
    counter.till.reverse(redemption_id=loaded)
    assert money(shop, card) == (5_000, 0)
    loaded = counter.card("load", card, boss=False, amount=euros(700))["entry_id"]
    counter.spend(card, 5_500)
    assert counter.till.reverse(redemption_id=loaded)["reason"] == Reason.INSUFFICIENT_BALANCE


def test_taking_back_the_key_of_a_hold_or_a_load_undoes_it(
    shop: Shop, counter: Counter, card: Issued
) -> None:
    item = {"barcode": card.barcode, "amount": euros(900)}
    counter.ask("/redemptions", key="the-hold", mode="hold", items=[item])
    load = {"barcode": card.barcode, "operator": "ann", "amount": euros(50)}
    counter.ask("/gift-cards/load", key="the-load", **load)
    assert money(shop, card) == (5_050, 900)
    for key in ("the-hold", "the-load", "never-seen"):
        assert counter.till.reverse(key=key)["outcome"] == "accepted"
    assert money(shop, card) == (5_000, 0)
    late = counter.ask("/gift-cards/load", key="never-seen", **load)
    assert late["reason"] == Reason.ALREADY_REVERSED
    assert money(shop, card) == (5_000, 0)


def test_a_pin_is_asked_above_the_amount_and_locks_after_three_wrong_ones(
    shop: Shop, counter: Counter, deployment: Deployment
) -> None:
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=5_000, pin_above_minor=1_000))
    keyring = deployment.keyring
    pin = keyring.seal("4711", row=keys.pin_row(keyring.lookup("CARD1")))
    card = shop.voucher(code_id=shop.code("CARD1", free=False, pin=pin))

    def spend(minor: int, typed: str | None = None) -> Any:
        item = {"barcode": card.barcode, "amount": euros(minor)}
        return counter.ask("/redemptions", items=[{**item, **({"pin": typed} if typed else {})}])

    assert spend(1_000)["outcome"] == "accepted"
    assert spend(1_001)["reason"] == Reason.PIN_REQUIRED
    assert spend(1_001, "0000")["details"] == {"tries_left": 2}
    assert spend(1_001, "4711")["outcome"] == "accepted"
    assert [spend(1_001, "0000")["reason"] for _ in range(3)] == [
        *(Reason.PIN_WRONG, Reason.PIN_WRONG, Reason.PIN_LOCKED),
    ]
    assert spend(1_001, "4711")["reason"] == Reason.PIN_LOCKED
    counter.card("unblock", card, because="customer showed an id")
    assert spend(1_001, "4711")["outcome"] == "accepted"


def test_a_pass_that_is_scanned_as_an_operators_name_is_refused_and_stands_in_no_book(
    shop: Shop, counter: Counter, card: Issued
) -> None:
    load = {"barcode": card.barcode, "operator": card.barcode, "amount": euros(50)}
    answer = counter.till.post("/gift-cards/load", load)
    assert answer.status_code == 422
    assert "say who is at the till" in answer.text
    assert card.barcode not in answer.text
    assert money(shop, card) == (5_000, 0)


def test_an_operator_gives_no_more_than_the_cap_in_a_day(
    shop: Shop, counter: Counter, clock: Clock
) -> None:
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=5_000, operator_cap_minor=1_000))
    card = shop.voucher()
    made = counter.spend(card, 500)
    assert counter.card("load", card, amount=euros(700))["outcome"] == "accepted"
    assert counter.refund(made)["reason"] == Reason.OPERATOR_CAP
    assert counter.refund(made, operator="bob")["outcome"] == "accepted"
    clock.advance(days=1)
    assert counter.card("load", card, amount=euros(1_000))["outcome"] == "accepted"
    assert counter.card("load", card, amount=euros(1))["details"]["cap_minor"] == 1_000


def test_a_retried_call_adds_nothing(shop: Shop, counter: Counter, card: Issued) -> None:
    hold = counter.held(card, 1_000)
    made = counter.spend(card, 100)
    calls: list[tuple[str, dict[str, Any]]] = [
        (f"/holds/{hold}/capture", {"amount": euros(600)}),
        ("/refunds", {"redemption_id": made, "operator": "ann"}),
        ("/gift-cards/load", {"barcode": card.barcode, "operator": "ann", "amount": euros(5)}),
    ]
    for path, body in calls:
        key = uuid.uuid4().hex
        first = counter.till.post(path, body, key=key)
        before = money(shop, card)
        again = counter.till.post(path, body, key=key)
        assert again.data == first.data
        assert again.headers["Idempotency-Replayed"] == "true"
        assert money(shop, card) == before
        assert counter.till.by_key(key).data == first.data


def test_two_holds_that_together_exceed_the_balance_never_both_succeed(
    shop: Shop, till: Till, deployment: Deployment
) -> None:
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=1_000))
    service = Tills(deployment)
    with deployment.database.read() as session:
        client = access.authenticate(session, till.key, now=deployment.now())
    assert client is not None
    cards = [shop.voucher() for _ in range(ROUNDS[deployment.database.is_sqlite])]
    accepted: list[int] = []
    gate = threading.Barrier(2)

    def hold() -> None:
        for number, card in enumerate(cards):
            gate.wait()
            item = ScannedItem(barcode=card.barcode, amount_minor=600, currency=EUR)
            answer = service.redeem(
                client,
                uuid.uuid4().hex,
                Redemption(items=(item,), hold=dt.timedelta(minutes=5)),
                fingerprint=b"x",
            )
            if '"accepted"' in answer.body:
                accepted.append(number)

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(accepted) == list(range(len(cards)))
    assert balanced(deployment)


#: Races on each database: PostgreSQL runs them truly in parallel, so that it gets the most.
ROUNDS = {True: 20, False: 1_000}


def _hold_then(
    do: Callable[[Counter, str, Clock], Any],
) -> Callable[[Shop, Counter, Issued, Clock], Any]:
    def scenario(shop: Shop, counter: Counter, card: Issued, clock: Clock) -> Any:
        return do(counter, counter.held(card, 100, ttl_seconds=60), clock)

    return scenario


def _lapse(counter: Counter, hold: str, clock: Clock) -> Any:
    clock.advance(minutes=2)
    return counter.capture(hold)


def _twice(counter: Counter, hold: str, clock: Clock) -> Any:
    counter.void(hold)
    return counter.void(hold)


def _coupon(shop: Shop, counter: Counter, card: Issued, clock: Clock) -> Any:
    shop.campaign("coupon")
    return counter.card("load", shop.voucher("coupon"), amount=euros(1))


def _unnamed(shop: Shop, counter: Counter, card: Issued, clock: Clock) -> Any:
    shop.campaign("capped", kind="gift_card", terms=Terms(amount_minor=9, operator_cap_minor=9))
    made = counter.spend(shop.voucher("capped"), 5)
    clock.advance(days=1)
    return counter.till.reverse(redemption_id=made)


def _ended(shop: Shop, counter: Counter, card: Issued, clock: Clock) -> Any:
    counter.card("deactivate", card, because="x")
    return counter.card("unblock", card, because="x")


def _block_by_key(shop: Shop, counter: Counter, card: Issued, clock: Clock) -> Any:
    counter.ask(
        "/gift-cards/block", key="k", boss=True, barcode=card.barcode, operator="a", because="x"
    )
    return counter.supervisor.reverse(key="k")


REFUSALS: dict[Reason, Callable[[Shop, Counter, Issued, Clock], Any]] = {
    Reason.UNKNOWN_HOLD: lambda shop, counter, card, clock: counter.void(str(uuid.uuid4())),
    Reason.HOLD_EXPIRED: _hold_then(_lapse),
    Reason.HOLD_CLOSED: _hold_then(_twice),
    Reason.CAPTURE_OVER_HOLD: _hold_then(
        lambda counter, hold, clock: counter.capture(hold, amount=euros(101))
    ),
    Reason.REFUND_OVER_REDEMPTION: lambda shop, counter, card, clock: counter.refund(
        counter.spend(card, 10), 11
    ),
    Reason.NOT_A_GIFT_CARD: _coupon,
    Reason.ALREADY_ACTIVE: lambda shop, counter, card, clock: counter.card("activate", card),
    Reason.NOT_BLOCKED: _ended,
    Reason.OPERATOR_REQUIRED: _unnamed,
    Reason.NOT_REVERSIBLE: _block_by_key,
    Reason.CURRENCY_MISMATCH: lambda shop, counter, card, clock: counter.card(
        "load", card, amount=euros(1, "USD")
    ),
    Reason.UNKNOWN_REDEMPTION: lambda shop, counter, card, clock: counter.refund(str(uuid.uuid4())),
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_every_reason_that_only_money_has_can_be_had(
    shop: Shop, counter: Counter, card: Issued, clock: Clock, reason: Reason
) -> None:
    answer = REFUSALS[reason](shop, counter, card, clock)
    assert answer["reason"] == reason
    assert answer["cashier_text"]
    assert "{" not in answer["cashier_text"]


def test_money_expires_by_the_end_that_the_campaigns_override_sets(
    shop: Shop, counter: Counter, deployment: Deployment, clock: Clock
) -> None:
    terms = Terms(amount_minor=5_000)
    later = overrides.stored(Override(ends_at=clock.now + dt.timedelta(days=2)))
    end = clock.now + dt.timedelta(hours=1)
    sooner = overrides.stored(Override(ends_at=end, forced=frozenset({"ends_at"})))
    shop.campaign("longer", kind="gift_card", terms=terms, override=later)
    shop.campaign("recall", kind="gift_card", terms=terms, override=sooner, override_forced=True)
    prolonged = shop.voucher("longer", ends_at=clock.now + dt.timedelta(hours=1))
    endless = shop.voucher("recall")
    spent = counter.spend(prolonged, 1_000)
    clock.advance(hours=2)
    # One at a time: what is protected takes no place of what is due.
    Tills(deployment).release_lapsed(now=clock.now, limit=1)
    assert money(shop, endless) == (0, 0)
    assert counter.refund(spent, 400)["replaced_by"] is None
    assert counter.void(counter.held(prolonged, 100))["outcome"] == "accepted"
    assert money(shop, prolonged) == (4_400, 0)
    clock.advance(days=2)
    release_lapsed(deployment, clock.now)
    assert money(shop, prolonged) == (0, 0)
    assert balanced(deployment)


def test_money_left_on_a_replaced_card_expires_too(
    shop: Shop, counter: Counter, deployment: Deployment, clock: Clock
) -> None:
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=5_000))
    card = shop.voucher(ends_at=clock.now + dt.timedelta(minutes=5))
    made = counter.spend(card, 1_000)
    clock.advance(minutes=6)
    assert counter.refund(made)["replaced_by"] is not None
    release_lapsed(deployment, clock.now)
    assert money(shop, card) == (0, 0)
    assert balanced(deployment)


def test_a_refund_to_a_card_whose_replacement_is_dead_too_makes_another(
    shop: Shop, counter: Counter, deployment: Deployment, clock: Clock
) -> None:
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=5_000))
    card = shop.voucher(
        code="CARD-1",
        ends_at=clock.now + dt.timedelta(minutes=5),
        recipient_id=shop.recipient("r"),
    )
    made = counter.spend(card, 1_000)
    clock.advance(minutes=6)
    first = counter.refund(made, 100)["replaced_by"]
    ended = counter.ask(
        "/gift-cards/deactivate", boss=True, barcode="card-1", operator="ann", because="lost"
    )
    assert ended["voucher"]["serial"] == first
    second = counter.refund(made, 200)["replaced_by"]
    assert counter.refund(made, 300)["replaced_by"] == second != first
    scanned = counter.till.scan("card-1")["voucher"]
    assert (scanned["serial"], scanned["balance_minor"]) == (second, 500)
    assert balanced(deployment)


def test_an_activation_is_undone_with_its_money_until_the_card_is_used(
    shop: Shop, counter: Counter, deployment: Deployment
) -> None:
    shop.campaign(kind="gift_card", terms=Terms())
    card = shop.voucher(status="pending")
    body: dict[str, Any] = {"barcode": card.barcode, "operator": "ann", "amount": euros(700)}
    counter.ask("/gift-cards/activate", key="one", **body)
    assert counter.till.reverse(key="one")["reversals"][0]["returned_minor"] == -700
    assert (money(shop, card), shop.row(card).status) == ((0, 0), "pending")
    counter.ask("/gift-cards/activate", key="two", **body)
    counter.spend(card, 1)
    assert counter.till.reverse(key="two")["reason"] == Reason.NOT_REVERSIBLE
    assert (money(shop, card), shop.row(card).status) == ((699, 0), "active")
    assert balanced(deployment)


def test_the_key_of_a_correction_is_refused_and_takes_nothing(
    shop: Shop, counter: Counter, card: Issued
) -> None:
    body: dict[str, Any] = {"barcode": card.barcode, "operator": "ann", "reason": "goodwill"}
    done = counter.ask("/gift-cards/adjust", key="adjust", boss=True, change=euros(5), **body)
    assert done["outcome"] == "accepted"
    assert counter.supervisor.reverse(key="adjust")["reason"] == Reason.NOT_REVERSIBLE
    assert money(shop, card) == (5_005, 0)


def test_a_refund_whose_answer_was_lost_is_undone_by_its_key_and_can_be_made_again(
    shop: Shop, counter: Counter, deployment: Deployment
) -> None:
    terms = Terms(amount_minor=5_000, operator_cap_minor=700)
    shop.campaign(kind="gift_card", terms=terms, budget_minor=9_000)
    card = shop.voucher()
    made = counter.spend(card, 1_000)
    body = {"redemption_id": made, "operator": "ann", "amount": euros(600)}
    first = counter.ask("/refunds", key="refund", **body)
    assert counter.ask("/refunds", key="refund", **body) == first
    part = counter.till.reverse(key="refund", operator="ann")["reversals"][0]
    assert (part["kind"], part["returned_minor"], part["redemption_id"]) == ("undo", -600, made)
    assert money(shop, card) == (4_000, 0)
    again = counter.till.reverse(key="refund")
    assert (again["reason"], "at" in again["details"]) == (Reason.ALREADY_REVERSED, True)
    # What the operator gave, and what the budget got back, was given back.
    with deployment.database.read() as session:
        assert session.scalars(select(OperatorDay.given_minor)).all() == [0]
        assert session.scalars(select(Campaign.used_minor)).all() == [1_000]
    assert counter.refund(made, 700)["left_minor"] == 300
    assert (money(shop, card), clean(deployment)) == ((4_700, 0), True)
    with deployment.database.read() as session:
        line = next(
            line for line in closing.day(session, deployment.now().date()) if line.operator == "ann"
        )
        owed = closing.liability(session, until=deployment.now() + dt.timedelta(days=1))[0]
    assert (line.refunds, line.refunded_minor, line.unloaded_minor) == (1, 700, 0)
    assert (owed.loaded_minor, owed.returned_minor, owed.closing_minor) == (0, 700, 4_700)


def test_a_refund_is_not_undone_once_its_money_or_its_budget_is_spent_or_its_day_is_over(
    shop: Shop, counter: Counter, deployment: Deployment, clock: Clock
) -> None:
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=1_000), budget_minor=2_000)
    card, other = shop.voucher(), shop.voucher()
    made = counter.spend(card, 1_000)
    counter.ask("/refunds", key="refund", redemption_id=made, operator="ann")
    counter.spend(card, 1)
    assert counter.till.reverse(key="refund")["reason"] == Reason.INSUFFICIENT_BALANCE
    counter.card("load", card, amount=euros(1_000))
    counter.spend(other, 1_000)
    counter.spend(card, 999)
    assert counter.till.reverse(key="refund")["reason"] == Reason.BUDGET_EXHAUSTED
    clock.advance(days=1)
    assert counter.till.reverse(key="refund")["reason"] == Reason.REVERSAL_WINDOW_CLOSED
    assert (money(shop, card), clean(deployment)) == ((1_000, 0), True)


def test_undoing_a_refund_takes_the_money_from_the_card_that_it_was_moved_to(
    shop: Shop, counter: Counter, deployment: Deployment, clock: Clock
) -> None:
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=5_000))
    card = shop.voucher(ends_at=clock.now + dt.timedelta(minutes=5))
    made = counter.spend(card, 1_000)
    clock.advance(minutes=6)
    release_lapsed(deployment, deployment.now())
    for key, minor in (("one", 400), ("two", 600)):
        body = {"redemption_id": made, "operator": "ann", "amount": euros(minor)}
        assert counter.ask("/refunds", key=key, **body)["replaced_by"]
    successor = shop.row(card).replaced_by_id
    assert successor is not None
    assert counter.till.reverse(key="one")["outcome"] == "accepted"
    assert (money(shop, card), shop.row(successor).balance_minor) == ((0, 0), 600)
    assert counter.till.reverse(key="two")["outcome"] == "accepted"
    assert shop.row(successor).balance_minor == 0
    assert counter.till.reverse(key="two")["reason"] == Reason.ALREADY_REVERSED
    assert clean(deployment)


def test_a_load_that_is_undone_counts_against_no_cap(
    shop: Shop, counter: Counter, deployment: Deployment
) -> None:
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=5_000, operator_cap_minor=1_000))
    card = shop.voucher()
    body = {"barcode": card.barcode, "operator": "ann", "amount": euros(1_000)}
    for key in ("one", "two"):
        assert counter.ask("/gift-cards/load", key=key, **body)["outcome"] == "accepted"
        assert counter.till.reverse(key=key)["outcome"] == "accepted"
    assert clean(deployment)


def test_taking_back_a_holds_key_takes_back_what_was_captured_of_it(
    shop: Shop, counter: Counter, card: Issued, deployment: Deployment
) -> None:
    item = {"barcode": card.barcode, "amount": euros(900)}
    made = counter.ask("/redemptions", key="the-hold", mode="hold", items=[item])
    counter.capture(made["holds"][0]["hold_id"], amount=euros(300), final=False)
    assert money(shop, card) == (4_700, 600)
    answer = counter.till.reverse(key="the-hold")
    assert [part["returned_minor"] for part in answer["reversals"]] == [300]
    assert money(shop, card) == (5_000, 0)
    assert counter.till.reverse(key="the-hold")["reason"] == Reason.ALREADY_REVERSED
    assert balanced(deployment)


def test_a_key_gives_back_what_was_not_given_back_before(
    shop: Shop, counter: Counter, card: Issued, deployment: Deployment
) -> None:
    shop.campaign("coupon")
    coupon, other = shop.voucher("coupon"), shop.voucher()
    items: list[dict[str, Any]] = [
        {"barcode": coupon.barcode},
        {"barcode": card.barcode, "amount": euros(1_000)},
        {"barcode": other.barcode, "amount": euros(500)},
    ]
    made = counter.ask("/redemptions", key="k", items=items)["redemptions"]
    counter.till.reverse(redemption_id=made[0]["redemption_id"])
    counter.refund(made[1]["redemption_id"], 300)
    answer = counter.till.reverse(key="k")
    assert sorted(part["returned_minor"] for part in answer["reversals"]) == [500, 700]
    assert (money(shop, card), money(shop, other)) == ((5_000, 0), (5_000, 0))
    assert shop.row(coupon).used == 0
    assert counter.till.reverse(key="k")["reason"] == Reason.ALREADY_REVERSED
    assert balanced(deployment)


def test_a_later_reversal_that_puts_money_onto_a_card_names_who_does_it(
    shop: Shop, counter: Counter, card: Issued, clock: Clock
) -> None:
    made = counter.spend(card, 1_000)
    clock.advance(days=1)
    assert counter.till.reverse(redemption_id=made)["reason"] == Reason.OPERATOR_REQUIRED
    assert counter.till.reverse(redemption_id=made, operator="ann")["outcome"] == "accepted"
    assert money(shop, card) == (5_000, 0)


def test_a_card_is_ended_with_what_is_on_it_by_then(
    shop: Shop, counter: Counter, card: Issued, deployment: Deployment
) -> None:
    client = Client(id=1, name="till", scopes=frozenset())
    call = Call(client=client, key="end", now=deployment.now())
    asked = CardCall(action=CardAction.DEACTIVATE, barcode=card.barcode)
    reading = resolving.read(deployment.keyring, card.barcode)
    key_id, memory = deployment.keyring.newest, Memory()

    def attempt(connection: Connection) -> Attempt:
        return Attempt(
            connection=connection, call=call, where=Where(), memory=memory, key_id=key_id
        )

    with deployment.database.transaction() as connection:
        found = lookup.find(attempt(connection), reading)
    assert isinstance(found, Found)
    counter.card("load", card, amount=euros(700))
    with deployment.database.transaction() as connection:
        ended = actions.change(attempt(connection), asked, found)
    assert isinstance(ended, Answer)
    body = orjson.loads(ended.body)
    assert body["applied_minor"] == -5_700
    assert money(shop, card) == (0, 0)
    assert balanced(deployment)


def test_a_coupon_that_is_set_aside_counts_among_those_of_its_receipt(
    shop: Shop, counter: Counter, clock: Clock
) -> None:
    shop.campaign()
    shop.campaign("alone", terms=Terms(combinable=False))
    hold = counter.held(shop.voucher(), receipt="R1", ttl_seconds=60)
    alone = shop.voucher("alone")
    assert counter.hold(alone, receipt="R1")["reason"] == Reason.NOT_COMBINABLE
    assert counter.till.redeem(alone.barcode, receipt="R1")["reason"] == Reason.NOT_COMBINABLE
    counter.till.redeem(alone.barcode, receipt="R2")
    assert counter.capture(hold, receipt="R2")["reason"] == Reason.NOT_COMBINABLE
    assert counter.capture(hold, receipt="R1")["outcome"] == "accepted"
    counter.held(shop.voucher(), receipt="R3", ttl_seconds=60)
    clock.advance(minutes=2)
    assert counter.hold(shop.voucher("alone"), receipt="R3")["outcome"] == "accepted"
