"""Lists of people: who redeemed and who did not, with what is known of them and what they got.

Pages are read one by one in transactions of their own, so that a list of a million neither fills
the memory nor holds a transaction open; a voucher that changes meanwhile shows its state when its
page was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain import codes
from app.domain.funnel import Stage
from app.store.keyring import Keyring
from app.store.models import (
    Campaign,
    Code,
    Decision,
    Entry,
    Milestone,
    Recipient,
    Store,
    Voucher,
)
from app.store.session import Database

PAGE = 1_000
#: Entries that take something from a voucher, or give it back.
_TAKING = ("redemption", "report", "capture", "reversal", "refund")
LISTS = ("all", "redeemers", "non_redeemers", "holdout")


def people(
    database: Database, campaign_id: int, *, which: str = "all", keyring: Keyring | None = None
) -> Iterator[dict[str, Any]]:
    """Vouchers of a campaign with their holders, in the order of issue.

    Args:
        which: one of `LISTS`. Redeemers have used something and not had all of it taken back.
        keyring: given, each row has its code in clear; the caller has asked for the scope and
            recorded the disclosure.
    """
    after = 0
    while True:
        with database.read() as session:
            page = (
                _held_out(session, campaign_id, after=after)
                if which == "holdout"
                else _page(session, campaign_id, which=which, after=after, keyring=keyring)
            )
        yield from (row for _, row in page)
        if len(page) < PAGE:
            return
        after = page[-1][0]


def _page(
    session: Session, campaign_id: int, *, which: str, after: int, keyring: Keyring | None
) -> list[tuple[int, dict[str, Any]]]:
    statement = (
        select(
            Voucher,
            Recipient,
            Milestone.stages,
            Decision.tier,
            Decision.variant.label("arm"),
            Decision.segment.label("segment_then"),
            Code,
            Campaign.kind,
        )
        .join(Campaign, Campaign.id == Voucher.campaign_id)
        .outerjoin(Recipient, Recipient.id == Voucher.recipient_id)
        .outerjoin(Milestone, Milestone.voucher_id == Voucher.id)
        .outerjoin(Decision, Decision.voucher_id == Voucher.id)
        .outerjoin(Code, Code.id == Voucher.code_id)
        .where(Voucher.campaign_id == campaign_id, Voucher.id > after)
        .order_by(Voucher.id)
        .limit(PAGE)
    )
    if which != "all":
        net = _taken(Voucher.id)
        statement = statement.where(net > 0 if which == "redeemers" else net == 0)
    rows = session.execute(statement).all()
    used = _uses(session, [row.Voucher.id for row in rows])
    return [(row.Voucher.id, _described(row, used, keyring)) for row in rows]


def _taken(voucher_id: Any) -> Any:
    """Uses and money that were taken from a voucher and not taken back."""
    return (
        select(
            func.coalesce(func.sum(Entry.uses), 0) - func.coalesce(func.sum(Entry.amount_minor), 0)
        )
        .where(
            Entry.voucher_id == voucher_id,
            Entry.kind.in_(_TAKING),
        )
        .correlate(Voucher)
        .scalar_subquery()
    )


def _uses(session: Session, vouchers: list[int]) -> dict[int, dict[str, Any]]:
    """What was taken from each voucher, when and where it began."""
    found: dict[int, dict[str, Any]] = {}
    for at in range(0, len(vouchers), 500):
        rows = session.execute(
            select(
                Entry.voucher_id,
                Entry.kind,
                Entry.created_at,
                Entry.uses,
                Entry.amount_minor,
                Entry.discount_minor,
                Store.key,
            )
            .outerjoin(Store, Store.id == Entry.store_id)
            .where(
                Entry.voucher_id.in_(vouchers[at : at + 500]),
                Entry.kind.in_(_TAKING),
            )
            .order_by(Entry.created_at, Entry.id)
        )
        for row in rows:
            use = found.setdefault(
                row.voucher_id,
                {"first_at": row.created_at, "store": row.key, "discount": 0, "spent": 0},
            )
            use["discount"] += row.discount_minor
            use["spent"] -= row.amount_minor
    return found


def _described(
    row: Any, used: dict[int, dict[str, Any]], keyring: Keyring | None
) -> dict[str, Any]:
    voucher: Voucher = row.Voucher
    recipient: Recipient | None = row.Recipient
    use = used.get(voucher.id)
    described: dict[str, Any] = {
        "external_id": recipient.external_id if recipient else None,
        "occasion": voucher.occasion,
        "serial": codes.serial(voucher.public_id),
        "issued_at": voucher.issued_at.isoformat(),
        "ends_at": voucher.ends_at.isoformat() if voucher.ends_at else None,
        "status": voucher.status,
        "variant": row.arm or voucher.variant or "",
        "tier": row.tier or "",
        "segment": row.segment_then or (recipient.segment if recipient else None) or "",
        "stages": [stage.value for stage in Stage if (row.stages or 0) & stage.bit],
        "used": voucher.used,
        "balance_minor": voucher.balance_minor,
        "redeemed_at": use["first_at"].isoformat() if use else None,
        "store": use["store"] if use else None,
        "discount_minor": use["discount"] if use else 0,
        "spent_minor": use["spent"] if use else 0,
        "code_ends_in": row.Code.hint if row.Code is not None else None,
        "language": recipient.language if recipient else None,
        "score": recipient.score if recipient else None,
        "attributes": recipient.attributes if recipient else {},
    }
    if keyring is not None:
        code: Code | None = row.Code
        described["code"] = (
            keyring.open(code.sealed, row=code.lookup, key_id=code.key_id) if code else None
        )
    return described


def _held_out(
    session: Session, campaign_id: int, *, after: int
) -> list[tuple[int, dict[str, Any]]]:
    rows = session.execute(
        select(Decision, Recipient)
        .join(Recipient, Recipient.id == Decision.recipient_id)
        .where(Decision.campaign_id == campaign_id, Decision.held_out, Decision.id > after)
        .order_by(Decision.id)
        .limit(PAGE)
    ).all()
    return [
        (
            row.Decision.id,
            {
                "external_id": row.Recipient.external_id,
                "occasion": row.Decision.occasion,
                "decided_at": row.Decision.created_at.isoformat(),
                "tier": row.Decision.tier,
                "segment": row.Decision.segment,
                "acted_at": row.Decision.acted_at.isoformat() if row.Decision.acted_at else None,
                "bought_minor": row.Decision.spent_minor,
                "attributes": row.Recipient.attributes,
            },
        )
        for row in rows
    ]
