"""A voucher at Google: its ids and resources, the link that saves it, what Google calls back.

Promises: an object exists at Google once a customer has asked for it, and what is sent is built
from the database at that moment; a callback counts once, and is believed only when Google signed
it for this issuer and one of our classes. Refuses: to talk to the network (a wish is a row, which
the delivery fulfils), to put a gift card's number into a link, and to take a deletion for the end
of an object that others may hold.

https://developers.google.com/wallet/retail/offers/use-cases/use-callbacks-for-saves-and-deletions
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.kinds import KINDS
from app.services import changes, presenting
from app.services.campaigns.stored import latest_revision
from app.services.deployment import Deployment
from app.services.presenting import Holding
from app.store.models import (
    Asset,
    Base,
    Campaign,
    GoogleClass,
    GoogleMessage,
    GoogleNonce,
    GoogleObject,
    GoogleRootKeys,
    Voucher,
)
from app.store.session import Database
from passes import google
from passes.errors import CallbackError, ResourceError
from passes.google import Callback, CallbackVerifier, RootKeys

#: When a customer whose pass is not at Google yet should ask again.
AGAIN = dt.timedelta(seconds=2)
#: How long a message is worth sending.
MESSAGE_LIFE = dt.timedelta(days=2)

_POLL = 0.05
_KEYS_KEPT = 30.0
_KEYS_MISSED = 1.0


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


class KeysMissing(Exception):
    """Google's root keys were not fetched yet: no callback can be judged."""


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
        voucher=Voucher(), campaign=campaign, own=latest, latest=latest, code=None, recipient=None
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
        if (row.sent_voucher, row.sent_campaign) == holding.pair:
            return True
        # It may be about to be saved: it is owed its state again, whoever deleted it before.
        if row.has_users is False:
            row.has_users, row.due_at = None, now
    else:
        want_class(
            session, deployment, holding.campaign.id, holding.campaign.key, named.variant, now=now
        )
        session.execute(
            _insert(session, GoogleObject)
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
        _insert(session, GoogleClass)
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
        return Link(_placed(deployment, _by_id(deployment, holdings, now=now)))
    if len(holdings) > 1:
        return TryAgain(AGAIN)
    return _carried(deployment, holdings[0], now=now)


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
        and (row.sent_voucher, row.sent_campaign) == holding.pair
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


# -- callbacks ----------------------------------------------------------------------------------


def take_callback(deployment: Deployment, body: bytes, *, now: dt.datetime) -> str:
    """Judge a callback's bytes as received; returns what became of it, in a word.

    ``taken`` (Google will be asked later who holds the object), ``repeated`` (the nonce was seen),
    ``ignored`` (genuine, but an event we do not know or a class that is none of ours).

    Raises:
        KeysMissing: Google's keys are not here yet; it may be sent again.
        CallbackError: it is not genuine, or out of date.
    """
    keys = _root_keys(deployment, now)
    callback = CallbackVerifier(deployment.settings.google_issuer_id).verify(
        body, keys=keys, now=now
    )
    if callback.event not in ("save", "del"):
        return "ignored"
    with deployment.database.write() as session:
        return _record(session, callback, now=now)


def _record(session: Session, callback: Callback, *, now: dt.datetime) -> str:
    ours = (
        exists()
        .where(GoogleClass.class_id == callback.class_id)
        .where(GoogleClass.campaign_id == Voucher.campaign_id)
    )
    object_row = session.execute(
        select(GoogleObject.id)
        .join(Voucher, Voucher.id == GoogleObject.voucher_id)
        .where(GoogleObject.object_id == callback.object_id, ours)
    ).scalar_one_or_none()
    if object_row is None:
        return "ignored"
    fresh = session.execute(
        _insert(session, GoogleNonce)
        .values(nonce=callback.nonce[:200], expires_at=callback.expires)
        .on_conflict_do_nothing()
        .returning(GoogleNonce.nonce)
    ).scalar_one_or_none()
    if fresh is None:
        return "repeated"
    session.execute(
        update(GoogleObject)
        .where(GoogleObject.id == object_row)
        .values(ask_users_at=now, due_at=now)
    )
    return "taken"


def store_root_keys(database: Database, document: bytes, *, now: dt.datetime) -> RootKeys:
    """Keep Google's key list, if it is one.

    Raises:
        CallbackError: it holds no usable key; the list kept so far stays.
    """
    keys = RootKeys.read(document, now=now)
    with database.write() as session:
        row = session.get(GoogleRootKeys, 1)
        if row is None:
            row = GoogleRootKeys(id=1)
            session.add(row)
        row.document, row.fetched_at = document.decode(), now
    return keys


def root_keys_age(database: Database, *, now: dt.datetime) -> tuple[dt.timedelta, RootKeys] | None:
    """Return how old the kept key list is, and its keys that are in date; None when useless."""
    with database.read() as session:
        row = session.get(GoogleRootKeys, 1)
    if row is None:
        return None
    try:
        return now - row.fetched_at, RootKeys.read(row.document.encode(), now=now)
    except CallbackError:
        return None


def forget_nonces(session: Session, *, now: dt.datetime) -> None:
    """Drop the nonces of callbacks that would be refused as out of date anyway."""
    session.execute(delete(GoogleNonce).where(GoogleNonce.expires_at < now))


_keys_guard = threading.Lock()
_keys: dict[str, tuple[float, RootKeys | None]] = {}


def _root_keys(deployment: Deployment, now: dt.datetime) -> RootKeys:
    """Return the keys from this process's memory or the database, never from the network.

    The database is looked at every few seconds at most, whatever is posted.
    """
    place = deployment.settings.database_url
    with _keys_guard:
        read, kept = _keys.get(place, (float("-inf"), None))
        stale = time.monotonic() - read > (_KEYS_KEPT if kept else _KEYS_MISSED)
        if stale or (kept is not None and kept.expires <= now):
            found = root_keys_age(deployment.database, now=now)
            kept = found[1] if found else None
            _keys[place] = (time.monotonic(), kept)
    if kept is None:
        raise KeysMissing("Google's callback keys were not fetched yet.")
    return kept


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
        _insert(session, GoogleMessage)
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


def _insert(session: Session, table: type[Base]) -> Any:
    """Return the dialect's INSERT, which can do nothing where a row is there already."""
    postgres = session.get_bind().dialect.name == "postgresql"
    return postgresql.insert(table) if postgres else sqlite.insert(table)


__all__ = [
    "Ids",
    "KeysMissing",
    "Link",
    "TryAgain",
    "class_id",
    "class_resource",
    "forget_nonces",
    "ids",
    "link",
    "object_resource",
    "public_url",
    "publish",
    "root_keys_age",
    "store_root_keys",
    "take_callback",
    "tell",
    "want",
    "want_class",
]
