"""Counters guard every limit: each guard is one conditional UPDATE over columns of its own row.

What is held and what is used never pass a limit together, because both are counted by the same
guards, in the same order: vouchers, codes, recipients, budgets, each by its id. Nothing is decided
here: the rules had no objection before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, Update, and_, bindparam, case, cast, or_, update
from sqlalchemy.sql.selectable import ExecutableReturnsRows

from app.domain.refusals import Reason
from app.services.tills.attempt import Attempt
from app.services.tills.decision import VoucherGrant
from app.services.tills.endings import WAIT, Undone, refuse
from app.services.tills.tables import CAMPAIGN, CODE, RECIPIENT_USE, VOUCHER, C, K, RowId, U, V
from app.services.tills.voucher_rows import AFTER, Counters, receipt_seen
from app.store.statements import INSERT, Command, Query, by_dialect

#: How many uses the voucher has, its campaign's override included; NULL is without limit. The
#: caller read it in the same transaction; what is counted against it is the row's own.
_ALLOWED = cast(bindparam("allowed"), Integer)
#: Uses that an override added become the voucher's own when one is taken, so that the row's
#: counters never exceed its limit. Fewer do not: an override may be taken back.
_USES = case((V.uses < _ALLOWED, _ALLOWED), else_=V.uses)
#: By how much a use grows the version: a pass that does not count its uses shows nothing of one.
_COUNTED = case((_ALLOWED.is_(None), 0), else_=1)

_USE = update(VOUCHER).where(
    V.id == bindparam("voucher_id"),
    V.status == bindparam("expected_status"),
    or_(_ALLOWED.is_(None), V.used + V.held < _ALLOWED),
)
_MONEY = update(VOUCHER).where(
    V.id == bindparam("voucher_id"),
    V.status == bindparam("expected_status"),
    V.balance_minor - V.held_minor >= bindparam("amount"),
)
_CODE = update(CODE).where(
    K.id == bindparam("code_id"), or_(K.limit.is_(None), K.used + K.held < K.limit)
)
_BUDGET = update(CAMPAIGN).where(
    C.id == bindparam("campaign_id"),
    or_(C.budget_uses.is_(None), C.used + C.held + bindparam("taken") <= C.budget_uses),
    or_(
        C.budget_minor.is_(None),
        C.used_minor + C.held_minor + bindparam("amount") <= C.budget_minor,
    ),
)


def _recipient(counter: str) -> Query[RowId]:
    """Count a use of a recipient as `used` or `held`, up to `limit`; no row when it is reached."""

    def insert(dialect: str) -> ExecutableReturnsRows:
        return (
            INSERT[dialect](RECIPIENT_USE)
            .values(
                campaign_id=bindparam("campaign_id"),
                recipient_id=bindparam("recipient_id"),
                day=bindparam("day"),
                **{"used": 0, "held": 0, counter: 1},
            )
            .on_conflict_do_update(
                index_elements=[U.campaign_id, U.recipient_id, U.day],
                set_={counter: U[counter] + 1},
                where=U.used + U.held < bindparam("limit"),
            )
            .returning(U.id)
        )

    return Query(RowId, by_dialect(insert))


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """A guard for each counter; a voucher's give no row when it cannot give what is asked."""

    use: Query[Counters]
    money: Query[Counters]
    code: Command
    recipient: Query[RowId]
    budget: Command


def _after(change: Update) -> Query[Counters]:
    return Query(Counters, change.returning(*AFTER))


USED = Guards(
    use=Query(
        Counters,
        _USE.values(
            used=V.used + 1, uses=_USES, version=V.version + _COUNTED, events=V.events + 1
        ).returning(*AFTER, receipt_seen()),
    ),
    money=_after(
        _MONEY.values(
            balance_minor=V.balance_minor - bindparam("amount"),
            version=V.version + 1,
            events=V.events + 1,
        )
    ),
    code=Command(_CODE.values(used=K.used + 1)),
    recipient=_recipient("used"),
    budget=Command(
        _BUDGET.values(
            used=C.used + bindparam("taken"), used_minor=C.used_minor + bindparam("amount")
        )
    ),
)
HELD = Guards(
    use=Query(
        Counters,
        _USE.values(held=V.held + 1, uses=_USES, events=V.events + 1).returning(
            *AFTER, receipt_seen()
        ),
    ),
    money=_after(_MONEY.values(held_minor=V.held_minor + bindparam("amount"), events=V.events + 1)),
    code=Command(_CODE.values(held=K.held + 1)),
    recipient=_recipient("held"),
    budget=Command(
        _BUDGET.values(
            held=C.held + bindparam("taken"), held_minor=C.held_minor + bindparam("amount")
        )
    ),
)

#: Give back what was used, for what is taken back.
GIVE_USE = _after(
    update(VOUCHER)
    .where(V.id == bindparam("voucher_id"), V.used >= 1)
    .values(used=V.used - 1, version=V.version + _COUNTED, events=V.events + 1)
)
GIVE_CODE = Command(
    update(CODE).where(K.id == bindparam("code_id"), K.used >= 1).values(used=K.used - 1)
)
GIVE_RECIPIENT = Command(
    update(RECIPIENT_USE)
    .where(
        U.campaign_id == bindparam("in_campaign"),
        U.recipient_id == bindparam("by_recipient"),
        U.day == bindparam("on_day"),
        U.used >= 1,
    )
    .values(used=U.used - 1)
)
GIVE_BUDGET = Command(
    update(CAMPAIGN)
    .where(C.id == bindparam("campaign_id"))
    .values(used=C.used - bindparam("taken"), used_minor=C.used_minor - bindparam("amount"))
)
#: Give money, or less than nothing; no row when holds would not be covered.
GIVE_MONEY = _after(
    update(VOUCHER)
    .where(
        V.id == bindparam("voucher_id"),
        V.balance_minor + bindparam("amount") >= V.held_minor,
    )
    .values(
        balance_minor=V.balance_minor + bindparam("amount"),
        version=V.version + 1,
        events=V.events + 1,
    )
)
_MOVED = V.balance_minor + bindparam("amount")
#: Change balance and status; no row when the card changed status, or holds would not be covered.
MOVE_MONEY = _after(
    update(VOUCHER)
    .where(
        V.id == bindparam("voucher_id"),
        V.status == bindparam("expected_status"),
        V.held_minor <= _MOVED,
    )
    .values(
        balance_minor=_MOVED,
        status=bindparam("new_status"),
        # Blocking what is blocked shows nothing new.
        version=V.version
        + case(
            (and_(V.status == bindparam("new_status"), V.balance_minor == _MOVED), 0),
            else_=1,
        ),
        events=V.events + 1,
    )
)
#: Count a use that was reported although none was left.
COUNT_CONFLICT = _after(
    update(VOUCHER)
    .where(V.id == bindparam("voucher_id"))
    .values(conflicts=V.conflicts + 1, events=V.events + 1)
)


def take(
    attempt: Attempt, grants: Sequence[VoucherGrant], guards: Guards = USED, *, decided: bool = True
) -> dict[int, Counters]:
    """Count what was granted: all of it or nothing. Returns the counters after, by voucher.

    Args:
        decided: whether the rules were asked, so that a voucher without anything left was taken
            from between the decision and now: it is to be decided again.

    Raises:
        Undone: a counter has nothing left, or another call was first.
    """
    after: dict[int, Counters] = {}
    for grant in sorted(grants, key=lambda grant: grant.voucher_id):
        after[grant.voucher_id] = _on_voucher(attempt, grant, guards, decided=decided)
    for grant in sorted(grants, key=lambda grant: grant.found.row.code_id or 0):
        row = grant.found.row
        if grant.on_code and guards.code.run(attempt.connection, code_id=row.code_id) != 1:
            raise _nothing_left(grant, Reason.LIMIT_REACHED, uses=row.code_limit)
    for grant in sorted(grants, key=_recipient_order):
        _on_recipient(attempt, grant, guards.recipient)
    for grant in sorted(grants, key=lambda grant: grant.found.row.campaign_id):
        if grant.on_budget:
            counted = guards.budget.run(
                attempt.connection,
                campaign_id=grant.found.row.campaign_id,
                taken=grant.uses,
                amount=grant.discount + grant.amount,
            )
            if counted != 1:
                raise _nothing_left(grant, Reason.BUDGET_EXHAUSTED)
    return after


def _recipient_order(grant: VoucherGrant) -> tuple[int, int]:
    row = grant.found.row
    return row.recipient_id or 0, row.campaign_id


def _on_voucher(
    attempt: Attempt, grant: VoucherGrant, guards: Guards, *, decided: bool
) -> Counters:
    row, standing = grant.found.row, grant.found.standing
    if standing.holds_money:
        after = guards.money.first(
            attempt.connection,
            voucher_id=grant.voucher_id,
            expected_status=row.status,
            amount=grant.amount,
        )
    else:
        after = guards.use.first(
            attempt.connection,
            voucher_id=grant.voucher_id,
            expected_status=row.status,
            allowed=standing.uses,
            receipt=attempt.call.origin.receipt,
            store_id=attempt.where.store_id,
        )
        if after is not None and after.receipt_seen and not row.receipt_seen:
            # The receipt got a coupon between the decision and now: decide again.
            raise Undone(WAIT)
    if after is None:
        # Another was first, since the rules had no objection: what became of the voucher, redeemed,
        # held or blocked, is known when it is read again.
        raise Undone(WAIT) if decided else _nothing_left(grant, Reason.LIMIT_REACHED)
    return after


def _on_recipient(attempt: Attempt, grant: VoucherGrant, guard: Query[RowId]) -> None:
    row, terms = grant.found.row, grant.found.terms
    limits = []
    if grant.on_recipient:
        limits.append(("", terms.uses_per_recipient))
    if grant.on_day is not None:
        limits.append((grant.on_day, terms.uses_per_day))
    for day, limit in limits:
        # A limit of none at all would let the first row in, which has nothing to compare with.
        counted = limit and guard.first(
            attempt.connection,
            campaign_id=row.campaign_id,
            recipient_id=row.recipient_id,
            day=day,
            limit=limit,
        )
        if not counted:
            raise _nothing_left(grant, Reason.CUSTOMER_LIMIT_REACHED, uses=limit)


def _nothing_left(grant: VoucherGrant, reason: Reason, **details: object) -> Undone:
    return Undone(refuse(reason, grant.found, item=grant.item, **details))
