"""Operators may put so much onto cards in a day, as a campaign says.

What counts is noted in the details of its entry: the day, and for an entry that takes another one
back, whose cap it gives back. So the audit adds the counters up from the ledger alone, whatever
becomes of a store's time zone or a campaign's terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, update
from sqlalchemy.sql.selectable import ExecutableReturnsRows

from app.domain.refusals import Reason
from app.services.tills.attempt import Attempt
from app.services.tills.endings import Undone, refuse
from app.services.tills.tables import OPERATOR_DAY, D, RowId
from app.store.statements import INSERT, Command, Query, by_dialect

#: Names in an entry's details: the day that it counts on, and the operator if it is another's.
DAY = "counted_on"
OPERATOR = "counted_for"


def _give(dialect: str) -> ExecutableReturnsRows:
    return (
        INSERT[dialect](OPERATOR_DAY)
        .values(
            campaign_id=bindparam("campaign_id"),
            operator=bindparam("operator"),
            day=bindparam("day"),
            given_minor=bindparam("amount"),
        )
        .on_conflict_do_update(
            index_elements=[D.campaign_id, D.operator, D.day],
            set_={"given_minor": D.given_minor + bindparam("amount")},
            where=D.given_minor + bindparam("amount") <= bindparam("cap"),
        )
        .returning(D.id)
    )


_GIVE = Query(RowId, by_dialect(_give))
_GIVE_BACK = Command(
    update(OPERATOR_DAY)
    .where(
        D.campaign_id == bindparam("of_campaign"),
        D.operator == bindparam("by_operator"),
        D.day == bindparam("on_day"),
    )
    .values(given_minor=D.given_minor - bindparam("amount"))
)


def count(
    attempt: Attempt, cap: int | None, *, campaign_id: int, currency: str | None, amount: int
) -> dict[str, object]:
    """Count what the operator gives today; returns what the entry's details say of it.

    Raises:
        Undone: nobody is named, or the cap is reached.
    """
    if cap is None or amount <= 0:
        return {}
    operator = attempt.call.origin.operator
    if operator is None:
        raise Undone(refuse(Reason.OPERATOR_REQUIRED))
    day = attempt.call.now.astimezone(ZoneInfo(attempt.where.timezone)).date().isoformat()
    given = amount <= cap and _GIVE.first(
        attempt.connection,
        campaign_id=campaign_id,
        operator=operator,
        day=day,
        amount=amount,
        cap=cap,
    )
    if not given:
        raise Undone(refuse(Reason.OPERATOR_CAP, cap_minor=cap, currency=currency))
    return {DAY: day}


def give_back(
    attempt: Attempt,
    details: Mapping[str, object] | None,
    *,
    campaign_id: int,
    operator: str | None,
    amount: int,
) -> dict[str, object]:
    """Count what an entry gave no more, since it is taken back; returns what the details of the
    entry that does so say.

    Args:
        details, operator: of the entry that is taken back.
    """
    day = (details or {}).get(DAY)
    if day is None:
        return {}
    _GIVE_BACK.run(
        attempt.connection,
        of_campaign=campaign_id,
        by_operator=operator,
        on_day=day,
        amount=amount,
    )
    return {DAY: day, OPERATOR: operator}
