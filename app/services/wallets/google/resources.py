"""A voucher at Google: its ids and resources, the wish that it be there, messages to its holders.

An object exists at Google once a customer has asked for it, and what is sent is built from the
database at that moment. It does not talk to the network; a wish is a row, which the
delivery fulfils.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.kinds import KINDS
from app.services import changes
from app.services.campaigns.stored import latest_revision
from app.services.deployment import Deployment
from app.services.wallets.content import pass_content, template_for
from app.services.wallets.holdings import Holding
from app.store.dialects import insert_for
from app.store.models import (
    Asset,
    Campaign,
    GoogleClass,
    GoogleMessage,
    GoogleObject,
    Voucher,
)
from app.store.session import Database
from passes import google
from passes.errors import ResourceError

#: How long a message is worth sending.
MESSAGE_LIFE = dt.timedelta(days=2)

#: How the id of a message begins that a campaign's update tells every holder.
UPDATE_NEWS = "update-"


@dataclass(frozen=True, slots=True)
class Ids:
    """A voucher's object and class at Google, and the variant that the class is for."""

    object_id: str
    class_id: str
    variant: str


def ids(deployment: Deployment, holding: Holding) -> Ids:
    """Return the ids of the voucher's object and class.

    Object ids are unique over all kinds of an issuer, hence the kind in front.
    """
    issuer = deployment.settings.google_issuer_id
    kind = KINDS[holding.campaign.kind].shown_as[0]
    variant = holding.voucher.variant or ""
    return Ids(
        google.resource_id(issuer, f"{kind}-{holding.serial}"),
        class_id(deployment, holding.campaign.key, variant),
        variant,
    )


def class_id(deployment: Deployment, campaign_key: str, variant: str) -> str:
    """Return the id of the class of a campaign and variant."""
    suffix = f"campaign-{campaign_key}" + (f".{variant}" if variant else "")
    return google.resource_id(deployment.settings.google_issuer_id, suffix)


def object_resource(
    deployment: Deployment, holding: Holding, *, now: dt.datetime
) -> dict[str, Any]:
    """Return the voucher's object as Google should have it now."""
    named = ids(deployment, holding)
    content = pass_content(deployment, holding, now=now)
    return google.object_resource(
        content,
        object_id=named.object_id,
        class_id=named.class_id,
        expiry_notice=holding.presentation.expiry_notice,
    )


def class_resource(
    deployment: Deployment, campaign_id: int, variant: str, *, now: dt.datetime
) -> dict[str, Any]:
    """Return the class of a campaign and variant as Google should have it now.

    Its pictures are stored on the way, so that Google finds them at the addresses in it.
    """
    with deployment.database.read() as session:
        campaign = session.get_one(Campaign, campaign_id)
        latest = latest_revision(session, campaign)
    # A class is nobody's: it shows what all passes of the campaign share.
    nobody = Holding(
        voucher=Voucher(),
        campaign=campaign,
        own=latest,
        base=latest,
        latest=latest,
        code=None,
        recipient=None,
    )
    shared = template_for(deployment, nobody).presentation
    artwork = shared.design.artwork
    if artwork is None:
        raise ResourceError("design.artwork", "There is no logo.", "Upload one.")
    logo = publish(deployment.database, artwork.google_logo, now=now)
    banner = artwork.google_hero and publish(deployment.database, artwork.google_hero, now=now)
    site = public_url(deployment.settings.base_url)
    return google.class_resource(
        shared,
        class_id=class_id(deployment, campaign.key, variant),
        logo_url=f"{site}/a/{logo}.png",
        banner_url=f"{site}/a/{banner}.png" if banner else None,
        callback_url=f"{site}/google/callback",
    )


def public_url(base_url: str) -> str:
    """Return the service's address as Google is told it: always https.

    Google reaches nothing else; a development service on plain http is reached by the stand-in.
    """
    return "https:" + base_url.removeprefix("https:").removeprefix("http:")


def publish(database: Database, picture: bytes, *, now: dt.datetime) -> str:
    """Store a PNG under its digest, where `/a/<digest>.png` serves it; returns the digest."""
    digest = hashlib.sha256(picture).hexdigest()
    with database.read() as session:
        known = session.get(Asset, digest) is not None
    if not known:
        try:
            with database.write() as session:
                session.add(
                    Asset(sha256=digest, media_type="image/png", data=picture, created_at=now)
                )
        except IntegrityError:
            return digest  # Another worker stored the same bytes.
    return digest


# -- what is to be at Google --------------------------------------------------------------------


def want(session: Session, deployment: Deployment, holding: Holding, *, now: dt.datetime) -> bool:
    """Wish for the voucher's object to be at Google as it is now; returns whether it is already."""
    named = ids(deployment, holding)
    row = session.scalar(select(GoogleObject).where(GoogleObject.voucher_id == holding.voucher.id))
    if row is not None and row.status == "inserted":
        current = shows(session, row, holding)
        # It may be about to be saved: it is owed its state again, whoever deleted it before.
        if row.has_users is False:
            row.has_users = None
            row.due_at = row.due_at if current else now
        if current:
            return True
    else:
        want_class(
            session, deployment, holding.campaign.id, holding.campaign.key, named.variant, now=now
        )
        session.execute(
            insert_for(session, GoogleObject)
            .values(
                voucher_id=holding.voucher.id,
                object_id=named.object_id,
                status="wanted",
                attempts=0,
                due_at=now,
                created_at=now,
            )
            .on_conflict_do_nothing()
        )
    changes.voucher(session, holding.voucher.id)
    return False


def want_class(
    session: Session,
    deployment: Deployment,
    campaign_id: int,
    campaign_key: str,
    variant: str,
    *,
    now: dt.datetime,
) -> None:
    """Wish for the class of a campaign and variant, unless it was wished for before."""
    session.execute(
        insert_for(session, GoogleClass)
        .values(
            campaign_id=campaign_id,
            variant=variant,
            class_id=class_id(deployment, campaign_key, variant),
            status="wanted",
            attempts=0,
            due_at=now,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )


def shows(session: Session, row: GoogleObject, holding: Holding) -> bool:
    """Whether an object shows the voucher as it is now."""
    voucher, campaign = holding.pair
    if row.sent_voucher != voucher or row.sent_campaign is None:
        return False
    if row.sent_campaign == campaign:
        return True
    # Edits since then may have stayed with the class.
    return bool(
        session.scalar(
            select(
                exists().where(
                    GoogleClass.campaign_id == holding.campaign.id,
                    GoogleClass.variant == (holding.voucher.variant or ""),
                    GoogleClass.sent_campaign == campaign,
                    GoogleClass.objects_digest == row.campaign_digest,
                )
            )
        )
    )


def only_asks() -> ColumnElement[bool]:
    """Whether an object's time is that of a question alone, so that a change need not wait."""
    return and_(GoogleObject.due_at == GoogleObject.ask_users_at, GoogleObject.failure.is_(None))


# -- messages -----------------------------------------------------------------------------------


def tell(
    session: Session,
    object_row_id: int,
    texts: Sequence[Mapping[str, str]],
    *,
    message_id: str,
    now: dt.datetime,
    expires_at: dt.datetime | None = None,
) -> None:
    """Wish for a message to the holders of an object.

    ``texts`` are mappings of ``language``, ``header`` and ``body``, the default language first.
    The same ``message_id`` again is the same message, and is not sent twice.
    """
    session.execute(
        insert_for(session, GoogleMessage)
        .values(
            object_id=object_row_id,
            message_id=message_id,
            texts=[dict(text) for text in texts],
            status="wanted",
            expires_at=expires_at or now + MESSAGE_LIFE,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )
    session.execute(
        update(GoogleObject)
        .where(
            GoogleObject.id == object_row_id,
            or_(GoogleObject.due_at.is_(None), GoogleObject.due_at == GoogleObject.ask_users_at),
        )
        .values(due_at=now)
        .execution_options(synchronize_session=False)
    )


__all__ = [
    "Ids",
    "class_id",
    "class_resource",
    "ids",
    "object_resource",
    "only_asks",
    "public_url",
    "publish",
    "shows",
    "tell",
    "want",
    "want_class",
]
