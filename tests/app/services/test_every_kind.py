"""Every kind of campaign, and two that do not exist yet, live a whole life by what they say.

From the campaign file to the day's report nothing looks which kind it is: a kind that is one class
and its line in `KINDS` is accepted, issued, shown in every wallet, redeemed, taken back, ended and
counted. What nobody may do, compare a kind's name, is read off the source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from flask.testing import FlaskClient

from app.domain import kinds
from app.domain.campaign import Terms
from app.domain.codes import Purpose
from app.domain.kinds import KINDS, Coupon, GiftCard, Kind, PassKind
from app.services import access, audit, clockwork, expiry, issuance, reports, wallets
from app.services.access import Scope
from app.services.deployment import Deployment
from app.services.issuance import IssueOutcome, Person, VoucherRequest
from app.services.tills import release_lapsed
from app.services.wallets import holdings
from app.services.wallets.content import pass_content
from app.store.models import Campaign, Voucher
from passes import content
from passes.apple.members import STYLES
from passes.google import CLASS_TYPES, OBJECT_TYPES
from tests.conftest import Clock
from tests.marketing import document
from tests.shop import Shop, Till


@dataclass(frozen=True, slots=True)
class Ticket(Coupon):
    """A third kind without money: an entrance, good once, whatever the campaign says."""

    name: str = "ticket"
    title: str = "ticket"
    code_pattern: str = "T{random:12}"
    least_code_bits: int = 60

    def uses(self, terms: Terms, *, code_uses: int | None = None) -> int | None:
        return 1


@dataclass(frozen=True, slots=True)
class MealCard(GiftCard):
    """A third kind with money."""

    name: str = "meal_card"
    title: str = "meal card"
    code_pattern: str = "{random:20}"


THIRDS: tuple[Kind, ...] = (Ticket(), MealCard())


@pytest.fixture(params=[*KINDS.values(), *THIRDS], ids=lambda kind: str(kind.name))
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kind:
    found: Kind = request.param
    monkeypatch.setitem(KINDS, found.name, found)
    return found


def described(kind: Kind) -> dict[str, Any]:
    """A campaign of the kind, as a parsed campaign file."""
    gives: dict[str, Any] = (
        {"benefit": None, "gift_card": {"amount": "15.00"}} if kind.holds_money else {}
    )
    return document(key="life", kind=kind.name, codes={"source": "on_demand"}, **gives)


def test_a_kind_is_met_from_the_campaign_file_to_the_report(
    kind: Kind, client: FlaskClient, deployment: Deployment, clock: Clock
) -> None:
    shop = Shop(deployment)
    shop.store()
    till = Till(client, shop.key(Scope.POS, store="paris", terminal="1"))
    with deployment.database.write() as session:
        key = access.create(
            session, "marketer", [Scope.CAMPAIGN, Scope.REPORT], now=deployment.now()
        )
    headers = {"Authorization": f"Bearer {key}"}
    # A code that can be guessed is refused, by the kind's own measure.
    short = described(kind) | {"codes": {"source": "on_demand", "pattern": "{random:4}"}}
    refused = client.post("/api/v1/campaigns", json=short, headers=headers)
    assert f"a {kind.title} needs {kind.least_code_bits}" in refused.text
    # A section of the other sort is not for it.
    other = {"limits": {"uses": 3}} if kind.holds_money else {"gift_card": {"amount": "1.00"}}
    refused = client.post("/api/v1/campaigns", json=described(kind) | other, headers=headers)
    assert refused.status_code == 422, refused.text
    applied = client.post("/api/v1/campaigns", json=described(kind), headers=headers)
    assert applied.status_code == 200, applied.text
    # Issued by its terms, with codes of its own pattern.
    wanted = [VoucherRequest(person=Person(external_id="ada"), occasion="x")]
    (batch,) = issuance.issue_many(deployment, "life", wanted, IssueOutcome())
    assert batch.issued
    with deployment.database.read() as session:
        voucher = session.query(Voucher).one()
        campaign = session.query(Campaign).one()
        holding = holdings.find(session, voucher.public_id)
        opening = (voucher.uses, voucher.balance_minor)
    assert holding is not None
    terms = Terms(amount_minor=1500)
    assert opening == (kind.uses(terms), kind.opening_balance(terms, code_amount=None))
    shown = pass_content(deployment, holding, now=deployment.now())
    assert shown.barcode is not None
    assert shown.presentation.kind == kind.shown_as
    assert (shown.balance is not None) == kind.holds_money
    # Shown in every wallet and on the page.
    token = deployment.keyring.token(
        Purpose.LINK, key_id=voucher.key_id, public_id=voucher.public_id
    )
    for wallet in wallets.WALLETS:
        assert wallet.add(deployment, [holding], now=deployment.now())
        assert wallet.picture(shown, language="en").startswith(b"\x89PNG")
    page = client.get(f"/p/{token}", headers={"User-Agent": "a desktop"})
    assert page.status_code == 200
    assert ("15.00" in page.text) == kind.holds_money
    # Redeemed, and taken back, at a till.
    amount = {"amount": {"minor": 500, "currency": "EUR"}} if kind.holds_money else {}
    basket = {"currency": "EUR", "lines": [{"id": "1", "sku": "a", "amount_minor": 2000}]}
    scanned = till.scan(shown.barcode.payload)
    assert scanned["voucher"]["kind"] == kind.name
    paid = till.redeem(shown.barcode.payload, basket=basket, **amount)
    assert paid["outcome"] == "accepted", paid
    (redemption,) = paid["redemptions"]
    back = till.reverse(redemption_id=redemption["redemption_id"])
    assert back["outcome"] == "accepted", back
    again = till.redeem(shown.barcode.payload, basket=basket, **amount)
    assert again["outcome"] == "accepted", again
    # An override names terms that it has.
    for wrong in {"uses": 5}, {"percent": "50"}:
        override = client.post(
            f"/api/v1/campaigns/{campaign.key}/updates", json=wrong, headers=headers
        )
        assert (override.status_code == 422) == kind.holds_money, override.text
    # Ended by the clock, counted, and the books are right.
    clockwork.run(deployment)
    clock.advance(days=800)
    release_lapsed(deployment, deployment.now())
    expiry.note_expired(deployment)
    while reports.roll_up(deployment):
        pass
    answer = client.get("/api/v1/campaigns/life/results", headers=headers).get_json()
    (row,) = answer["rows"]
    assert row["vouchers"]["redeemed"] == 1
    assert (row["spent_minor"] > 0) == kind.holds_money
    assert (row["discount_minor"] > 0) == (not kind.holds_money)
    assert all(not section.findings for section in audit.run(deployment.database))


# -- what the source says -----------------------------------------------------------------------

ROOT = Path(kinds.__file__).parents[2]
#: Where a name stands for something else, or makes the thing itself; each says why.
ALLOWED = {
    # The kinds themselves, and the sorts of pass that the wallets' library knows.
    "app/domain/kinds.py",
    "passes/content/__init__.py",
    # Tables of the library by its own sorts of pass, each whole (see below).
    "passes/apple/members.py",
    "passes/google/resources.py",
    "passes/google/links.py",
    # Names of elements of another system's file.
    "app/services/codes/formats/xml_files.py",
    "app/services/codes/sources.py",
}


def comparisons(source: str) -> Iterator[str]:
    """Where a module compares a kind's name, or chooses by it."""
    names = {kind.name for kind in KINDS.values()}
    for node in ast.walk(ast.parse(source)):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
            for each in tuple(parts):
                if isinstance(each, (ast.Tuple, ast.Set, ast.List)):
                    parts += each.elts
        elif isinstance(node, ast.Dict):
            parts = list(node.keys)
        elif isinstance(node, ast.Subscript):
            parts = [node.slice]
            if isinstance(node.slice, ast.Tuple):
                parts += node.slice.elts
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        for each in parts:
            if isinstance(each, ast.Constant) and each.value in names:
                yield f"{each.lineno}: chooses by the kind's name {each.value!r}"


def test_nobody_compares_the_name_of_a_kind() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{fault}"
        for folder in ("app", "passes")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if str(path.relative_to(ROOT)) not in ALLOWED and "migrations" not in path.parts
        if not path.is_relative_to(ROOT / "app" / "sandbox")
        for fault in comparisons(path.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    "bypass",
    [
        "money = campaign.kind == 'gift_card'",
        "if row.kind in ('coupon', 'gift_card'): pass",
        "least = {'coupon': 50, 'gift_card': 80}[kind]",
        "kind: Literal['coupon', 'gift_card']",
        "match kind:\n    case 'coupon': pass",
    ],
)
def test_a_comparison_of_a_kinds_name_is_found(bypass: str) -> None:
    assert list(comparisons(bypass))


def test_every_sort_of_pass_is_drawn_by_every_wallet() -> None:
    sorts = set(get_args(PassKind))
    assert set(get_args(content.Kind)) == sorts
    for table in (STYLES, CLASS_TYPES, OBJECT_TYPES):
        assert set(table) == sorts
    assert {kind.shown_as for kind in (*KINDS.values(), *THIRDS)} == sorts
