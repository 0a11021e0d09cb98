"""Redemptions are taken back: by their id, by the key of the call that made them, or in part.

What of a call was taken back before stays so, the rest is given back; a card's load or activation
is undone on the spot or not at all, and so is a refund, for a till that never heard whether it was
made; a correction or a block is refused, never silently kept. A key that was never seen gets a
tombstone, so that the original, should it still arrive, is refused. How what comes back is counted
and booked is `returns`' business alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import bindparam, func, select

from app.domain import ledger
from app.domain.ledger import RETURNS, EntryKind, HoldStatus
from app.domain.refusals import Reason
from app.services.tills import answers, holds, lookup, returns
from app.services.tills.attempt import Attempt
from app.services.tills.endings import Again, RefusedCall, refuse
from app.services.tills.holds import READ_HOLD
from app.services.tills.requests import Answer, CardAction, Refund, Reversal
from app.services.tills.returns import UNDOES, EntryRow, Return, Returned
from app.services.tills.tables import CAMPAIGN, ENTRY, STORE, VOUCHER, C, E, LineId, S, V
from app.services.tills.voucher_rows import LOCK_VOUCHER
from app.store.statements import Query


class _SumRow(NamedTuple):
    minor: int


class _AtRow(NamedTuple):
    created_at: dt.datetime


class _UndoneRow(NamedTuple):
    details: Mapping[str, object] | None
    created_at: dt.datetime


_READ_ENTRIES = Query(
    EntryRow,
    select(
        *(E[name] for name in EntryRow._fields[: EntryRow._fields.index("public_id")]),
        V.public_id,
        V.revision_id,
        V.recipient_id,
        V.status,
        V.uses.label("voucher_uses"),
        V.ends_at,
        C.key.label("campaign_key"),
        C.name.label("campaign_name"),
        C.kind.label("campaign_kind"),
        C.currency.label("campaign_currency"),
        C.source.label("campaign_source"),
        C.override,
        C.override_forced,
        S.timezone.label("store_timezone"),
    )
    .select_from(
        ENTRY.join(VOUCHER, V.id == E.voucher_id)
        .join(CAMPAIGN, C.id == E.campaign_id)
        .outerjoin(STORE, S.id == E.store_id)
    )
    .where(
        E.id.in_(bindparam("ids", expanding=True)),
        E.kind.in_([EntryKind.REDEMPTION, EntryKind.LOAD, EntryKind.ACTIVATE, EntryKind.REFUND]),
    ),
)
#: What of an entry was given back already, in minor units.
_READ_RETURNED = Query(
    _SumRow,
    select(func.coalesce(func.sum(E.amount_minor), 0).label("minor")).where(
        E.refers_to_id == bindparam("entry_id"), E.kind.in_(list(RETURNS))
    ),
)
#: Whether an entry was taken back, and when last.
_READ_RETURN = Query(
    _AtRow,
    select(E.created_at)
    .where(E.refers_to_id == bindparam("entry_id"), E.kind.in_(list(RETURNS)))
    .order_by(E.created_at.desc())
    .limit(1),
)
#: Refunds of a redemption that were undone: which, and when.
_READ_UNDONE = Query(
    _UndoneRow,
    select(E.details, E.created_at).where(
        E.refers_to_id == bindparam("entry_id"),
        E.kind == EntryKind.REFUND,
        E.amount_minor < 0,
    ),
)
#: What was captured of holds; the vouchers are named because the ledger is searched by them.
_READ_CAPTURED = Query(
    LineId,
    select(E.id).where(
        E.voucher_id.in_(bindparam("vouchers", expanding=True)),
        E.hold_id.in_(bindparam("holds", expanding=True)),
        E.kind == EntryKind.REDEMPTION,
    ),
)


@dataclass(frozen=True, slots=True)
class _Made:
    """What a call that is taken back made, as its kept answer says."""

    accepted: bool
    refund: UUID | None
    holds: list[UUID]
    entries: list[UUID]


def reverse(attempt: Attempt, asked: Reversal) -> Answer | RefusedCall | Again:
    """Take back one redemption, or all that a call took.

    Raises:
        Undone: as `returns.take_back`, or another call settled a hold meanwhile.
    """
    other = None if asked.key is None else attempt.name_of(asked.key)
    if (ending := attempt.claim(other)) is not None:
        return ending
    if asked.key is None:
        ids = [] if asked.redemption_id is None else [asked.redemption_id]
        return _answer(attempt, _take_back(attempt, ids, because=asked.because))
    original = attempt.record(asked.key)
    if original is None or original.status == 0:
        return _before_original(attempt, asked.key, fresh=original is None)
    made = _made(original.body)
    if made.refund is not None:
        return _answer(attempt, _undo_refund(attempt, made.refund, because=asked.because))
    if made.accepted and not made.holds and not made.entries:
        return refuse(Reason.NOT_REVERSIBLE)
    ids = made.entries + _void(attempt, made.holds)
    if not ids:
        return _answer(attempt, [])
    return _answer(attempt, _take_back(attempt, ids, because=asked.because))


def refund(attempt: Attempt, asked: Refund) -> Answer | RefusedCall | Again:
    """Give money of a redemption back to its card, or to the one that replaces it.

    Raises:
        Undone: as `returns.take_back`.
    """
    if (ending := attempt.claim(attempt.receipt_hash)) is not None:
        return ending
    row = next(iter(entries(attempt, [asked.redemption_id])), None)
    if row is None or row.kind != EntryKind.REDEMPTION or row.amount_minor >= 0:
        return refuse(Reason.UNKNOWN_REDEMPTION)
    if asked.currency is not None and asked.currency != row.currency:
        return refuse(Reason.CURRENCY_MISMATCH, currency=row.currency)
    terms = attempt.memory.terms_of(attempt.connection, row.revision_id)
    if way_back(attempt, row, refund_days=terms.refund_days, refund=True) is None:
        return refuse(Reason.REVERSAL_WINDOW_CLOSED)
    left, _ = left_of(attempt, row)
    amount = left if asked.amount_minor is None else asked.amount_minor
    if left == 0:
        return refuse(Reason.ALREADY_REVERSED)
    if amount > left:
        return refuse(Reason.REFUND_OVER_REDEMPTION, left_minor=left, currency=row.currency)
    made = Return(row=row, kind=EntryKind.REFUND, minor=amount, stands=amount < left)
    (done,) = returns.take_back(attempt, [made], because=asked.because)
    return attempt.answer(
        {
            "outcome": "accepted",
            "refund_id": str(made.id),
            "redemption_id": str(row.id),
            "returned_minor": amount,
            "left_minor": left - amount,
            "replaced_by": done["replaced_by"],
            "voucher": done["voucher"],
        }
    )


def entries(attempt: Attempt, ids: Sequence[UUID]) -> list[EntryRow]:
    """The entries of these ids that may be taken back and that the API key may touch."""
    found = _READ_ENTRIES.all(attempt.connection, ids=list(ids))
    return [row for row in found if attempt.call.client.may_touch(row.campaign_key)]


def left_of(attempt: Attempt, row: EntryRow) -> tuple[int, dt.datetime | None]:
    """What of an entry was not given back yet, in minor units, and when something was last.

    Locks the voucher's row first, so that of two calls one sees the other.
    """
    LOCK_VOUCHER.one(attempt.connection, voucher_id=row.voucher_id)
    returned = _READ_RETURNED.one(attempt.connection, entry_id=row.id).minor
    last = _READ_RETURN.first(attempt.connection, entry_id=row.id)
    return -row.amount_minor - int(returned), None if last is None else last.created_at


def way_back(
    attempt: Attempt, row: EntryRow, *, refund_days: int, refund: bool = False
) -> EntryKind | None:
    """How an entry can be taken back now: undone by the till that made it on the same day, else
    refunded within the days; None when it is too late.

    Args:
        refund: whether it is to be a refund, whoever made it and when.
    """
    same_till = (row.api_key_id, row.store_id, row.terminal_id) == (
        attempt.call.client.id,
        attempt.where.store_id,
        attempt.where.terminal_id,
    )
    return ledger.taking_back(
        row.created_at,
        same_till=same_till and not refund,
        zone=ZoneInfo(row.store_timezone or "UTC"),
        refund_days=refund_days,
        now=attempt.call.now,
    )


def _take_back(
    attempt: Attempt, ids: Sequence[UUID], *, because: str | None
) -> list[Returned] | RefusedCall:
    rows = [row for row in entries(attempt, ids) if row.kind != EntryKind.REFUND]
    if not rows:
        return refuse(Reason.UNKNOWN_REDEMPTION)
    decided = _decided(attempt, sorted(rows, key=lambda row: (row.voucher_id, row.created_at)))
    if isinstance(decided, RefusedCall):
        return decided
    return returns.take_back(attempt, decided, because=because)


def _decided(attempt: Attempt, rows: Sequence[EntryRow]) -> list[Return] | RefusedCall:
    """How each entry is taken back that was not yet, or why not."""
    decided: list[Return] = []
    earlier: list[dt.datetime] = []
    for row in rows:
        left, at = left_of(attempt, row)
        if at is not None and (row.uses or left == 0):
            earlier.append(at)
            continue
        terms = attempt.memory.terms_of(attempt.connection, row.revision_id)
        kind = way_back(attempt, row, refund_days=terms.refund_days)
        # What was loaded is undone on the spot or not at all: afterwards it may be spent.
        loaded = row.kind != EntryKind.REDEMPTION
        if kind is None or (loaded and kind is not EntryKind.REVERSAL):
            return refuse(Reason.REVERSAL_WINDOW_CLOSED)
        # Money comes onto a card by somebody, here as by a refund.
        if kind is EntryKind.REFUND and left > 0 and attempt.call.origin.operator is None:
            return refuse(Reason.OPERATOR_REQUIRED)
        decided.append(Return(row=row, kind=kind, minor=left, whole=True))
    return decided or refuse(Reason.ALREADY_REVERSED, at=max(earlier).isoformat())


def _void(attempt: Attempt, ids: Sequence[UUID]) -> list[UUID]:
    """Release the holds of a call that is taken back, as far as they are still open.

    Returns the redemptions that they were captured by, whoever captured them.
    """
    if not ids:
        return []
    connection = attempt.connection
    vouchers = sorted({READ_HOLD.one(connection, hold_id=each).voucher_id for each in ids})
    for voucher_id in vouchers:
        LOCK_VOUCHER.one(connection, voucher_id=voucher_id)
    for each in ids:
        # Read again under the lock: somebody may have settled it meanwhile.
        hold = READ_HOLD.one(connection, hold_id=each)
        if hold.status == HoldStatus.OPEN:
            holds.release(attempt, hold, status=HoldStatus.VOIDED)
    captured = _READ_CAPTURED.all(connection, vouchers=vouchers, holds=list(ids))
    return [row.id for row in captured]


def _before_original(attempt: Attempt, key: str, *, fresh: bool) -> Answer:
    """Answer a reversal that came before the call it takes back, and leave its tombstone."""
    if fresh:
        late = refuse(Reason.ALREADY_REVERSED, at=attempt.call.now.isoformat())
        attempt.bury(key, answers.refusal(attempt, late))
    return attempt.answer({"outcome": "accepted", "reversals": [], "before_original": True})


def _answer(
    attempt: Attempt, done: list[Returned] | RefusedCall | Again
) -> Answer | RefusedCall | Again:
    if not isinstance(done, list):
        return done
    return attempt.answer({"outcome": "accepted", "reversals": done, "before_original": False})


def _made(body: str) -> _Made:
    made = orjson.loads(body)
    entries = [UUID(part["redemption_id"]) for part in made.get("redemptions", [])]
    if made.get("action") in (CardAction.LOAD, CardAction.ACTIVATE):
        entries.append(UUID(made["entry_id"]))
    return _Made(
        accepted=made["outcome"] == "accepted",
        refund=UUID(made["refund_id"]) if "refund_id" in made else None,
        holds=[UUID(part["hold_id"]) for part in made.get("holds", [])],
        entries=entries,
    )


def _undo_refund(
    attempt: Attempt, refund_id: UUID, *, because: str | None
) -> list[Returned] | RefusedCall | Again:
    """Take a refund back; the caller has claimed the keys.

    Raises:
        Undone: the money was spent, or the budget was.
    """
    row = next(iter(entries(attempt, [refund_id])), None)
    if row is None or row.refers_to_id is None:
        return refuse(Reason.UNKNOWN_REDEMPTION)
    LOCK_VOUCHER.one(attempt.connection, voucher_id=row.voucher_id)
    # What lapsed holds set aside is there to be taken.
    if (first := lookup.lapsed(attempt, row.voucher_id)) is not None:
        return first
    if (at := _undone_at(attempt, row)) is not None:
        return refuse(Reason.ALREADY_REVERSED, at=at.isoformat())
    if way_back(attempt, row, refund_days=0) is not EntryKind.REVERSAL:
        return refuse(Reason.REVERSAL_WINDOW_CLOSED)
    (redemption,) = entries(attempt, [row.refers_to_id])
    made = Return(
        row=row,
        kind=EntryKind.REVERSAL,
        minor=-row.amount_minor,
        stands=True,
        refunded=redemption,
    )
    return returns.take_back(attempt, [made], because=because)


def _undone_at(attempt: Attempt, row: EntryRow) -> dt.datetime | None:
    for undone in _READ_UNDONE.all(attempt.connection, entry_id=row.refers_to_id):
        if undone.details is not None and undone.details[UNDOES] == str(row.id):
            return undone.created_at
    return None
