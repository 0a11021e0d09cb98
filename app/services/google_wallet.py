"""A voucher at Google: its ids and resources, the link that saves it, messages to its holders.

Promises: an object exists at Google once a customer has asked for it, and what is sent is built
from the database at that moment. Refuses: to talk to the network (a wish is a row, which the
delivery fulfils), and to put a gift card's number into a link.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.kinds import KINDS
from app.services import changes, presenting
from app.services.campaigns.stored import latest_revision
from app.services.deployment import Deployment
from app.services.presenting import Holding
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

#: When a customer whose pass is not at Google yet should ask again.
AGAIN = dt.timedelta(seconds=2)
#: How long after a link was given, and nothing was heard, Google is asked whether it was followed;
#: and how long a customer may take with it, during which asking would be too early.
ASK_UNHEARD = dt.timedelta(days=1)
SAVING = dt.timedelta(minutes=10)
#: How long a message is worth sending.
MESSAGE_LIFE = dt.timedelta(days=2)

#: How the id of a message begins that a campaign's update tells every holder.
UPDATE_NEWS = "update-"

_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Ids:
    """A voucher's object and class at Google, and the variant that the class is for."""

    object_id: str
    class_id: str
    variant: str


@dataclass(frozen=True, slots=True)
class Link:
    """Where the customer goes on to."""

    url: str


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The object is not at Google yet, and must not travel in a link."""

    after: dt.timedelta


def ids(deployment: Deployment, holding: Holding) -> Ids:
    """Return the ids of the voucher's object and class.

    Object ids are unique over all kinds of an issuer, hence the kind in front.
    """
    issuer = deployment.settings.google_issuer_id
    kind = holding.campaign.kind[0]
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
    content = presenting.pass_content(deployment, holding, now=now)
    resource = google.object_resource(content, object_id=named.object_id, class_id=named.class_id)
    if content.presentation.kind == "coupon" and not holding.presentation.expiry_notice:
        resource["disableExpirationNotification"] = True
    return resource


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
    shared = presenting.template(deployment, nobody).presentation
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


# -- the customer's link ------------------------------------------------------------------------


def want(session: Session, deployment: Deployment, holding: Holding, *, now: dt.datetime) -> bool:
    """Wish for the voucher's object to be at Google as it is now; returns whether it is already."""
    named = ids(deployment, holding)
    row = session.scalar(select(GoogleObject).where(GoogleObject.voucher_id == holding.voucher.id))
    if row is not None and row.status == "inserted":
        shows = _shows(session, row, holding)
        # It may be about to be saved: it is owed its state again, whoever deleted it before.
        if row.has_users is False:
            row.has_users = None
            row.due_at = row.due_at if shows else now
        if shows:
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


def link(
    deployment: Deployment, holdings: Sequence[Holding], *, now: dt.datetime
) -> Link | TryAgain:
    """Return the address at Google that saves the vouchers.

    Waits up to PASSERELLE_GOOGLE_WAIT_MS for the worker to bring the objects to Google; then a
    single coupon travels inside the link, and anything else asks the customer to try again.
    Google's callbacks are its best effort: with each link it is noted when to ask what came of it.

    Raises:
        CertificateFault: no service account can sign it.
        passes.errors.PassError: the content cannot be an object; names field and remedy.
    """
    wanted = [each.voucher.id for each in holdings]
    with deployment.database.read() as session:
        ready = all(_is_current(session, each) for each in holdings)
    if not ready:
        with deployment.database.write() as session:
            # Every one is wished for, though the first may settle that they are not all there.
            present = [want(session, deployment, each, now=now) for each in holdings]
        ready = all(present)
    deadline = time.monotonic() + deployment.settings.google_wait_ms / 1000
    while not ready:
        with deployment.database.read() as session:
            ready = _inserted(session, wanted)
        if ready or time.monotonic() >= deadline:
            break
        time.sleep(_POLL)
    if ready:
        found: Link | TryAgain = Link(_placed(deployment, _by_id(deployment, holdings, now=now)))
    elif len(holdings) > 1:
        return TryAgain(AGAIN)
    else:
        found = _carried(deployment, holdings[0], now=now)
    if isinstance(found, Link):
        _ask_later(deployment, wanted, now=now)
    return found


def _ask_later(deployment: Deployment, voucher_ids: Sequence[int], *, now: dt.datetime) -> None:
    """See to it that Google is asked who holds the objects once their link may have been followed.

    A question that is due already (somebody else deleted the pass, say) waits for that, too: its
    answer would be out of date. An object that is not there yet is asked about after its insert.
    """
    unasked = and_(
        GoogleObject.voucher_id.in_(voucher_ids),
        GoogleObject.status == "inserted",
        or_(GoogleObject.ask_users_at.is_(None), GoogleObject.ask_users_at < now + SAVING),
    )
    with deployment.database.read() as session:
        if session.scalar(select(GoogleObject.id).where(unasked).limit(1)) is None:
            return
    kind = GoogleObject.ask_users_at.type
    at = case(
        (GoogleObject.ask_users_at.is_(None), literal(now + ASK_UNHEARD, kind)),
        else_=literal(now + SAVING, kind),
    )
    with deployment.database.write() as session:
        session.execute(
            update(GoogleObject)
            .where(unasked)
            # What else is due stays so.
            .values(ask_users_at=at, due_at=func.coalesce(GoogleObject.due_at, at))
            .execution_options(synchronize_session=False)
        )


def _by_id(deployment: Deployment, holdings: Sequence[Holding], *, now: dt.datetime) -> str:
    """Return the link that names what Google has: nothing secret stands in it."""
    account = deployment.certificates.account
    objects = [(KINDS[each.campaign.kind].name, ids(deployment, each)) for each in holdings]
    if len(objects) > 1:
        saved = [google.Saved(kind, each.object_id) for kind, each in objects]
        return google.save_links(account, saved, now=now)
    kind, only = objects[0]
    return google.save_link(
        account, kind=kind, object_id=only.object_id, class_id=only.class_id, now=now
    )


def _carried(deployment: Deployment, holding: Holding, *, now: dt.datetime) -> Link | TryAgain:
    resource = object_resource(deployment, holding, now=now)
    try:
        url = google.carrying_link(deployment.certificates.account, resource=resource, now=now)
    except ResourceError:
        # A gift card, whose number must not stand in an address; or too long a text.
        return TryAgain(AGAIN)
    return Link(_placed(deployment, url))


def _is_current(session: Session, holding: Holding) -> bool:
    row = session.scalar(select(GoogleObject).where(GoogleObject.voucher_id == holding.voucher.id))
    return (
        row is not None
        and row.status == "inserted"
        and row.has_users is not False
        and _shows(session, row, holding)
    )


def _shows(session: Session, row: GoogleObject, holding: Holding) -> bool:
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


def _inserted(session: Session, voucher_ids: Sequence[int]) -> bool:
    found = session.scalars(
        select(GoogleObject.voucher_id).where(
            GoogleObject.voucher_id.in_(voucher_ids), GoogleObject.status == "inserted"
        )
    ).all()
    return len(found) == len(set(voucher_ids))


def _placed(deployment: Deployment, url: str) -> str:
    """Return the link at the deployment's wallet: Google's, or a stand-in's."""
    return f"{deployment.settings.google_save_url}/{url.removeprefix(google.SAVE_URL)}"


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
    "Link",
    "TryAgain",
    "class_id",
    "class_resource",
    "ids",
    "link",
    "object_resource",
    "only_asks",
    "public_url",
    "publish",
    "tell",
    "want",
    "want_class",
]
