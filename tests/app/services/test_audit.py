"""The audit finds nothing in right books, and names what is wrong in others."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import delete, select, update

from app.cli import main
from app.domain.campaign import Source, Terms
from app.services import audit
from app.services.deployment import Deployment
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
from tests.serving import environment
from tests.shop import Shop, Till


@pytest.fixture
def busy_shop(deployment: Deployment, client: FlaskClient) -> Shop:
    """A shop whose till has redeemed, refused and taken back."""
    shop = Shop(deployment)
    shop.campaign(source=Source.SHARED, budget_uses=9, terms=Terms(uses_per_recipient=3))
    shop.campaign("card", kind="gift_card", terms=Terms(amount_minor=1_000, operator_cap_minor=500))
    code_id = shop.code("SUMMER", limit=9)
    till = Till(client, shop.key())
    voucher = shop.voucher(code_id=code_id, recipient_id=shop.recipient("r"))
    till.redeem(voucher.barcode, key="k")
    till.redeem(voucher.barcode)
    till.reverse(key="k")
    till.redeem("SUMMER")
    card = shop.voucher("card").barcode
    spent = till.redeem(card, amount={"minor": 400, "currency": "EUR"})["redemptions"][0]
    refund = {
        "redemption_id": spent["redemption_id"],
        "operator": "ann",
        "amount": {"minor": 100, "currency": "EUR"},
    }
    till.post("/refunds", refund)
    till.post("/refunds", refund, key="lost")
    till.reverse(key="lost")
    till.redeem(voucher.barcode, mode="hold")
    return shop


def _findings(shop: Shop) -> list[audit.Finding]:
    sections = audit.run(shop.deployment.database)
    return [finding for section in sections for finding in section.findings]


def test_right_books_are_proven_and_the_command_ends_with_0(
    busy_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _findings(busy_shop) == []
    for name, value in environment(busy_shop.deployment.settings).items():
        monkeypatch.setenv(name, value)

    done = CliRunner().invoke(main, ["audit"])

    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "The books are right.")


_LAST = select(Entry.id).where(Entry.kind == "redemption").order_by(Entry.id.desc()).limit(1)


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (update(Voucher).values(used=Voucher.used - 1).where(Voucher.used == 1), "counts 0 uses"),
        (
            update(Voucher).values(balance_minor=701).where(Voucher.balance_minor == 700),
            "counts 701 minor units, its ledger says 700",
        ),
        (update(Code).values(used=2), "counts 2 uses, the ledger says 1"),
        (update(Campaign).values(used=5).where(Campaign.budget_uses == 9), "counts 5 uses"),
        (update(RecipientUse).values(used=2), "counts 2 uses"),
        (
            update(Voucher).values(held=1).where(Voucher.uses.is_(None), Voucher.held == 0),
            "sets aside 1 uses and 0 minor units, its open holds 0 and 0",
        ),
        (
            update(Voucher).values(held=0).where(Voucher.held == 1),
            "sets aside 0 uses and 0 minor units, its open holds 1 and 0",
        ),
        (update(Code).values(held=0), "sets aside 0 uses, its open holds 1"),
        (update(RecipientUse).values(held=2), "sets aside 2 uses, the open holds 1"),
        (
            update(Campaign).values(held=0).where(Campaign.budget_uses == 9),
            "sets aside 0 uses and 0 minor units of its budget, the open holds 1 and 0",
        ),
        (
            update(Hold).values(status="voided"),
            "sets aside 1 uses and 0 minor units, its open holds 0 and 0",
        ),
        (update(Voucher).values(events=Voucher.events + 1), "events; there are"),
        (delete(Event).where(Event.entry_id == _LAST.scalar_subquery()), "has no event"),
        (
            update(Entry).values(used_after=7).where(Entry.id == _LAST.scalar_subquery()),
            "says 7 uses after it",
        ),
        (
            update(Entry).values(balance_after_minor=699).where(Entry.amount_minor == -400),
            "says 699 minor units after it, the sum is 600",
        ),
        (
            update(OperatorDay).values(given_minor=200),
            "gave 200 minor units by the counter, the ledger says 100",
        ),
        (delete(OperatorDay), "gave 0 minor units by the counter, the ledger says 100"),
        (
            update(OperatorDay).values(operator="bob"),
            "gave 100 minor units by the counter, the ledger says 0",
        ),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_wrong_is_named(
    busy_shop: Shop, spoil: object, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with busy_shop.deployment.database.write() as session:
        session.execute(spoil)  # type: ignore[call-overload]

    assert any(cause in finding.cause for finding in _findings(busy_shop))
    for name, value in environment(busy_shop.deployment.settings).items():
        monkeypatch.setenv(name, value)
    assert CliRunner().invoke(main, ["audit"]).exit_code == 1
