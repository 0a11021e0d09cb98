"""Uses that another system decided: a web shop's, or a partner's, reported afterwards.

A report is a fact: it is booked whatever the rules say. When it takes a use that was left it
counts like a redemption; when none was left it is a conflict, booked beside the counters, listed
and counted, because no limit is ever passed. Each use carries the reporting system's own id and
is booked once, however often it is reported. Codes that do not exist count as guesses, as at a
till; only a key that may change campaigns, such as the one a partner's file is sent with, may
report any number of them.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from app.domain import codes, inputs
from app.domain.campaign import Authority
from app.domain.ledger import EntryKind
from app.domain.refusals import Reason
from app.services import resolving
from app.services.access import Client, Scope
from app.services.changes import Change, Subject
from app.services.deployment import Deployment
from app.services.redeeming import booking, statements, taking
from app.services.redeeming.booking import Books
from app.services.redeeming.calls import Origin
from app.services.redeeming.once import PATIENCE, PAUSE
from app.services.redeeming.progress import Busy, Call, Found, Grant, Lapsed, No, Overtaken
from app.services.redeeming.reading import Reader
from app.services.redeeming.tills import Tills
from app.store.session import Unavailable

COLUMNS = ("id", "code", "occurred_at", "discount_minor")


class Outcome(StrEnum):
    """What became of a reported use."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    UNKNOWN_CODE = "unknown_code"
    #: Its campaign is ours to decide: such a use has to be redeemed, not reported.
    NOT_REPORTABLE = "not_reportable"
    FAULTY = "faulty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A use as reported; `id` is the reporting system's own (an order number, say)."""

    id: str
    code: str
    occurred_at: dt.datetime | None = None
    discount_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What became of one use; `id` is as it was reported."""

    id: str
    outcome: Outcome
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A use beyond the limit, as listed."""

    entry_id: str
    reported_id: str | None
    serial: str
    campaign: str
    occurred_at: dt.datetime | None
    created_at: dt.datetime


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
        return [self._report(client, use, origin) for use in uses]

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

    def _report(self, client: Client, use: Use, origin: Origin) -> Reported:
        now = self._deployment.now()
        reading = resolving.read(self._deployment.keyring, use.code)
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
                    outcome = self._book(connection, call, use, found, beyond=beyond)
                self._deployment.hints.send(
                    [Change(Subject.VOUCHER, each) for each in call.changed]
                )
                return Reported(id=use.id, outcome=outcome)
            except _Code as code:
                self._tills.make_bearer(code.id, now=now)
            except _Duplicate:
                return Reported(id=use.id, outcome=Outcome.DUPLICATE)
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
        self, connection: Connection, call: Call, use: Use, found: Found, *, beyond: bool
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
            select(statements.E.id).where(
                statements.E.campaign_id == row.campaign_id, statements.E.reported_id == use.id
            )
        ).first()
        if earlier is not None:
            raise _Duplicate
        today = call.now.astimezone(ZoneInfo(row.timezone)).date().isoformat()
        grant = Grant(index=0, found=found, lines=(use.discount_minor,), day=today)
        if beyond:
            after = connection.execute(
                statements.COUNT_CONFLICT, {"voucher_id": row.voucher_id}
            ).one()
            entry = booking.entry(
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
            after = taking.take(connection, call, [grant], postgresql=self._postgresql)[
                row.voucher_id
            ]
            entry = taking.entry_of(call, grant, after, kind=EntryKind.REPORT, reported_id=use.id)
        event = taking.event_of(call, grant, after, entry)
        event["event_data"] = {
            "discount_minor": use.discount_minor,
            "reported": True,
            "conflict": beyond,
        }
        self._books.write(connection, [entry], [event])
        return Outcome.CONFLICT if beyond else Outcome.APPLIED


class _Duplicate(Exception):
    """The use is booked already."""


class _Code(Exception):
    """The code has no voucher yet."""

    def __init__(self, code_id: int) -> None:
        self.id = code_id
        super().__init__()


def counts(reported: Sequence[Reported]) -> dict[str, int]:
    """How many uses had each outcome."""
    found = Counter(each.outcome for each in reported)
    return {outcome.value: found.get(outcome, 0) for outcome in Outcome}


def read_csv(text: str) -> tuple[list[Use], list[Reported]]:
    """Uses from a CSV file (RFC 4180; comma, semicolon or tab), and the lines that are faulty.

    The first line names the columns: `id`, `code`, and optionally `occurred_at` (ISO 8601 with an
    offset) and `discount_minor`; others are ignored.

    Raises:
        ValueError: a needed column is missing, or a line cannot be read as CSV.
    """
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    # Without newline="" a bare carriage return within a line is a fault of the reader.
    plain = io.StringIO(text.removeprefix("\ufeff"), newline="")
    rows = csv.DictReader(plain, delimiter=separator)
    try:
        names = [name.strip().lower() for name in rows.fieldnames or []]
    except csv.Error as error:
        raise ValueError(f"The file's first line is not CSV: {error}.") from None
    if missing := [name for name in COLUMNS[:2] if name not in names]:
        raise ValueError(f"The file has no column {' and no column '.join(missing)}.")
    rows.fieldnames = names
    uses, faulty = [], []
    for number, row in enumerate(_lines(rows), start=2):
        try:
            uses.append(_use(row))
        except ValueError as fault:
            faulty.append(
                Reported(
                    id=(row.get("id") or "").strip() or f"line {number}",
                    outcome=Outcome.FAULTY,
                    cause=str(fault),
                )
            )
    return uses, faulty


def _lines(rows: csv.DictReader[str]) -> Iterator[dict[str, str | None]]:
    try:
        yield from rows
    except csv.Error as error:
        raise ValueError(f"The file is not CSV near line {rows.line_num}: {error}.") from None


def _use(row: dict[str, str | None]) -> Use:
    values = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if not values["id"] or not values["code"]:
        raise ValueError("The line has no id or no code.")
    if len(values["id"]) > 128:
        raise ValueError("The id is longer than 128 characters.")
    if not re.fullmatch(inputs.ONE_LINE, values["id"]) or inputs.text_fault(values["id"]):
        raise ValueError("The id has a character that no id may have.")
    if cause := inputs.text_fault(values["code"]):
        raise ValueError(f"The code {cause}.")
    occurred = None
    if values["occurred_at"]:
        try:
            occurred = dt.datetime.fromisoformat(values["occurred_at"])
        except ValueError:
            raise ValueError("occurred_at is not ISO 8601.") from None
        if occurred.tzinfo is None:
            raise ValueError("occurred_at has no offset, such as +01:00.")
        if not inputs.is_reckonable(occurred):
            raise ValueError(f"occurred_at is not between {inputs.EARLIEST} and {inputs.LATEST}.")
    minor = values["discount_minor"] or "0"
    if not minor.isascii() or not minor.isdigit() or len(minor) > 12:
        raise ValueError("discount_minor is not a whole number of minor units.")
    return Use(
        id=values["id"], code=values["code"], occurred_at=occurred, discount_minor=int(minor)
    )
