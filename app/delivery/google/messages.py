"""Messages to the holders of an object: three a day may ring, the rest is silent, none comes twice.

Before a message goes out it is noted as perhaps sent; only Google's own copy settles an
unclear answer, so a holder is never told the same thing twice. It does not ring more than three
times in 24 hours and pass, which is Google's limit.

https://developers.google.com/wallet/retail/offers/use-cases/trigger-push-notifications
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.delivery.google.calls import Calls, RateExhausted
from app.delivery.google.rest import Collection, GoogleAnswer, ResourceVerdict
from app.domain.kinds import KINDS
from app.services.deployment import Deployment
from app.services.wallets.google import notices, resources
from app.services.wallets.holdings import Holding
from app.store.models import Campaign, CampaignUpdate, GoogleMessage, GoogleObject
from passes import google
from passes.content import Money
from passes.text import Localized

#: How often a pass may ring in a day.
MOST_A_DAY = 3
#: Messages that Google keeps on a pass; above that, addMessage is refused.
MOST_KEPT = 10
#: Messages that stay when older ones have to go.
KEPT = 4

_DAY = dt.timedelta(hours=24)
#: What Google did not do, for certain: the message may be sent as if never tried.
_UNDONE = frozenset(
    {
        ResourceVerdict.BUSY,
        ResourceVerdict.UNREACHABLE,
        ResourceVerdict.MESSAGE_QUOTA,
        ResourceVerdict.MISSING,
        ResourceVerdict.UNAUTHENTICATED,
        ResourceVerdict.FORBIDDEN,
    }
)


def announce(session: Session, row: GoogleObject, holding: Holding, *, now: dt.datetime) -> None:
    """Wish for messages about what is new to an object since it was last sent.

    Called before the row takes the holding's pair: a gift card's balance that changed is told, and
    so is what the marketer said with the campaign's updates meanwhile.
    """
    campaign, balance = holding.campaign, holding.voucher.balance_minor
    for said in _said(session, row, campaign):
        resources.tell(
            session,
            row.id,
            [
                {
                    "language": language,
                    "header": holding.presentation.in_language(language).title or campaign.name,
                    "body": text,
                }
                for language, text in sorted(
                    said.change["message"].items(),
                    # A database keeps no order of members, and the default comes first.
                    key=lambda each: (each[0] != holding.presentation.default_language, each[0]),
                )
            ],
            message_id=f"{resources.UPDATE_NEWS}{said.id.hex}-{row.id}",
            now=now,
        )
    before, row.sent_balance_minor = row.sent_balance_minor, balance
    money = KINDS[campaign.kind].holds_money and campaign.currency is not None
    if not money or before is None or before == balance or campaign.currency is None:
        return
    texts = notices.texts(holding.presentation, "balance", Money(balance, campaign.currency))
    resources.tell(
        session,
        row.id,
        texts,
        message_id=f"balance-{row.id}-{holding.voucher.version}",
        now=now,
    )


def _said(session: Session, row: GoogleObject, campaign: Campaign) -> list[CampaignUpdate]:
    """Return the updates with a message that were published since the object was last sent."""
    if row.sent_campaign is None or row.sent_campaign == campaign.version:
        return []
    updates = session.scalars(
        select(CampaignUpdate)
        .where(
            CampaignUpdate.campaign_id == campaign.id,
            CampaignUpdate.status == "applied",
            CampaignUpdate.version > row.sent_campaign,
            CampaignUpdate.version <= campaign.version,
        )
        .order_by(CampaignUpdate.version)
    )
    return [each for each in updates if each.change.get("message")]


def send_open(
    calls: Calls, *, row_id: int, collection: Collection, object_id: str
) -> GoogleAnswer | None:
    """Send the open messages of an object whose lease the caller holds, oldest first.

    Returns the answer that stopped it, or None when nothing is open any more.
    """
    deployment = calls.deployment
    while True:
        now = deployment.now()
        with deployment.database.write() as session:
            message = session.scalar(
                select(GoogleMessage)
                .where(
                    GoogleMessage.object_id == row_id,
                    GoogleMessage.status.in_(("wanted", "unclear")),
                )
                .order_by(GoogleMessage.id)
                .limit(1)
            )
            if message is None:
                return None
            if message.status == "wanted" and message.expires_at <= now:
                message.status = "dropped"
                continue
            kept = _kept(session, row_id)
        if message.status == "unclear" or kept >= MOST_KEPT - 1:
            found = calls.paced(lambda: calls.api.get(collection, object_id))
            if not found.ok or found.resource is None:
                return found
            present: Sequence[Mapping[str, Any]] = found.resource.get("messages", ())
            if message.status == "unclear":
                there = any(each.get("id") == message.message_id for each in present)
                _settle(deployment, message.id, "sent" if there else "wanted", now=now)
                continue
            if len(present) >= MOST_KEPT:
                pruned = _prune(calls, collection, object_id, present)
                if not pruned.ok:
                    return pruned
        answer = _send(calls, message, collection, object_id)
        if not answer.ok and answer.verdict is not ResourceVerdict.INVALID:
            return answer


def _prune(
    calls: Calls, collection: Collection, object_id: str, present: Sequence[Mapping[str, Any]]
) -> GoogleAnswer:
    """Leave only the latest messages on a pass that carries as many as Google keeps."""
    latest = [{name: each[name] for name in each if name != "kind"} for each in present[-KEPT:]]
    return calls.paced(lambda: calls.api.patch(collection, object_id, {"messages": latest}))


def _send(
    calls: Calls, message: GoogleMessage, collection: Collection, object_id: str
) -> GoogleAnswer:
    deployment = calls.deployment
    notify = _begin(deployment, message)
    body = _body(message, notify=notify)
    try:
        answer = calls.paced(lambda: calls.api.add_message(collection, object_id, body))
        if answer.verdict is ResourceVerdict.MESSAGE_QUOTA and notify:
            # Google counts by its own clock: what may not ring is said silently.
            silent = _body(message, notify=False)
            answer = calls.paced(lambda: calls.api.add_message(collection, object_id, silent))
            notify = False
    except RateExhausted:
        # The pace let nothing through; nothing was sent.
        _settle(deployment, message.id, "wanted", now=None)
        raise
    now = deployment.now()
    if answer.ok:
        _settle(deployment, message.id, "sent", now=now, notified=notify)
    elif answer.verdict is ResourceVerdict.INVALID:
        _settle(deployment, message.id, "dropped", now=now)
    elif answer.verdict in _UNDONE:
        _settle(deployment, message.id, "wanted", now=None)
    return answer


def _begin(deployment: Deployment, message: GoogleMessage) -> bool:
    """Note that a message is perhaps sent from now on; returns whether it may ring."""
    now = deployment.now()
    with deployment.database.write() as session:
        recent = session.scalar(
            select(func.count())
            .select_from(GoogleMessage)
            .where(
                GoogleMessage.object_id == message.object_id,
                GoogleMessage.notified_at > now - _DAY,
            )
        )
        notify = (recent or 0) < MOST_A_DAY
        row = session.get_one(GoogleMessage, message.id)
        row.status = "unclear"
        row.notified_at = now if notify else None
    return notify


def _settle(
    deployment: Deployment,
    message_id: int,
    status: str,
    *,
    now: dt.datetime | None,
    notified: bool | None = None,
) -> None:
    with deployment.database.write() as session:
        row = session.get_one(GoogleMessage, message_id)
        row.status = status
        if status == "sent":
            row.sent_at = now
            if notified is False:
                row.notified_at = None
        elif status in ("wanted", "dropped"):
            row.notified_at = None


def _kept(session: Session, row_id: int) -> int:
    """Say how many messages Google may keep on the object by now."""
    sent = session.scalar(
        select(func.count())
        .select_from(GoogleMessage)
        .where(GoogleMessage.object_id == row_id, GoogleMessage.status == "sent")
    )
    return sent or 0


def _body(message: GoogleMessage, *, notify: bool) -> dict[str, Any]:
    texts = message.texts
    language = texts[0]["language"]
    headers = {text["language"]: text["header"] for text in texts}
    bodies = {text["language"]: text["body"] for text in texts}
    made = google.message(
        message.message_id,
        header=Localized(headers) if len(headers) > 1 else headers[language],
        body=Localized(bodies) if len(bodies) > 1 else bodies[language],
        language=language,
        notify=notify,
    )
    found: dict[str, Any] = made["message"]
    return found
