"""Google Wallet, as the rest of the service asks it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from prometheus_client import Gauge
from sqlalchemy import and_, case, func, or_, select, update
from sqlalchemy.orm import Session

from app.domain.funnel import Stage
from app.services.deployment import Deployment
from app.services.metrics import REGISTRY
from app.services.wallets.google import callbacks, notices, save_links, standing
from app.services.wallets.holdings import Holding
from app.services.wallets.wallet import (
    Counts,
    Edit,
    Failure,
    Forecast,
    SaveAddress,
    TryAgain,
    UpdateReach,
    WalletHealth,
    WalletProgress,
)
from app.settings import Settings
from app.store.models import Campaign, GoogleObject, Voucher
from passes import preview
from passes.content import PassContent

OBJECTS = Gauge(
    "passerelle_google_objects",
    "Objects at Google by whether they show the present state",
    ["campaign", "state"],
    registry=REGISTRY,
)


class Google:
    """Google Wallet: objects at Google, written one by one at the rate that Google allows."""

    name = "google"
    title = "Google Wallet"
    devices = frozenset({"android", "desktop"})
    bundles_need_browser = False
    added = Stage("added_google", 16)
    jobs: tuple[Callable[[Deployment], None], ...] = (
        callbacks.forget_lapsed_nonces,
        notices.remind_holders,
    )

    def add(
        self, deployment: Deployment, holdings: Sequence[Holding], *, now: dt.datetime
    ) -> SaveAddress | TryAgain:
        return save_links.link(deployment, holdings, now=now)

    def picture(self, content: PassContent, *, language: str) -> bytes:
        return preview.render(content, wallet="google", language=language)

    def reach(self, session: Session, campaign_id: int) -> UpdateReach:
        objects = (
            session.scalar(
                select(func.count())
                .select_from(GoogleObject)
                .join(Voucher, Voucher.id == GoogleObject.voucher_id)
                .where(Voucher.campaign_id == campaign_id, GoogleObject.status == "inserted")
            )
            or 0
        )
        text = f"{objects} {'object' if objects == 1 else 'objects'} at Google"
        return UpdateReach(objects, {"objects": objects}, text)

    def progress(self, session: Session, campaign_id: int, version: int) -> WalletProgress:
        # What goes out at Google's rate is told by the backlog, not for each update.
        return WalletProgress()

    def forecast(
        self, session: Session, campaign_key: str, edit: Edit, *, settings: Settings
    ) -> Forecast | None:
        return standing.forecast(session, campaign_key, edit, rate=settings.google_rate)

    def hand_over(self, session: Session, voucher_id: int, *, to: int) -> None:
        session.execute(
            update(GoogleObject)
            .where(GoogleObject.voucher_id == voucher_id)
            .values(voucher_id=to)
            .execution_options(synchronize_session=False)
        )

    def health(self, session: Session, *, settings: Settings, now: dt.datetime) -> WalletHealth:
        found = standing.standing(session, rate=settings.google_rate)
        return WalletHealth(
            none={"objects": 0, "objects_owed": 0},
            campaigns={
                key: {"objects": held, "objects_owed": owed}
                for key, (held, owed) in standing.by_campaign(session).items()
            },
            held=found.held,
            failures=tuple(
                Failure(wallet=self.name, reason=reason, count=count)
                for reason, count in found.failing
            ),
            oldest_owed=_oldest_object(session),
            waits="An object has waited to be written at Google",
            figures={
                "google_classes_owed": found.classes_owed,
                "google_takes_seconds": found.takes.total_seconds(),
            },
            lines=(str(found),),
        )

    def show(self, found: WalletHealth) -> None:
        OBJECTS.clear()
        for campaign, counts in found.campaigns.items():
            OBJECTS.labels(campaign, "owed").set(counts["objects_owed"])
            OBJECTS.labels(campaign, "held").set(counts["objects"])

    def counted(self, counts: Counts) -> str:
        return f"at Google {counts['objects']}  owed {counts['objects_owed']}"

    def failed(self, failure: Failure) -> str:
        return f"{failure.count} objects at Google failed: {failure.reason}"

    def progressed(self, counts: Counts) -> str:
        return ""


def _oldest_object(session: Session) -> dt.datetime | None:
    """Return since when the object at Google that waits longest has waited.

    One that is still to be made waits since it was wanted. Others count if their last call failed:
    what is behind only because Google's rate is taken up is told by the backlog. Of those that lag
    behind a campaign's edit, that is when it was published; of a change of the voucher itself,
    whose time is not kept, when Google was last told anything.
    """
    own = GoogleObject.sent_voucher.is_distinct_from(Voucher.version)
    wanted = GoogleObject.status == "wanted"
    since: dt.datetime | None = session.scalar(
        select(
            func.min(
                case(
                    (wanted, GoogleObject.created_at),
                    (own, func.coalesce(GoogleObject.sent_at, GoogleObject.created_at)),
                    else_=Campaign.updated_at,
                )
            )
        )
        .select_from(GoogleObject)
        .join(Voucher, Voucher.id == GoogleObject.voucher_id)
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .where(
            or_(
                wanted,
                and_(
                    GoogleObject.status == "inserted",
                    GoogleObject.has_users.is_not(False),
                    GoogleObject.attempts > 0,
                    or_(
                        own,
                        and_(
                            GoogleObject.sent_campaign.is_distinct_from(Campaign.version),
                            ~Campaign.delivery_paused,
                        ),
                    ),
                ),
            )
        )
    )
    return since
