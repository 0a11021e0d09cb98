"""What was issued anew or replaced: what it gave up is worth nothing beside what stands for it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from app.domain.ledger import DEAD, REPLACED
from app.services.audit.findings import Finding, voucher_name
from app.services.issuing.living import ALIVE
from app.store.models import Code, Event, Voucher


def given_up(session: Session) -> Iterator[Finding]:
    """A code that was given up has no living voucher, and waits for none.

    Given up is what a row had that was followed by one with another code; a card that replaces
    another keeps its number.
    """
    before, after, other = aliased(Voucher), aliased(Voucher), aliased(Voucher)
    rows = session.execute(
        select(before.public_id, other.public_id, Code.free)
        .join(after, after.id == before.replaced_by_id)
        .join(Code, Code.id == before.code_id)
        .outerjoin(
            other,
            and_(
                other.code_id == before.code_id,
                other.replaced_by_id.is_(None),
                other.status.in_(ALIVE),
            ),
        )
        .where(
            or_(after.code_id.is_(None), after.code_id != before.code_id),
            or_(other.id.is_not(None), Code.free),
        )
    )
    for given, living, free in rows:
        cause = "its code, which is free" if free else f"its code, which {voucher_name(living)} has"
        yield Finding(voucher_name(given), f"gave up {cause}")


def beside(session: Session) -> Iterator[Finding]:
    """No voucher is redeemable beside its replacement, and nothing is replaced by nothing."""
    after = aliased(Voucher)
    rows = session.execute(
        select(
            Voucher.public_id,
            Voucher.status,
            Voucher.used,
            Voucher.held,
            Voucher.balance_minor,
            Voucher.recipient_id,
            after.public_id.label("successor"),
        )
        .outerjoin(after, after.id == Voucher.replaced_by_id)
        .where(
            or_(
                and_(after.id.is_not(None), Voucher.status.not_in([*DEAD, REPLACED])),
                and_(after.id.is_(None), Voucher.status == REPLACED),
                # One way to withdraw took the name for the voucher, which stayed good.
                and_(
                    Voucher.status == "revoked",
                    after.status.in_(ALIVE),
                    ~exists().where(Event.voucher_id == Voucher.id, Event.kind == "issued"),
                ),
                # What a voucher was called before has no books and no holder.
                and_(
                    Voucher.status == REPLACED,
                    or_(
                        Voucher.used != 0,
                        Voucher.held != 0,
                        Voucher.balance_minor != 0,
                        Voucher.recipient_id.is_not(None),
                    ),
                ),
            )
        )
    )
    for row in rows:
        if row.successor is None:
            cause = "is replaced by no voucher"
        elif row.status == "revoked":
            cause = f"was withdrawn, but {voucher_name(row.successor)}, which replaces it, is good"
        elif row.status == REPLACED:
            cause = f"has books of its own beside {voucher_name(row.successor)}"
        else:
            cause = f"is {row.status} beside {voucher_name(row.successor)}, which replaces it"
        yield Finding(voucher_name(row.public_id), cause)
