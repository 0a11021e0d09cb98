"""How fast a limited service may be called, agreed between all workers on all machines.

Whoever reserves gets its own moments, in order, at the agreed rate; one conditional
UPDATE of one row decides, and no lock is held while anybody waits. What can wait takes only what
was left over (`take_spare`), and never the last of it, so that an urgent call goes at once.
It does not reserve so far ahead that an urgent call would queue behind idle plans; the caller asks
again later instead.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import Case, case, insert, literal, update
from sqlalchemy.exc import IntegrityError

from app.store.models import Pace
from app.store.session import Database


@dataclass(frozen=True, slots=True)
class Slots:
    """Reserved moments: the first call may go at ``first``, each further one ``interval`` later."""

    first: dt.datetime
    interval: dt.timedelta
    count: int

    def at(self, number: int) -> dt.datetime:
        """The moment of the call with this number, counted from 0."""
        return self.first + self.interval * number


class SharedPace:
    """The pace of one service, by ``name``.

    ``rate`` is calls per second over all workers; ``burst`` is how many calls may go at once after
    a pause.
    """

    def __init__(self, database: Database, *, name: str, rate: float, burst: int = 5) -> None:
        if rate <= 0:
            raise ValueError("A pace needs a rate above 0.")
        self.rate = rate
        self._database = database
        self._name = name
        self._interval = 1 / rate
        #: The most that can be taken of what was left over.
        self.spare = burst - 1
        self._allowance = (burst - 1) / rate

    def reserve(
        self, count: int, *, now: dt.datetime, within: dt.timedelta = dt.timedelta(seconds=1)
    ) -> Slots | None:
        """Reserve ``count`` calls, the first of them ``within`` from now, or nothing (None)."""
        present = now.timestamp()
        latest = present + within.total_seconds() + self._allowance
        cost = count * self._interval
        statement = (
            update(Pace)
            .where(Pace.name == self._name, Pace.next_at <= latest)
            .values(next_at=_later(present) + cost)
            .returning(Pace.next_at)
        )
        with self._database.write() as session:
            after = session.execute(statement).scalar_one_or_none()
            row = None if after is not None else session.get(Pace, self._name)
        if after is None:
            if row is None:
                self._begin(present)
            elif row.next_at > latest:
                return None
            # The row came, or its moment passed, between the two statements.
            return self.reserve(count, now=now, within=within)
        first = max(present, after - cost - self._allowance)
        return Slots(
            dt.datetime.fromtimestamp(first, dt.UTC), dt.timedelta(seconds=self._interval), count
        )

    def take_spare(self, count: int, *, now: dt.datetime) -> dt.timedelta:
        """Take ``count`` calls that may go at once and leave one, or say when to ask again.

        Returns 0 when they are taken; ``count`` is at most `spare`.
        """
        if not 1 <= count <= self.spare:
            raise ValueError(f"{count} calls cannot be spare: 1 to {self.spare} can.")
        present = now.timestamp()
        cost = count * self._interval
        latest = present + self._allowance - cost
        with self._database.read() as session:
            row = session.get(Pace, self._name)
        if row is None:
            self._begin(present)
            return dt.timedelta(seconds=self._interval)
        if row.next_at > latest:
            return dt.timedelta(seconds=row.next_at - latest)
        with self._database.write() as session:
            taken = session.execute(
                update(Pace)
                .where(Pace.name == self._name, Pace.next_at <= latest)
                .values(next_at=_later(present) + cost)
                .returning(Pace.next_at)
            ).scalar_one_or_none()
        return dt.timedelta(0) if taken is not None else dt.timedelta(seconds=self._interval)

    def hold_back(self, until: dt.datetime) -> None:
        """Let nobody call before ``until``: the service said that it is called too often."""
        moment = until.timestamp() + self._allowance
        with self._database.write() as session:
            session.execute(
                update(Pace).where(Pace.name == self._name).values(next_at=_later(moment))
            )

    def _begin(self, present: float) -> None:
        try:
            with self._database.write() as session:
                session.execute(insert(Pace).values(name=self._name, next_at=present))
        except IntegrityError:
            return  # Another worker was first.


def _later(moment: float) -> Case[float]:
    return case((Pace.next_at > moment, Pace.next_at), else_=literal(moment))
