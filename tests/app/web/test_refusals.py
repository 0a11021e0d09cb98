"""Every reason for a refusal can be had, with texts for cashier and customer in each language."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from app.domain.campaign import Authority, Channel, OpenHours, Products, Source, Terms
from app.domain.refusals import Reason
from app.store.models import Recipient, Voucher
from app.words import LANGUAGES, words_in
from tests.conftest import Clock
from tests.shop import Shop, Till

#: Reasons that only holds and gift cards have: `test_cards` shows each of them.
MONEY = frozenset(
    Reason(name)
    for name in [
        "unknown_hold",
        "hold_expired",
        "hold_closed",
        "capture_over_hold",
        "refund_over_redemption",
        "not_a_gift_card",
        "already_active",
        "not_blocked",
        "pin_required",
        "pin_wrong",
        "pin_locked",
        "operator_required",
        "operator_cap",
        "load_cap",
        "not_loadable",
        "not_reversible",
    ]
)

EUR = "EUR"


def _basket(*lines: tuple[int, str]) -> dict[str, Any]:
    return {
        "currency": EUR,
        "lines": [
            {"id": str(number), "amount_minor": amount, "sku": sku}
            for number, (amount, sku) in enumerate(lines)
        ],
    }


def _with_terms(terms: Terms, **body: Any) -> Callable[[Shop, Till, Clock], Any]:
    def scenario(shop: Shop, till: Till, clock: Clock) -> Any:
        shop.campaign(terms=terms)
        return till.redeem(shop.voucher().barcode, **body)

    return scenario


def _with_voucher(**columns: Any) -> Callable[[Shop, Till, Clock], Any]:
    def scenario(shop: Shop, till: Till, clock: Clock) -> Any:
        shop.campaign()
        return till.redeem(shop.voucher(**columns).barcode)

    return scenario


def _with_campaign(**columns: Any) -> Callable[[Shop, Till, Clock], Any]:
    def scenario(shop: Shop, till: Till, clock: Clock) -> Any:
        shop.campaign(**columns)
        return till.redeem(shop.voucher().barcode)

    return scenario


def _twice(terms: Terms, *, same_recipient: bool = False) -> Callable[[Shop, Till, Clock], Any]:
    def scenario(shop: Shop, till: Till, clock: Clock) -> Any:
        shop.campaign(terms=terms)
        recipient = shop.recipient("r")
        first = shop.voucher(recipient_id=recipient)
        second = shop.voucher(recipient_id=recipient) if same_recipient else first
        for _ in range(terms.uses or 1):
            assert till.redeem(first.barcode)["outcome"] == "accepted"
        return till.redeem(second.barcode)

    return scenario


def _card(amount: dict[str, Any] | None) -> Callable[[Shop, Till, Clock], Any]:
    def scenario(shop: Shop, till: Till, clock: Clock) -> Any:
        shop.campaign(kind="gift_card", terms=Terms(amount_minor=1_000))
        return till.redeem(shop.voucher().barcode, amount=amount)

    return scenario


def _unknown(shop: Shop, till: Till, clock: Clock) -> Any:
    return till.redeem("NOSUCH")


def _forged(shop: Shop, till: Till, clock: Clock) -> Any:
    shop.campaign()
    genuine = shop.voucher().barcode
    return till.redeem(genuine[:-1] + ("A" if genuine[-1] != "A" else "B"))


def _by_another_layout(shop: Shop, till: Till, clock: Clock) -> Any:
    shop.campaign(source=Source.LIST)
    shop.code("LAZY2026")
    return till.redeem("LAYZ2026")


def _ambiguous(shop: Shop, till: Till, clock: Clock) -> Any:
    shop.campaign(source=Source.LIST)
    code_id = shop.code("FAMILY", free=False)
    shop.voucher(code_id=code_id)
    shop.voucher(code_id=code_id)
    return till.redeem("FAMILY")


def _stale(shop: Shop, till: Till, clock: Clock) -> Any:
    shop.campaign()
    old, new = shop.voucher(), shop.voucher()
    with shop.deployment.database.write() as session:
        session.execute(update(Voucher).where(Voucher.id == old.id).values(replaced_by_id=new.id))
    return till.redeem(old.barcode)


def _bare(shop: Shop, till: Till, clock: Clock) -> Any:
    shop.campaign(source=Source.SHARED, terms=Terms(holder_required=True))
    shop.code("SUMMER")
    return till.redeem("SUMMER")


def _budget(shop: Shop, till: Till, clock: Clock) -> Any:
    shop.campaign(budget_uses=1)
    till.redeem(shop.voucher().barcode)
    return till.redeem(shop.voucher().barcode)


def _not_combinable(shop: Shop, till: Till, clock: Clock) -> Any:
    shop.campaign()
    shop.campaign("alone", terms=Terms(combinable=False))
    return till.redeem(shop.voucher().barcode, shop.voucher("alone").barcode)


def _same_twice(shop: Shop, till: Till, clock: Clock) -> Any:
    shop.campaign(terms=Terms(uses=5))
    voucher = shop.voucher()
    return till.redeem(voucher.barcode, voucher.barcode)


def _reversed_twice(shop: Shop, till: Till, clock: Clock) -> Any:
    shop.campaign()
    made = till.redeem(shop.voucher().barcode)["redemptions"][0]["redemption_id"]
    assert till.reverse(redemption_id=made)["outcome"] == "accepted"
    return till.reverse(redemption_id=made)


def _reversed_late(shop: Shop, till: Till, clock: Clock) -> Any:
    shop.campaign(terms=Terms(refund_days=30))
    made = till.redeem(shop.voucher().barcode)["redemptions"][0]["redemption_id"]
    clock.advance(days=31)
    return till.reverse(redemption_id=made)


def _reversed_nothing(shop: Shop, till: Till, clock: Clock) -> Any:
    return till.reverse(redemption_id="0192f0c1-0000-7000-8000-000000000000")


NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)  # a Saturday
SCENARIOS: dict[Reason, Callable[[Shop, Till, Clock], Any]] = {
    Reason.UNKNOWN_CODE: _unknown,
    Reason.BAD_SIGNATURE: _forged,
    Reason.SCANNER_LAYOUT: _by_another_layout,
    Reason.AMBIGUOUS: _ambiguous,
    Reason.STALE_BARCODE: _stale,
    Reason.PARTNER_ONLY: _with_campaign(authority=Authority.PARTNER),
    Reason.NOT_STARTED: _with_voucher(starts_at=NOON + dt.timedelta(hours=1)),
    Reason.EXPIRED: _with_voucher(ends_at=NOON),
    Reason.NOT_NOW: _with_terms(Terms(hours=(OpenHours(weekdays=(1, 2, 3, 4, 5)),))),
    Reason.ALREADY_REDEEMED: _twice(Terms(uses=1)),
    Reason.LIMIT_REACHED: _twice(Terms(uses=2)),
    Reason.CUSTOMER_LIMIT_REACHED: _twice(Terms(uses_per_recipient=1), same_recipient=True),
    Reason.BUDGET_EXHAUSTED: _budget,
    Reason.CAMPAIGN_PAUSED: _with_campaign(status="paused"),
    Reason.REVOKED: _with_voucher(status="revoked"),
    Reason.BLOCKED: _with_voucher(status="blocked"),
    Reason.NOT_ACTIVATED: _with_voucher(status="pending"),
    Reason.HOLDER_REQUIRED: _bare,
    Reason.WRONG_STORE: _with_terms(Terms(channels=(Channel.ONLINE,))),
    Reason.MIN_BASKET: _with_terms(Terms(min_basket_minor=2_000), basket=_basket((1_999, "A"))),
    Reason.BASKET_REQUIRED: _with_terms(Terms(min_basket_minor=2_000)),
    Reason.PRODUCTS_NOT_ELIGIBLE: _with_terms(
        Terms(products=Products(prefixes=("SHOE-",))), basket=_basket((1_999, "HAT-1"))
    ),
    Reason.NOT_COMBINABLE: _not_combinable,
    Reason.ALREADY_IN_BASKET: _same_twice,
    Reason.HELD_ELSEWHERE: _with_voucher(uses=1, held=1),
    Reason.INSUFFICIENT_BALANCE: _card({"minor": 1_001, "currency": EUR}),
    Reason.AMOUNT_REQUIRED: _card(None),
    Reason.CURRENCY_MISMATCH: _card({"minor": 100, "currency": "CHF"}),
    Reason.UNKNOWN_REDEMPTION: _reversed_nothing,
    Reason.ALREADY_REVERSED: _reversed_twice,
    Reason.REVERSAL_WINDOW_CLOSED: _reversed_late,
}


# One database is enough here: what differs between the two is tried in the other tests.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("reason", sorted(set(Reason) - MONEY))
def test_reason_is_given_with_its_texts(
    shop: Shop, till: Till, clock: Clock, reason: Reason
) -> None:
    answer = SCENARIOS[reason](shop, till, clock)

    assert (answer["outcome"], answer["reason"]) == ("refused", reason)
    for text in (answer["cashier_text"], answer["customer_text"]):
        assert text
        assert "{" not in text
        assert "–" not in text, "the text names a detail that the refusal lacks"


@pytest.mark.parametrize(
    ("own", "language", "text"),
    [
        ("de-AT", "de", "Dieser Gutschein wurde bereits am 21.11.26, 13:00 eingelöst."),
        ("en-GB", "en", "This coupon has been used already, on 21/11/2026, 13:00."),
        ("pt_BR", "pt", "Este vale já foi utilizado em 21/11/2026 13:00."),
        (None, "fr", "Ce bon a déjà été utilisé, le 21/11/2026 13:00."),
        # Nobody has its words, so the shop's own are said.
        ("sv", "fr", "Ce bon a déjà été utilisé, le 21/11/2026 13:00."),
    ],
)
def test_the_cashier_reads_the_stores_language_and_the_customer_their_own(
    shop: Shop, till: Till, own: str | None, language: str, text: str
) -> None:
    shop.campaign()
    somebody = shop.recipient("somebody")
    with shop.deployment.database.write() as session:
        session.get_one(Recipient, somebody).language = own
    voucher = shop.voucher(recipient_id=somebody)
    till.redeem(voucher.barcode, receipt="R1")

    refused = till.redeem(voucher.barcode, receipt="R1")

    assert refused["cashier_text"] == "Déjà utilisé le 21/11/2026 13:00, Paris. Sur ce ticket."
    assert (refused["customer_text"], refused["customer_language"]) == (text, language)


@pytest.mark.parametrize("language", ["en", "fr", "de", "es", "it", "nl", "pl", "pt"])
def test_every_reason_has_texts_in_every_language(language: str) -> None:
    texts = LANGUAGES[language].refusals

    for told in (texts.cashier, texts.customer):
        assert set(told.__slots__) == set(Reason)
        assert all(getattr(told, reason) for reason in Reason)
    assert words_in(f"{language}-CH").tag == language


def test_repeated_scan_says_when_and_where_the_first_was_and_whether_on_this_receipt(
    shop: Shop, till: Till, client: FlaskClient
) -> None:
    shop.campaign()
    voucher = shop.voucher()
    till.redeem(voucher.barcode, receipt="R1")

    same = till.redeem(voucher.barcode, receipt="R1")
    other = till.scan(voucher.barcode, receipt="R2")

    assert same["details"] == {
        "uses": 1,
        "at": "2026-11-21T12:00:00+00:00",
        "store": "Paris",
        "same_receipt": True,
    }
    assert same["cashier_text"] == "Déjà utilisé le 21/11/2026 13:00, Paris. Sur ce ticket."
    assert other["details"]["same_receipt"] is False


@pytest.mark.parametrize(
    ("ends_at", "text"),
    [
        # The first moment that is not valid any more, of a day in Paris and of an hour there.
        (
            dt.datetime(2026, 11, 20, 23, tzinfo=dt.UTC),
            "Expiré. Le dernier jour était le 20 novembre 2026.",
        ),
        (dt.datetime(2026, 11, 20, 13, tzinfo=dt.UTC), "Expiré. Fin : 20/11/2026 14:00."),
    ],
)
def test_an_end_is_said_as_its_last_day_or_with_its_hour(
    shop: Shop, till: Till, ends_at: dt.datetime, text: str
) -> None:
    shop.campaign(timezone="Europe/Paris")
    refused = till.redeem(shop.voucher(ends_at=ends_at).barcode)
    assert refused["cashier_text"].replace("\u202f", " ") == text


def test_what_a_basket_has_to_tell_comes_with_the_refusal(shop: Shop, till: Till) -> None:
    shop.campaign(terms=Terms(min_basket_minor=2_000, products=Products(skus=("A", "B"))))
    refused = till.scan(shop.voucher().barcode)
    assert refused["reason"] == "basket_required"
    assert refused["details"] == {"currency": EUR, "minimum_minor": 2_000, "skus": ["A", "B"]}


def test_a_load_beyond_the_campaigns_cap_is_refused(shop: Shop, till: Till) -> None:
    shop.campaign("card", kind="gift_card", terms=Terms(amount_minor=500, load_cap_minor=5_000))
    card = shop.voucher("card")
    for minor, outcome in ((5_001, "refused"), (5_000, "accepted")):
        amount = {"minor": minor, "currency": EUR}
        body = {"barcode": card.barcode, "operator": "ann", "amount": amount}
        answer = till.post("/gift-cards/load", body).get_json()
        assert answer["outcome"] == outcome
        assert answer.get("reason") == ("load_cap" if outcome == "refused" else None)
    assert shop.row(card).balance_minor == 5_500
