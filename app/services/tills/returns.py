"""What comes back: one face for undo, refund, the undo of a refund, and replacement.

`take_back` gives back every counter that an entry took, and no other, or takes again what a refund
gave. Money that comes back to a card that is no more goes to its replacement; it comes onto a card
by somebody, within the operator's cap; the campaign's budget and what baskets count as revenue
follow. All of it happens, or nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict
from uuid import UUID

from sqlalchemy import bindparam, select

from app.domain.ledger import EntryKind
from app.domain.refusals import Reason
from app.services.tills import answers, baskets, counters, operator_caps, replacements
from app.services.tills.attempt import Attempt
from app.services.tills.endings import Undone, refuse
from app.services.tills.lines import NewEntry, NewEvent
from app.services.tills.replacements import Moved
from app.services.tills.tables import E
from app.services.tills.voucher_rows import LOCK_VOUCHER, Counters, overridden
from app.store.models import new_id
from app.store.statements import Query

#: Name in the details of the entry that undoes a refund: which one.
UNDOES = "undoes"


class EntryRow(NamedTuple):
    """An entry that may be taken back, with its voucher and campaign; money in minor units."""

    id: UUID
    voucher_id: int
    campaign_id: int
    code_id: int | None
    kind: str
    uses: int
    amount_minor: int
    currency: str | None
    basket_id: UUID | None
    basket_minor: int | None
    discount_minor: int
    on_code: bool
    on_budget: bool
    on_recipient: bool
    on_day: str | None
    refers_to_id: UUID | None
    store_id: int | None
    terminal_id: int | None
    api_key_id: int | None
    operator: str | None
    details: Mapping[str, object] | None
    created_at: dt.datetime
    public_id: int
    revision_id: int
    recipient_id: int | None
    status: str
    voucher_uses: int | None
    ends_at: dt.datetime | None
    campaign_key: str
    campaign_name: str
    campaign_kind: str
    campaign_currency: str | None
    campaign_source: str
    override: Mapping[str, object] | None
    override_forced: bool | None
    store_timezone: str | None


class _VoucherRow(NamedTuple):
    voucher_id: int


#: The card that a refund's money was moved to, if its own was no more.
_READ_MOVED = Query(
    _VoucherRow,
    select(E.voucher_id).where(
        E.refers_to_id == bindparam("entry_id"),
        E.kind == EntryKind.TRANSFER,
        E.amount_minor > 0,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """An entry that is taken back, decided before anything is written."""

    row: EntryRow
    #: An undo on the spot, or a refund.
    kind: EntryKind
    #: What the balance changes by, in minor units.
    minor: int
    #: Whether all that was left is given back by a reversal, the discount included.
    whole: bool = False
    #: Whether anything of the redemption is left afterwards.
    stands: bool = False
    #: The redemption whose refund is taken back, when it is one.
    refunded: EntryRow | None = None
    #: Of the entry that takes it back.
    id: UUID = field(default_factory=new_id)

    @property
    def booked_as(self) -> EntryKind:
        """The new entry's kind: of a refund that is undone, less was refunded than before."""
        return self.kind if self.refunded is None else EntryKind.REFUND

    @property
    def refers_to_id(self) -> UUID:
        """The redemption, load or activation that less or nothing is left of."""
        return self.row.id if self.refunded is None else self.refunded.id


class Returned(TypedDict):
    """What became of a `Return`, as tills are told."""

    redemption_id: str
    reversal_id: str
    kind: str
    returned_minor: int | None
    #: Serial of the card that has the money now, when the voucher is no more.
    replaced_by: str | None
    #: The voucher as it is now.
    voucher: Mapping[str, object]


def take_back(
    attempt: Attempt, returns: Sequence[Return], *, because: str | None
) -> list[Returned]:
    """Take entries back, in order; their vouchers' rows are locked.

    Counters are given back in the order in which they are taken: vouchers, codes, recipients,
    budgets, so that two calls never wait for each other.

    Raises:
        Undone: the money was spent, or an operator's cap or a budget is against it.
    """
    back = [_move_back(attempt, made) for made in returns]
    after = [_give_voucher(attempt, made) for made in returns]
    moved = [_move_on(attempt, made) for made in returns]
    in_baskets = baskets.Returns(attempt.connection)
    told = [in_baskets.told(made.refunded or made.row, stands=made.stands) for made in returns]
    counted = [_count_operator(attempt, made) for made in returns]
    _give_others(attempt, returns)
    done = [
        Returned(
            redemption_id=str(made.refers_to_id),
            reversal_id=str(made.id),
            kind="undo" if made.kind is EntryKind.REVERSAL else "refund",
            returned_minor=made.minor or None,
            replaced_by=to.serial if to else None,
            voucher=answers.settled(made.row, to.left if to else left),
        )
        for made, left, to in zip(returns, after, moved, strict=True)
    ]
    for made, left, before, basket, details in zip(
        returns, after, back, told, counted, strict=True
    ):
        entry = _entry(attempt, made, left, details, because=because)
        attempt.book(entry, *(before.lines if before else ()))
        attempt.book(_event(attempt, made, left, basket))
        attempt.changed.append(made.row.voucher_id)
    for to in moved:
        attempt.book(*(to.lines if to else ()))
    return done


def _entry(
    attempt: Attempt,
    made: Return,
    after: Counters,
    details: dict[str, object],
    *,
    because: str | None,
) -> NewEntry:
    row = made.row
    undoes: dict[str, object] = {UNDOES: str(row.id)} if made.refunded else {}
    return attempt.entry(
        made.booked_as,
        id=made.id,
        voucher_id=row.voucher_id,
        campaign_id=row.campaign_id,
        code_id=row.code_id,
        after=after,
        uses=-row.uses,
        amount_minor=made.minor,
        currency=row.currency,
        discount_minor=-row.discount_minor,
        on_code=row.on_code,
        on_budget=row.on_budget,
        on_recipient=row.on_recipient,
        on_day=row.on_day,
        refers_to_id=made.refers_to_id,
        reason=because,
        details={**undoes, **details} or None,
    )


def _event(attempt: Attempt, made: Return, after: Counters, basket: dict[str, object]) -> NewEvent:
    row = made.row
    data: dict[str, object] = {"amount_minor": made.minor}
    if made.whole:
        data["discount_minor"] = row.discount_minor
    return attempt.event(
        "reversed" if made.booked_as is EntryKind.REVERSAL else "refunded",
        voucher_id=row.voucher_id,
        campaign_id=row.campaign_id,
        number=after.events,
        entry_id=made.id,
        data=data | basket,
    )


def _move_back(attempt: Attempt, made: Return) -> Moved | None:
    """Bring a refund's money back to its card from the one it was moved to."""
    if made.refunded is None:
        return None
    moved = _READ_MOVED.first(attempt.connection, entry_id=made.row.id)
    if moved is None:
        return None
    card = LOCK_VOUCHER.one(attempt.connection, voucher_id=made.row.voucher_id)
    return replacements.move_back(attempt, card, moved.voucher_id, -made.minor, because_of=made.id)


def _move_on(attempt: Attempt, made: Return) -> Moved | None:
    """Let money that came back to a card that is no more go to its replacement."""
    if made.minor <= 0:
        return None
    return replacements.move_from_dead(attempt, made.row.voucher_id, made.minor, because_of=made.id)


def _give_voucher(attempt: Attempt, made: Return) -> Counters:
    row, connection = made.row, attempt.connection
    if row.uses:
        allowed, _ = overridden(row, row.voucher_uses)
        after = counters.GIVE_USE.first(connection, voucher_id=row.voucher_id, allowed=allowed)
    elif row.kind == EntryKind.ACTIVATE:
        # Until it is activated again it is what it was before: worth nothing at a till.
        last = answers.LAST_USE.first(connection, voucher_id=row.voucher_id)
        after = counters.MOVE_MONEY.first(
            connection,
            voucher_id=row.voucher_id,
            amount=made.minor,
            expected_status="active",
            new_status="pending",
        )
        used = last is not None and last.created_at >= row.created_at
        if used or (after is None and row.status != "active"):
            raise Undone(refuse(Reason.NOT_REVERSIBLE))
    else:
        after = counters.GIVE_MONEY.first(connection, voucher_id=row.voucher_id, amount=made.minor)
    if after is None and made.minor < 0:
        raise Undone(refuse(Reason.INSUFFICIENT_BALANCE, currency=row.currency))
    if after is None:
        # Nothing is counted any more, so that it was taken back by somebody else.
        raise Undone(refuse(Reason.ALREADY_REVERSED))
    return after


def _count_operator(attempt: Attempt, made: Return) -> dict[str, object]:
    """Count money that comes onto a card by somebody, and no more what was loaded or refunded."""
    row = made.row
    if row.kind != EntryKind.REDEMPTION:
        return operator_caps.give_back(
            attempt,
            row.details,
            campaign_id=row.campaign_id,
            operator=row.operator,
            amount=row.amount_minor,
        )
    if made.kind is not EntryKind.REFUND:
        return {}
    terms = attempt.memory.terms_of(attempt.connection, row.revision_id)
    return operator_caps.count(
        attempt,
        terms.operator_cap_minor,
        campaign_id=row.campaign_id,
        currency=row.currency,
        amount=made.minor,
    )


def _give_others(attempt: Attempt, returns: Sequence[Return]) -> None:
    connection = attempt.connection

    def by(key: Callable[[EntryRow], tuple[int, ...]]) -> list[Return]:
        return sorted(returns, key=lambda each: key(each.row))

    for made in by(lambda row: (row.code_id or 0,)):
        if made.row.on_code:
            counters.GIVE_CODE.run(connection, code_id=made.row.code_id)
    for made in by(lambda row: (row.recipient_id or 0, row.campaign_id)):
        row = made.row
        days = ([""] if row.on_recipient else []) + ([row.on_day] if row.on_day else [])
        for day in days:
            counters.GIVE_RECIPIENT.run(
                connection,
                in_campaign=row.campaign_id,
                by_recipient=row.recipient_id,
                on_day=day,
            )
    for made in by(lambda row: (row.campaign_id,)):
        if made.row.on_budget:
            _give_budget(attempt, made)


def _give_budget(attempt: Attempt, made: Return) -> None:
    row = made.row
    if made.refunded is None:
        counters.GIVE_BUDGET.run(
            attempt.connection,
            campaign_id=row.campaign_id,
            taken=row.uses,
            amount=row.discount_minor + made.minor,
        )
        return
    # What a refund gave back to the budget may have been spent since.
    taken = counters.USED.budget.run(
        attempt.connection, campaign_id=row.campaign_id, taken=0, amount=-made.minor
    )
    if taken != 1:
        raise Undone(refuse(Reason.BUDGET_EXHAUSTED))
