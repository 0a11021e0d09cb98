"""Every wallet, and one that does not exist yet, is met wherever the service speaks of wallets.

Each is asked through a `Watched`, which notes what of it was asked: a place that goes round
`WALLETS` leaves a member of the interface unasked, and fails here. What nobody may do outside a
wallet's own modules, name its tables or compare its name, is read off the source.
"""

from __future__ import annotations

import ast
import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.cli import main
from app.delivery import worker
from app.domain.funnel import Stage
from app.services import access, clockwork, eventlog, issuance, reports, wallets
from app.services.access import Scope
from app.services.deployment import Deployment
from app.services.mailings.values import Values
from app.services.wallets.apple import registrations
from app.services.wallets.holdings import Holding
from app.services.wallets.wallet import (
    Alarm,
    Counts,
    Edit,
    Failure,
    Forecast,
    PassFile,
    UpdateReach,
    Wallet,
    WalletHealth,
    WalletProgress,
)
from app.settings import Settings
from app.store import models
from app.store.models import AppleDevice, Base, Campaign, GoogleObject
from passes.content import PassContent
from tests.conftest import Clock
from tests.serving import environment
from tests.storefront import Storefront

MEMBERS = frozenset(name for name in vars(Wallet) if not name.startswith("_"))
PRINTED = CollectorRegistry()
SHEETS = Gauge("paper_sheets", "Sheets", ["campaign"], registry=PRINTED)


class Paper:
    """A third wallet: a folder of printed passes, which is told of an edit by post."""

    name = "paper"
    title = "Paper Folder"
    devices = frozenset({"desktop"})
    bundles_need_browser = False
    added = Stage("added_paper", 1 << 20)

    def __init__(self) -> None:
        self.handed: list[tuple[int, int]] = []
        self.filed = 0
        self.jobs: tuple[Callable[[Deployment], None], ...] = (self._file,)

    def _file(self, deployment: Deployment) -> None:
        self.filed += 1

    def add(
        self, deployment: Deployment, holdings: Sequence[Holding], *, now: dt.datetime
    ) -> PassFile:
        return PassFile(b"printed", "application/pdf", f"{holdings[0].serial}.pdf")

    def picture(self, content: PassContent, *, language: str) -> bytes:
        return b"drawn on paper"

    def reach(self, session: Session, campaign_id: int) -> UpdateReach:
        return UpdateReach(3, {"sheets": 2}, "2 sheets of paper")

    def progress(self, session: Session, campaign_id: int, version: int) -> WalletProgress:
        return WalletProgress({"posted": 1}, before={"posted": 0}, installed=3, delivered=False)

    def forecast(
        self, session: Session, campaign_key: str, edit: Edit, *, settings: Settings
    ) -> Forecast | None:
        return Forecast(3, dt.timedelta(minutes=5), self.title)

    def hand_over(self, session: Session, voucher_id: int, *, to: int) -> None:
        self.handed.append((voucher_id, to))

    def health(self, session: Session, *, settings: Settings, now: dt.datetime) -> WalletHealth:
        key = session.query(Campaign.key).order_by(Campaign.id).limit(1).scalar()
        return WalletHealth(
            none={"sheets": 0},
            campaigns={key: {"sheets": 3}},
            held=3,
            failures=(Failure(wallet=self.name, reason="No stamp", count=2),),
            oldest_owed=now - dt.timedelta(hours=2),
            waits="A letter has waited for its stamp",
            alarms=(Alarm(name="no_stamps", cause="No stamps are left.", remedy="Buy some."),),
            figures={"paper_letters_owed": 2},
            lines=("Paper: 3 held.",),
        )

    def show(self, found: WalletHealth) -> None:
        for campaign, counts in found.campaigns.items():
            SHEETS.labels(campaign).set(counts["sheets"])

    def counted(self, counts: Counts) -> str:
        return f"on paper {counts['sheets']}"

    def failed(self, failure: Failure) -> str:
        return f"{failure.count} letters failed: {failure.reason}"

    def progressed(self, counts: Counts) -> str:
        return f"{counts['posted']} posted"


class Watched:
    """A wallet, and which members of the interface were asked since it was last looked at."""

    def __init__(self, wallet: Wallet) -> None:
        self.wallet = wallet
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.asked.add(name)
        return getattr(self.wallet, name)

    def since(self) -> set[str]:
        asked, self.asked = self.asked & MEMBERS, set()
        return asked


@pytest.fixture(params=[*wallets.WALLETS, Paper()], ids=lambda wallet: str(wallet.name))
def watched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """One of the wallets, watched; the others beside it."""
    found = Watched(request.param)
    others = tuple(each for each in wallets.WALLETS if each.name != request.param.name)
    monkeypatch.setattr(wallets, "WALLETS", (*others, found))
    return found


def test_every_member_of_every_wallet_is_asked_where_passes_are_spoken_of(
    watched: Watched,
    client: FlaskClient,
    deployment: Deployment,
    storefront: Storefront,
    clock: Clock,
) -> None:
    campaign = storefront.campaign()
    issued, other = storefront.voucher(campaign), storefront.voucher(campaign)
    name, third = watched.name, isinstance(watched.wallet, Paper)
    with deployment.database.write() as session:
        key = access.create(
            session, "marketer", [Scope.CAMPAIGN, Scope.REPORT], now=deployment.now()
        )
        registrations.register(
            session,
            library_id="phone",
            push_token="ab" * 32,
            voucher_id=issued.id,
            now=deployment.now(),
        )
        session.scalars(select(AppleDevice)).one().failure = "503"
        session.add(
            GoogleObject(
                voucher_id=issued.id,
                object_id="1.1",
                status="inserted",
                failure="HTTP 500",
                created_at=deployment.now(),
            )
        )
        campaign_key = session.get_one(Campaign, campaign).key
    headers = {"Authorization": f"Bearer {key}"}
    unasked = set(MEMBERS)

    def asked(*members: str) -> None:
        nonlocal unasked
        found = watched.since()
        assert set(members) <= found, f"{set(members) - found} went round WALLETS"
        unasked -= found

    def command(*words: str) -> str:
        done = CliRunner().invoke(main, list(words), env=environment(deployment.settings))
        assert done.exit_code == 0, done.output
        return done.output

    watched.since()
    # What an edit touches and costs, before it is ordered and afterwards.
    path = f"/api/v1/campaigns/{campaign_key}/updates"
    said = {"message": {"en": "Hello", "fr": "Bonjour"}}
    ordered = client.post(path, json=said, headers=headers).get_json()
    asked("reach", "forecast", "progress")
    if third:
        assert ordered["touches"]["passes"] == 3 + 2
        assert ordered["touches"]["sheets"] == 2
        assert ordered["paper"] == {"passes": 3, "seconds": 300.0}
        assert (ordered["posted"], ordered["status"]) == (1, "delivering")
    shown = command("campaign", "update", campaign_key, "--message", "en=Again", "--yes")
    asked("reach", "forecast")
    assert not third or "2 sheets of paper" in shown
    assert not third or "Paper Folder: 3 passes are updated one by one, 5 minutes" in shown
    shown = command("campaign", "updates", campaign_key)
    asked("progress", "progressed")
    assert not third or "1 posted" in shown
    # Where all of it stands.
    health = client.get("/api/v1/sync", headers=headers).get_json()
    asked("health", "name")
    if third:
        assert health["campaigns"][0]["sheets"] == 3
        assert {"wallet": "paper", "reason": "No stamp", "count": 2} in health["failures"]
        assert health["paper_letters_owed"] == 2
        assert {"no_stamps", "late_paper"} <= {alarm["name"] for alarm in health["alarms"]}
        assert health["oldest"]["paper"] < deployment.now().isoformat()
    metrics = client.get("/metrics").text
    asked("health", "show", "name")
    assert f'passerelle_oldest_owed_seconds{{wallet="{name}"}}' in metrics
    assert not third or f'sheets{{campaign="{campaign_key}"}} 3.0' in (
        generate_latest(PRINTED).decode()
    )
    shown = command("sync")
    asked("health", "counted", "failed", "name")
    if third:
        assert "on paper 3" in shown
        assert "2 letters failed: No stamp" in shown
        assert "Paper: 3 held." in shown
    # What happens because time passes.
    clockwork.run(deployment)
    asked("jobs")
    assert not third or watched.wallet.filed  # type: ignore[attr-defined]
    # The customer's page, its buttons, and what is behind them; mails.
    page = client.get(f"/p/{issued.link}", headers={"User-Agent": "a desktop", "Accept": "*/*"})
    asked("devices", "name", "title")
    assert f'href="/p/{issued.link}/{name}"' in page.text
    handed_out = client.get(f"/p/{issued.link}/{name}")
    asked("add")
    assert not third or handed_out.data == b"printed"
    drawn = client.get(f"/p/{issued.link}/pass.png?wallet={name}")
    asked("picture")
    assert (drawn.data == b"drawn on paper") == third
    buttons = str(Values("https://x/p/t", "", "", is_html=True).wallet_buttons())
    asked("name", "title")
    assert f'<a href="https://x/p/t/{name}">{watched.title}</a>' in buttons
    several = client.get(f"/p/{issued.link}.{other.link}", headers={"User-Agent": "iPhone CriOS"})
    asked("bundles_need_browser")
    assert several.status_code == 200
    # What reports count.
    with deployment.database.write() as session:
        eventlog.append(session, "added", other.id, now=deployment.now(), data={"wallet": name})
    watched.since()
    while reports.roll_up(deployment):
        pass
    asked("added", "name")
    (row,) = client.get(f"/api/v1/campaigns/{campaign_key}/results", headers=headers).get_json()[
        "rows"
    ]
    asked("added")
    assert row["vouchers"][watched.added.name] >= 1
    # A voucher that is issued anew, because its link leaked.
    keyring = deployment.keyring
    with deployment.database.write() as session:
        issuance.reissue(session, keyring, issued.public_id, now=deployment.now(), keep_code=True)
    asked("hand_over")
    assert not third or watched.wallet.handed  # type: ignore[attr-defined]
    # Who delivers.
    if third:
        with pytest.raises(LookupError, match="paper"):
            worker.senders()
    else:
        assert worker.senders()
    asked("name")
    assert unasked == set()


# -- what the source says -----------------------------------------------------------------------

ROOT = Path(wallets.__file__).parents[3]
#: Packages that are a wallet's although their name is another: Apple's push service.
ALSO_OWN = {"apns": "apple"}
TABLES: Mapping[str, frozenset[str]] = {
    wallet.name: frozenset(
        name
        for name, table in vars(models).items()
        if isinstance(table, type)
        and issubclass(table, Base)
        and table.__module__ == f"{models.__name__}.{wallet.name}"
    )
    for wallet in wallets.WALLETS
}


def modules() -> Iterator[tuple[Path, frozenset[str]]]:
    """The modules of the service, each with the wallets whose own it is."""
    outside = (ROOT / "app" / "store", ROOT / "app" / "sandbox")
    for path in sorted((ROOT / "app").rglob("*.py")):
        if not any(path.is_relative_to(folder) for folder in outside):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield path, frozenset(ALSO_OWN.get(part, part) for part in parts)


def trespasses(source: str, own: frozenset[str]) -> Iterator[str]:
    """What a module says of wallets that are not its own."""
    tree = ast.parse(source)
    tables = {name for wallet, names in TABLES.items() if wallet not in own for name in names}
    names = {wallet for wallet in TABLES if wallet not in own}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.ImportFrom):
            said = {each.name for each in node.names}
            if node.module == "app.services.wallets" and "WALLETS" in said:
                yield f"{line}: takes WALLETS for itself, so that it misses a later one"
        elif isinstance(node, ast.Name):
            said = {node.id}
        elif isinstance(node, ast.Attribute):
            said = {node.attr}
        else:
            said = set()
        for table in said & tables:
            yield f"{line}: names the table {table}"
        for name in compared(node) & names:
            yield f"{line}: compares a wallet's name with {name!r}"


def compared(node: ast.AST) -> set[str]:
    """The texts that a comparison, a choice by key or a case is about."""
    parts: list[ast.AST | None] = []
    if isinstance(node, ast.Compare):
        parts = [node.left, *node.comparators]
        parts += itertools.chain.from_iterable(
            each.elts for each in parts if isinstance(each, (ast.Tuple, ast.Set, ast.List))
        )
    elif isinstance(node, ast.Dict) and len(set(TABLES) & texts(node.keys)) > 1:
        # One wallet's name among other keys is a member of the API; several are a choice.
        parts = list(node.keys)
    elif isinstance(node, ast.Subscript):
        parts = [node.slice]
    elif isinstance(node, ast.MatchValue):
        parts = [node.value]
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("get", "startswith"):
        parts = list(node.args[:1])
    return texts(parts)


def texts(parts: Iterable[ast.AST | None]) -> set[str]:
    return {
        each.value
        for each in parts
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }


def test_nobody_outside_a_wallets_own_modules_names_its_tables_or_compares_its_name() -> None:
    assert all(TABLES.values())
    found = [
        f"{path.relative_to(ROOT)}:{fault}"
        for path, own in modules()
        for fault in trespasses(path.read_text(), own)
    ]
    assert found == []


@pytest.mark.parametrize(
    "bypass",
    [
        "from app.store.models import AppleRegistration\nselect(AppleRegistration.id)",
        "select(models.GoogleObject.id)",
        "if failure.wallet == 'apple': pass",
        "noun = {'apple': 'devices', 'google': 'objects'}[wallet]",
        "if wallet in ('google', 'paper'): pass",
        "match wallet:\n    case 'apple': pass",
        "from app.services.wallets import WALLETS",
    ],
)
def test_a_module_that_goes_round_the_registry_is_found(bypass: str) -> None:
    assert list(trespasses(bypass, frozenset({"app", "services", "updates"})))
