"""The link by which a customer saves vouchers at Google.

What came of a link is asked for, should Google never tell. It does not put a gift card's
number into one.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence

from sqlalchemy import and_, case, func, literal, or_, select, update
from sqlalchemy.orm import Session

from app.domain.kinds import KINDS
from app.services.deployment import Deployment
from app.services.wallets.google import resources
from app.services.wallets.holdings import Holding
from app.services.wallets.wallet import SaveAddress, TryAgain
from app.store.models import GoogleObject
from passes import google
from passes.errors import ResourceError

#: When a customer whose pass is not at Google yet should ask again.
AGAIN = dt.timedelta(seconds=2)
#: How long after a link was given, and nothing was heard, Google is asked whether it was followed;
#: and how long a customer may take with it, during which asking would be too early.
ASK_UNHEARD = dt.timedelta(days=1)
SAVING = dt.timedelta(minutes=10)

_POLL = 0.05


def link(
    deployment: Deployment, holdings: Sequence[Holding], *, now: dt.datetime
) -> SaveAddress | TryAgain:
    """Return the address at Google that saves the vouchers.

    Waits up to PASSERELLE_GOOGLE_WAIT_MS for the worker to bring the objects to Google; then a
    single coupon travels inside the link, and anything else asks the customer to try again.
    Google's callbacks are its best effort: with each link it is noted when to ask about it.

    Raises:
        CertificateFault: no service account can sign it.
        passes.errors.PassError: the content cannot be an object; names field and remedy.
    """
    if _ready(deployment, holdings, now=now):
        url: str | None = _by_id(deployment, holdings, now=now)
    else:
        url = _carrying(deployment, holdings[0], now=now) if len(holdings) == 1 else None
    if url is None:
        return TryAgain(AGAIN, cause="Google does not have every pass yet.")
    _ask_later(deployment, [each.voucher.id for each in holdings], now=now)
    # Google's address, or a stand-in's.
    return SaveAddress(f"{deployment.settings.google_save_url}/{url.removeprefix(google.SAVE_URL)}")


def _ready(deployment: Deployment, holdings: Sequence[Holding], *, now: dt.datetime) -> bool:
    """Wish for the objects, wait a while for them, and return whether they are at Google."""
    with deployment.database.read() as session:
        if all(_is_current(session, each) for each in holdings):
            return True
    with deployment.database.write() as session:
        # Every one is wished for, though the first may settle that they are not all there.
        present = [resources.want(session, deployment, each, now=now) for each in holdings]
    ready = all(present)
    deadline = time.monotonic() + deployment.settings.google_wait_ms / 1000
    while not ready:
        with deployment.database.read() as session:
            ready = _inserted(session, [each.voucher.id for each in holdings])
        if ready or time.monotonic() >= deadline:
            break
        time.sleep(_POLL)
    return ready


def _is_current(session: Session, holding: Holding) -> bool:
    row = session.scalar(select(GoogleObject).where(GoogleObject.voucher_id == holding.voucher.id))
    return (
        row is not None
        and row.status == "inserted"
        and row.has_users is not False
        and resources.shows(session, row, holding)
    )


def _inserted(session: Session, voucher_ids: Sequence[int]) -> bool:
    found = session.scalars(
        select(GoogleObject.voucher_id).where(
            GoogleObject.voucher_id.in_(voucher_ids), GoogleObject.status == "inserted"
        )
    ).all()
    return len(found) == len(set(voucher_ids))


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
    objects = [
        (KINDS[each.campaign.kind].shown_as, resources.ids(deployment, each)) for each in holdings
    ]
    if len(objects) > 1:
        saved = [google.Saved(kind, each.object_id) for kind, each in objects]
        return google.save_links(account, saved, now=now)
    kind, only = objects[0]
    return google.save_link(
        account, kind=kind, object_id=only.object_id, class_id=only.class_id, now=now
    )


def _carrying(deployment: Deployment, holding: Holding, *, now: dt.datetime) -> str | None:
    """Return the link that has the object in it; None for what must not or cannot travel so."""
    resource = resources.object_resource(deployment, holding, now=now)
    try:
        return google.carrying_link(deployment.certificates.account, resource=resource, now=now)
    except ResourceError:
        # A gift card, whose number must not stand in an address; or too long a text.
        return None
