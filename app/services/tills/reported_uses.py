"""Uses that another system decided: a web shop's, or a partner's, reported afterwards.

A report is a fact: it is booked whatever the rules say. When it takes a use that was left it
counts like a redemption; when none was left it is a conflict, booked beside the counters, listed
and counted, because no limit is ever passed. Each use carries the reporting system's own id and
is booked once, however often it is reported. Codes that do not exist count as guesses, as at a
till; only a key that may change campaigns, such as the one a partner's file is sent with, may
report any number of them.

An id that several codes of one report have is their order's: each is booked, and their basket
counts once. An id that was booked with a code that the report does not name is a fault of whoever
numbers the uses, never a repetition.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Row, bindparam, select

from app.domain import codes
from app.domain.campaign import Authority
from app.domain.ledger import EntryKind
from app.domain.refusals import Reason
from app.services import resolving
from app.services.access import Client, Scope
from app.services.changes import Change, Subject
from app.services.deployment import Deployment
from app.services.resolving import Reading
from app.services.tills import books, redemptions
from app.services.tills import sql as statements
from app.services.tills.attempt import Busy, Call, Found, Grant, Lapsed, No, Overtaken
from app.services.tills.baskets import Share
from app.services.tills.books import Books
from app.services.tills.desk import Tills
from app.services.tills.lookup import Reader
from app.services.tills.once import PATIENCE, PAUSE
from app.services.tills.requests import Origin
from app.services.tills.uses import Conflict, Outcome, Reported, Use
from app.store.session import Unavailable


class Reports:
    """Books reported uses for one deployment; safe to share between threads.

    Args:
        deployment: settings, database, keys and clock.
        tills: the deployment's tills, which count guesses, release what is over and make bearers.
    """

    def __init__(self, deployment: Deployment, tills: Tills) -> None:
        self._deployment = deployment
        self._tills = tills
        self._database = deployment.database
        self._postgresql = not deployment.database.is_sqlite
        self._reader = Reader(postgresql=self._postgresql)
        self._books = Books(postgresql=self._postgresql)

    def report(self, client: Client, uses: Iterable[Use], *, origin: Origin) -> list[Reported]:
        """Book uses, each in a transaction of its own, in order.

        A report that breaks off may simply be sent again: what was booked is a duplicate then.

        Raises:
            CallFault: the store does not exist or is not the key's.
            Guessing: too many codes that do not exist came from there; what was booked before
                stays, and the whole report may be sent again later.
            Unavailable: the database went away, or a voucher is long at work elsewhere; send the
                whole report again.
        """
        uses = list(uses)
        orders: dict[str, list[Reading]] = {}
        readings = []
        for use in uses:
            reading = resolving.read(self._deployment.keyring, use.code)
            readings.append(reading)
            orders.setdefault(use.id, []).append(reading)
        return [
            self._report(client, use, reading, origin, order=orders[use.id])
            for use, reading in zip(uses, readings, strict=True)
        ]

    def conflicts(
        self, client: Client, *, campaign: str | None = None, limit: int = 100
    ) -> tuple[int, list[Conflict]]:
        """How many conflicts there are that the key may see, and the latest of them."""
        entry, voucher, held = statements.E, statements.V, statements.C
        query = (
            select(
                entry.id,
                entry.reported_id,
                voucher.public_id,
                held.key,
                entry.occurred_at,
                entry.created_at,
            )
            .select_from(
                statements.ENTRY.join(statements.VOUCHER, voucher.id == entry.voucher_id).join(
                    statements.CAMPAIGN, held.id == entry.campaign_id
                )
            )
            .where(entry.kind == EntryKind.CONFLICT)
            .order_by(entry.created_at.desc(), entry.id)
        )
        if campaign is not None:
            query = query.where(held.key == campaign)
        if client.campaigns is not None:
            query = query.where(held.key.in_(client.campaigns))
        if client.store_id is not None:
            query = query.where(entry.store_id == client.store_id)
        if client.terminal_id is not None:
            query = query.where(entry.terminal_id == client.terminal_id)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return len(rows), [
            Conflict(
                entry_id=str(row.id),
                reported_id=row.reported_id,
                serial=codes.serial(row.public_id),
                campaign=row.key,
                occurred_at=row.occurred_at,
                created_at=row.created_at,
            )
            for row in rows[:limit]
        ]

    def _report(
        self,
        client: Client,
        use: Use,
        reading: Reading,
        origin: Origin,
        *,
        order: Sequence[Reading],
    ) -> Reported:
        if use.discount_minor < 0 or (use.basket_minor or 0) < 0:
            return Reported(id=use.id, outcome=Outcome.RETURNED)
        now = self._deployment.now()
        guarded = not client.may(Scope.CAMPAIGN)
        if guarded:
            self._tills.suspects.check(client, origin, reading, now=now)
        beyond = False
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with self._database.transaction() as connection:
                    where = self._reader.where(connection, client, origin)
                    call = Call(
                        client=client,
                        key="",
                        where=where,
                        origin=Origin(occurred_at=use.occurred_at, operator=origin.operator),
                        now=now,
                    )
                    found = self._reader.find(connection, call, reading, index=0)
                    # A use by a code that was given up for another is of the one that has the
                    # other now, so that nobody is given both.
                    found = self._reader.standing_for(connection, call, found)
                    outcome = self._book(connection, call, use, found, order=order, beyond=beyond)
                self._deployment.hints.send(
                    [Change(Subject.VOUCHER, each) for each in call.changed]
                )
                return Reported(id=use.id, outcome=outcome)
            except _Code as code:
                self._tills.make_bearer(code.id, now=now)
            except _Duplicate:
                return Reported(id=use.id, outcome=Outcome.DUPLICATE)
            except ValueError as fault:
                return Reported(id=use.id, outcome=Outcome.FAULTY, cause=str(fault))
            except Lapsed as lapsed:
                self._tills.released(lapsed.voucher_id, now=now)
            except Overtaken:
                # No rule was asked, so that the guard alone says that nothing is left.
                beyond = True
            except Busy:
                if time.monotonic() >= deadline:
                    raise Unavailable("The voucher is at work elsewhere.") from None
                time.sleep(PAUSE)
            except No as no:
                if no.found is None or not client.may_touch(no.found.row.campaign_key):
                    if guarded and no.refused.reason is not Reason.SCANNER_LAYOUT:
                        self._tills.suspects.count(client, origin, reading.prefix, now=now)
                    return Reported(id=use.id, outcome=Outcome.UNKNOWN_CODE)
                # A guard had nothing left: book it again, as a conflict.
                beyond = True

    def _book(
        self,
        connection: Connection,
        call: Call,
        use: Use,
        found: Found,
        *,
        order: Sequence[Reading],
        beyond: bool,
    ) -> Outcome:
        row = found.row
        reportable = row.authority in (Authority.EXTERNAL, Authority.PARTNER)
        if not reportable or found.standing.holds_money:
            return Outcome.NOT_REPORTABLE
        if found.voucher_id is None:
            raise _Code(row.code_id)
        # Under the voucher's lock, so that of two reports of one use the later sees the earlier.
        connection.execute(
            select(statements.V.id).where(statements.V.id == row.voucher_id).with_for_update()
        )
        earlier = connection.execute(
            _EARLIER, {"campaign_id": row.campaign_id, "reported_id": use.id}
        ).all()
        if any(_stands_for(connection, each, row.voucher_id) for each in earlier):
            raise _Duplicate
        if not all(_named(each, order) for each in earlier):
            raise ValueError(
                "The id was reported with another code: give each use an id of its own, or report "
                "the codes of one order together."
            )
        currency = use.currency or row.currency
        if use.basket_minor is not None and (
            currency is None or currency != (row.currency or currency)
        ):
            raise ValueError(
                "The basket has no currency: say which."
                if currency is None
                else f"The campaign's currency is {row.currency}, not {currency}: "
                "nothing is converted."
            )
        tells = use.basket_minor is not None and not beyond and not earlier
        today = call.now.astimezone(ZoneInfo(row.timezone)).date().isoformat()
        grant = Grant(index=0, found=found, lines=(use.discount_minor,), day=today)
        if beyond:
            after = connection.execute(
                statements.COUNT_CONFLICT, {"voucher_id": row.voucher_id}
            ).one()
            entry = books.entry(
                call,
                voucher_id=row.voucher_id,
                campaign_id=row.campaign_id,
                code_id=row.code_id,
                kind=EntryKind.CONFLICT,
                uses=1,
                discount_minor=use.discount_minor,
                currency=row.currency,
                used_after=after.used,
                balance_after_minor=after.balance_minor,
                reported_id=use.id,
            )
        else:
            after = redemptions.take(connection, call, [grant], postgresql=self._postgresql)[
                row.voucher_id
            ]
            entry = redemptions.entry_of(
                call,
                grant,
                after,
                kind=EntryKind.REPORT,
                share=Share(basket_minor=use.basket_minor),
                reported_id=use.id,
            )
            entry["entry_currency"] = currency
        event = redemptions.event_of(call, grant, after, entry)
        event["event_data"] = {
            "discount_minor": use.discount_minor,
            "reported": True,
            "conflict": beyond,
        }
        if currency is not None:
            event["event_data"]["currency"] = currency
        if tells:
            # Of the codes of one order, the first that is booked says what their basket came to.
            event["event_data"]["basket_minor"] = use.basket_minor
        self._books.write(connection, [entry], [event])
        return Outcome.CONFLICT if beyond else Outcome.APPLIED


#: What is booked under a reporting system's id.
_EARLIER = (
    select(statements.E.voucher_id, statements.V.public_id, statements.K.lookup)
    .select_from(
        statements.ENTRY.join(
            statements.VOUCHER, statements.V.id == statements.E.voucher_id
        ).outerjoin(statements.CODE, statements.K.id == statements.E.code_id)
    )
    .where(
        statements.E.campaign_id == bindparam("campaign_id"),
        statements.E.reported_id == bindparam("reported_id"),
    )
)


def _stands_for(connection: Connection, earlier: Row[Any, Any, Any], voucher_id: int) -> bool:
    """Whether a use was booked on a voucher, or on one that it stands for now."""
    seen: int | None = earlier.voucher_id
    while seen is not None and seen != voucher_id:
        seen = connection.execute(
            select(statements.V.replaced_by_id).where(statements.V.id == seen)
        ).scalar_one()
    return seen == voucher_id


def _named(earlier: Row[Any, Any, Any], order: Sequence[Reading]) -> bool:
    """Whether a report names the code of an earlier use among those of the order."""
    return any(
        earlier.public_id == each.public_id
        if each.public_id is not None
        else earlier.lookup in (*each.lookups, *each.mended)
        for each in order
    )


class _Duplicate(Exception):
    """The use is booked already."""


class _Code(Exception):
    """The code has no voucher yet."""

    def __init__(self, code_id: int) -> None:
        self.id = code_id
        super().__init__()
