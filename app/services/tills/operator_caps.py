"""Caps on what one operator may put onto cards in a day, as a campaign says.

What counts is noted in the details of its entry: the day, and for an entry that takes another one
back, whose cap it gives back. So the audit adds the counters up from the ledger alone, whatever
becomes of a store's time zone or a campaign's terms.
"""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from app.domain.refusals import Reason, Refused
from app.services.tills.attempt import Call, No
from app.services.tills.sql import holds as sql

#: Names in an entry's details: the day that it counts on, and the operator if it is another's.
DAY = "counted_on"
OPERATOR = "counted_for"


class Caps:
    """Counts what operators give, for one deployment."""

    def __init__(self, *, postgresql: bool) -> None:
        self._postgresql = postgresql

    def count(
        self, connection: Connection, call: Call, cap: int | None, row: Any, amount: int
    ) -> dict[str, str]:
        """Count what the operator gives today; returns what the entry's details say of it.

        Raises:
            No: nobody is named, or the cap is reached.
        """
        if cap is None or amount <= 0:
            return {}
        if call.origin.operator is None:
            raise No(Refused(reason=Reason.OPERATOR_REQUIRED))
        day = call.now.astimezone(ZoneInfo(call.where.timezone)).date().isoformat()
        bind = {
            "campaign_id": row.campaign_id,
            "operator": call.origin.operator,
            "day": day,
            "amount": amount,
            "cap": cap,
        }
        if (
            amount > cap
            or connection.execute(sql.GIVE_BY_OPERATOR[self._postgresql], bind).first() is None
        ):
            details = {"cap_minor": cap, "currency": row.currency}
            raise No(Refused(reason=Reason.OPERATOR_CAP, details=details))
        return {DAY: day}

    def give_back(self, connection: Connection, row: Any) -> dict[str, str]:
        """Count what an entry gave no more, since it is taken back; returns what the details of
        the entry that does so say. `row` is of READ_ENTRIES.
        """
        day = (row.details or {}).get(DAY)
        if day is None:
            return {}
        connection.execute(
            sql.UNGIVE_BY_OPERATOR,
            {
                "of_campaign": row.campaign_id,
                "by_operator": row.operator,
                "on_day": day,
                "amount": row.amount_minor,
            },
        )
        return {DAY: day, OPERATOR: row.operator}
