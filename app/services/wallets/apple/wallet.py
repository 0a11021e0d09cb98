"""Apple Wallet, as the rest of the service asks it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from prometheus_client import Gauge
from sqlalchemy import ColumnElement, and_, case, func, not_, or_, select, update
from sqlalchemy.orm import Session

from app.domain.funnel import Stage
from app.services.deployment import Deployment
from app.services.metrics import REGISTRY
from app.services.wallets.apple.pkpass import signed_pass
from app.services.wallets.apple.states import FETCHED, LISTED, PUSHED, Told, behind
from app.services.wallets.holdings import Holding
from app.services.wallets.wallet import (
    Alarm,
    Counts,
    Edit,
    Failure,
    Forecast,
    PassFile,
    UpdateReach,
    WalletHealth,
    WalletProgress,
)
from app.settings import Settings
from app.store.models import AppleDevice, AppleLog, AppleRegistration, Campaign, Voucher
from passes import apple, preview
from passes.content import PassContent

PASSES = Gauge(
    "passerelle_installed_passes",
    "Passes in Apple's wallets by what their device was told",
    ["campaign", "state"],
    registry=REGISTRY,
)
#: Bad tokens that are one by one; more are our own fault.
DOUBTFUL = 3
#: What a pass's device was told, from least to most.
_STATES = ("owed", "pushed", "listed", "fetched")


class Apple:
    """Apple Wallet: devices that are pushed, then ask what changed and fetch it."""

    name = "apple"
    title = "Apple Wallet"
    devices = frozenset({"iphone", "desktop"})
    bundles_need_browser = True
    added = Stage("added_apple", 8)
    jobs: tuple[Callable[[Deployment], None], ...] = ()

    def add(
        self, deployment: Deployment, holdings: Sequence[Holding], *, now: dt.datetime
    ) -> PassFile:
        built = [signed_pass(deployment, each, now=now) for each in holdings]
        if len(built) > 1:
            return PassFile(apple.bundle(built), apple.MIME_BUNDLE, "vouchers.pkpasses")
        return PassFile(built[0], apple.MIME_PASS, f"{holdings[0].serial}.pkpass")

    def picture(self, content: PassContent, *, language: str) -> bytes:
        return preview.render(content, wallet="apple", language=language)

    def reach(self, session: Session, campaign_id: int) -> UpdateReach:
        passes, devices = session.execute(
            select(func.count(), func.count(AppleRegistration.device_id.distinct()))
            .select_from(AppleRegistration)
            .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
            .where(Voucher.campaign_id == campaign_id)
        ).one()
        text = f"{devices} {'device' if devices == 1 else 'devices'} of Apple's"
        return UpdateReach(passes, {"devices": devices}, text)

    def progress(self, session: Session, campaign_id: int, version: int) -> WalletProgress:
        def reached(told: Told) -> ColumnElement[int]:
            return func.coalesce(func.sum(case((told[1] >= version, 1), else_=0)), 0)

        installed, pushed, listed, fetched = session.execute(
            select(func.count(), reached(PUSHED), reached(LISTED), reached(FETCHED))
            .select_from(AppleRegistration)
            .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
            .where(Voucher.campaign_id == campaign_id)
        ).one()
        counts = {
            "installed": installed,
            "pushed": int(pushed),
            "listed": int(listed),
            "fetched": int(fetched),
        }
        return WalletProgress(
            counts,
            before=dict.fromkeys(counts, 0) | {"installed": installed},
            installed=installed,
            delivered=pushed == installed,
        )

    def forecast(
        self, session: Session, campaign_key: str, edit: Edit, *, settings: Settings
    ) -> Forecast | None:
        return None

    def hand_over(self, session: Session, voucher_id: int, *, to: int) -> None:
        session.execute(
            update(AppleRegistration)
            .where(AppleRegistration.voucher_id == voucher_id)
            .values(voucher_id=to)
            .execution_options(synchronize_session=False)
        )

    def health(self, session: Session, *, settings: Settings, now: dt.datetime) -> WalletHealth:
        campaigns = _campaigns(session)
        return WalletHealth(
            none=dict.fromkeys(("installed", *_STATES), 0),
            campaigns=campaigns,
            held=sum(each["installed"] for each in campaigns.values()),
            failures=tuple(_failures(session)),
            oldest_owed=_oldest_device(session),
            waits="A device has waited for its push",
            alarms=tuple(_alarms(session)),
            figures={"complaints": _complaints(session, now=now)},
        )

    def show(self, found: WalletHealth) -> None:
        PASSES.clear()
        for campaign, counts in found.campaigns.items():
            for state in _STATES:
                PASSES.labels(campaign, state).set(counts[state])

    def counted(self, counts: Counts) -> str:
        return "  ".join(f"{name} {counts[name]}" for name in ("installed", *_STATES))

    def failed(self, failure: Failure) -> str:
        return f"{failure.count} devices failed: {failure.reason}"

    def progressed(self, counts: Counts) -> str:
        return ", ".join(f"{counts[name]} {name}" for name in ("installed", "pushed", "fetched"))


def _campaigns(session: Session) -> dict[str, Counts]:
    owed = behind(PUSHED)
    unlisted = and_(not_(owed), behind(LISTED))
    unfetched = and_(not_(owed), not_(behind(LISTED)), behind(FETCHED))

    def count(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    rows = session.execute(
        select(Campaign.key, func.count(), count(owed), count(unlisted), count(unfetched))
        .select_from(AppleRegistration)
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .group_by(Campaign.key)
    )
    return {
        key: {
            "installed": installed,
            "owed": int(late),
            "pushed": int(pushed),
            "listed": int(listed),
            "fetched": installed - int(late) - int(pushed) - int(listed),
        }
        for key, installed, late, pushed, listed in rows
    }


def _failures(session: Session) -> list[Failure]:
    rows = session.execute(
        select(AppleDevice.failure, func.count())
        .where(AppleDevice.failure.is_not(None))
        .group_by(AppleDevice.failure)
        .order_by(func.count().desc())
        .limit(20)
    )
    return [Failure(wallet=Apple.name, reason=str(reason), count=count) for reason, count in rows]


def _oldest_device(session: Session) -> dt.datetime | None:
    """Return since when the failing device that waits longest has waited.

    For a campaign's edit that is when it was published; for a change of the voucher itself, whose
    time is not kept, when the device was last told anything.
    """
    told = func.coalesce(AppleRegistration.pushed_at, AppleRegistration.registered_at)
    own = PUSHED[0].is_distinct_from(Voucher.version)
    since: dt.datetime | None = session.scalar(
        select(func.min(case((own, told), else_=Campaign.updated_at)))
        .select_from(AppleRegistration)
        .join(Voucher, Voucher.id == AppleRegistration.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .join(AppleDevice, AppleDevice.id == AppleRegistration.device_id)
        .where(
            or_(
                own,
                and_(PUSHED[1].is_distinct_from(Campaign.version), ~Campaign.delivery_paused),
            ),
            AppleDevice.attempts > 0,
        )
    )
    return since


def _alarms(session: Session) -> list[Alarm]:
    doubtful = session.scalar(select(func.count()).where(AppleDevice.doubtful_at.is_not(None))) or 0
    if doubtful <= DOUBTFUL:
        return []
    return [
        Alarm(
            name="bad_tokens",
            cause=f"Apple calls the tokens of {doubtful} devices bad; none is dropped.",
            remedy="Check that PASSERELLE_PASS_TYPE_ID, the certificate and "
            "PASSERELLE_APNS_URL belong together.",
            of_service=False,
        )
    ]


def _complaints(session: Session, *, now: dt.datetime) -> dict[str, int]:
    """Count the complaints of devices in the last day, by kind."""
    rows = session.execute(
        select(AppleLog.kind, func.count().label("total"))
        .where(AppleLog.at > now - dt.timedelta(days=1))
        .group_by(AppleLog.kind)
        .order_by(AppleLog.kind)
    )
    return {row.kind: int(row.total) for row in rows}
