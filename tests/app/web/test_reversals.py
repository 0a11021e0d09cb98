"""Redemptions are taken back by id or by key, once, and give back what they took."""

from __future__ import annotations

import uuid

from flask.testing import FlaskClient
from sqlalchemy import select

from app.domain.campaign import Benefit, BenefitType, Source, Terms
from app.services.deployment import Deployment
from app.store.models import Campaign, Code, Entry, Event, RecipientUse
from tests.conftest import Clock
from tests.shop import Shop, Till


def test_undo_gives_back_every_counter_that_was_taken(
    shop: Shop, till: Till, deployment: Deployment
) -> None:
    shop.campaign(
        source=Source.SHARED,
        budget_uses=1,
        budget_minor=500,
        terms=Terms(
            benefit=Benefit(type=BenefitType.AMOUNT, minor=500),
            uses_per_recipient=1,
            uses_per_day=1,
        ),
    )
    code_id = shop.code("SUMMER", limit=1)
    voucher = shop.voucher(code_id=code_id, recipient_id=shop.recipient("r"))
    basket = {"currency": "EUR", "lines": [{"id": "1", "amount_minor": 900}]}

    made = till.redeem(voucher.barcode, basket=basket)["redemptions"][0]["redemption_id"]
    assert till.redeem(voucher.barcode)["outcome"] == "refused"
    undone = till.reverse(redemption_id=made, because="wrong article")

    assert [part["kind"] for part in undone["reversals"]] == ["undo"]
    with deployment.database.read() as session:
        campaign, code = session.scalars(select(Campaign)).one(), session.get_one(Code, code_id)
        assert (campaign.used, campaign.used_minor, code.used) == (0, 0, 0)
        assert session.scalars(select(RecipientUse.used)).all() == [0, 0]
        entry = session.scalars(select(Entry).where(Entry.kind == "reversal")).one()
        assert (entry.uses, entry.discount_minor, entry.reason) == (-1, -500, "wrong article")
        kinds = session.scalars(select(Event.kind).order_by(Event.number)).all()
        assert kinds == ["redeemed", "refused", "reversed"]
    assert till.redeem(voucher.barcode, basket=basket)["outcome"] == "accepted"


def test_it_is_an_undo_on_the_same_day_by_the_same_till_and_a_refund_afterwards(
    shop: Shop, till: Till, client: FlaskClient, clock: Clock
) -> None:
    shop.campaign(kind="gift_card", terms=Terms(amount_minor=3_000, refund_days=2))
    other = Till(client, shop.key(store="paris", terminal="2"))
    card = shop.voucher()
    made = [
        till.redeem(card.barcode, amount={"minor": 1_000, "currency": "EUR"})["redemptions"][0][
            "redemption_id"
        ]
        for _ in range(3)
    ]

    by_same = till.reverse(redemption_id=made[0])
    by_other = other.reverse(redemption_id=made[1], operator="ann")
    # The business day of Paris ends at 23:00 UTC.
    clock.advance(hours=11, minutes=1)
    next_day = till.reverse(redemption_id=made[2], operator="ann")

    kinds = [answer["reversals"][0]["kind"] for answer in (by_same, by_other, next_day)]
    assert kinds == ["undo", "refund", "refund"]
    assert next_day["reversals"][0]["returned_minor"] == 1_000
    assert shop.row(card).balance_minor == 3_000


def test_reversal_by_key_takes_back_all_that_the_call_took(shop: Shop, till: Till) -> None:
    shop.campaign()
    one, two = shop.voucher(), shop.voucher()
    key = uuid.uuid4().hex
    till.redeem(one.barcode, two.barcode, key=key)

    answer = till.reverse(key=key)

    assert len(answer["reversals"]) == 2
    assert shop.row(one).used == shop.row(two).used == 0
    assert till.reverse(key=key)["reason"] == "already_reversed"


def test_reversing_a_key_that_was_never_seen_refuses_the_late_original(
    shop: Shop, till: Till
) -> None:
    shop.campaign()
    voucher = shop.voucher()

    before = till.reverse(key="lost", attempt="r1")
    again = till.reverse(key="lost", attempt="r2")
    late = till.redeem(voucher.barcode, key="lost")
    asked = till.by_key("lost")

    assert (before["outcome"], before["before_original"]) == ("accepted", True)
    assert again["before_original"] is True
    assert (late["outcome"], late["reason"]) == ("refused", "already_reversed")
    assert asked.get_json() == late
    assert shop.row(voucher).used == 0


def test_reversing_a_refused_call_changes_nothing(shop: Shop, till: Till) -> None:
    till.redeem("NOSUCH", key="k")

    answer = till.reverse(key="k")

    assert (answer["outcome"], answer["reversals"]) == ("accepted", [])


def test_answer_that_was_not_heard_is_asked_for_by_key(
    shop: Shop, till: Till, client: FlaskClient
) -> None:
    shop.campaign()
    voucher = shop.voucher()
    made = till.post("/redemptions", {"items": [{"barcode": voucher.barcode}]}, key="k")

    heard, unknown = till.by_key("k"), till.by_key("never")
    foreign = Till(client, shop.key(store="paris", terminal="2")).by_key("k")

    assert heard.get_data() == made.get_data()
    assert (unknown.status_code, unknown.get_json()["code"]) == (404, "key_unknown")
    assert foreign.status_code == 404


def test_refund_after_the_end_leaves_the_voucher_expired(
    shop: Shop, till: Till, clock: Clock
) -> None:
    import datetime as dt

    shop.campaign()
    voucher = shop.voucher(ends_at=clock() + dt.timedelta(hours=1))
    made = till.redeem(voucher.barcode)["redemptions"][0]["redemption_id"]
    clock.advance(hours=2)

    assert till.reverse(redemption_id=made)["outcome"] == "accepted"
    assert shop.row(voucher).used == 0
    assert till.redeem(voucher.barcode)["reason"] == "expired"


def test_a_budget_of_money_is_not_passed_by_leaving_the_basket_out(shop: Shop, till: Till) -> None:
    benefit = Benefit(type=BenefitType.AMOUNT, minor=500)
    shop.campaign(budget_minor=500, terms=Terms(benefit=benefit))
    assert till.redeem(shop.voucher().barcode)["reason"] == "basket_required"


def test_a_store_named_with_a_control_character_is_a_problem_of_the_request(
    shop: Shop, client: FlaskClient
) -> None:
    answer = Till(client, shop.key()).post("/scans", {"barcode": "X", "store": "a\x00b"})
    assert answer.status_code == 422
