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

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select

from app.domain import codes
from app.domain.campaign import Authority
from app.domain.ledger import EntryKind
from app.domain.refusals import Reason
from app.services import resolving
from app.services.access import Client, Scope
from app.services.deployment import Deployment
from app.services.resolving import ScannedPayload
from app.services.tills import counters, decision, lookup, redemptions
from app.services.tills.attempt import Attempt, Call
from app.services.tills.desk import Tills
from app.services.tills.endings import Again, RefusedCall
from app.services.tills.requests import Answer, Origin, Running
from app.services.tills.tables import CAMPAIGN, CODE, ENTRY, VOUCHER, C, E, K, V
from app.services.tills.uses import Conflict, Reported, Use, UseOutcome
from app.services.tills.voucher_rows import LOCK_VOUCHER, Found
from app.store.session import Unavailable
from app.store.statements import Query


class _EarlierRow(NamedTuple):
    voucher_id: int
    public_id: int
    lookup: bytes | None


class _SuccessorRow(NamedTuple):
    replaced_by_id: int | None


class _ConflictRow(NamedTuple):
    id: UUID
    reported_id: str | None
    public_id: int
    key: str
    occurred_at: dt.datetime | None
    created_at: dt.datetime


#: What is booked under a reporting system's id.
_READ_EARLIER = Query(
    _EarlierRow,
    select(E.voucher_id, V.public_id, K.lookup)
    .select_from(ENTRY.join(VOUCHER, V.id == E.voucher_id).outerjoin(CODE, K.id == E.code_id))
    .where(
        E.campaign_id == bindparam("campaign_id"),
        E.reported_id == bindparam("reported_id"),
    ),
)
_READ_SUCCESSOR = Query(
    _SuccessorRow, select(V.replaced_by_id).where(V.id == bindparam("voucher_id"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ReadUse:
    """A use, its code as it was understood, and the codes of its order."""

    use: Use
    reading: ScannedPayload
    order: Sequence[ScannedPayload]


class Reports:
    """Books reported uses for one deployment; safe to share between threads.

    Args:
        deployment: settings, database, keys and clock.
        tills: the deployment's tills, which attempt each use and count guesses.
    """

    def __init__(self, deployment: Deployment, tills: Tills) -> None:
        self._deployment = deployment
        self._tills = tills
        self._database = deployment.database

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
        orders: dict[str, list[ScannedPayload]] = {}
        asked = []
        for use in uses:
            reading = resolving.read(self._deployment.keyring, use.code)
            order = orders.setdefault(use.id, [])
            order.append(reading)
            asked.append(_ReadUse(use=use, reading=reading, order=order))
        return [self._report(client, each, origin) for each in asked]

    def conflicts(
        self, client: Client, *, campaign: str | None = None, limit: int = 100
    ) -> tuple[int, list[Conflict]]:
        """How many conflicts there are that the key may see, and the latest of them."""
        query = (
            select(E.id, E.reported_id, V.public_id, C.key, E.occurred_at, E.created_at)
            .select_from(
                ENTRY.join(VOUCHER, V.id == E.voucher_id).join(CAMPAIGN, C.id == E.campaign_id)
            )
            .where(E.kind == EntryKind.CONFLICT)
            .order_by(E.created_at.desc(), E.id)
        )
        if campaign is not None:
            query = query.where(C.key == campaign)
        if client.campaigns is not None:
            query = query.where(C.key.in_(client.campaigns))
        if client.store_id is not None:
            query = query.where(E.store_id == client.store_id)
        if client.terminal_id is not None:
            query = query.where(E.terminal_id == client.terminal_id)
        with self._database.reading() as connection:
            rows = Query(_ConflictRow, query).all(connection)
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

    def _report(self, client: Client, asked: _ReadUse, origin: Origin) -> Reported:
        use = asked.use
        if use.discount_minor < 0 or (use.basket_minor or 0) < 0:
            return Reported(id=use.id, outcome=UseOutcome.RETURNED)
        call = Call(
            client=client,
            origin=replace(origin, occurred_at=use.occurred_at, receipt=None),
            now=self._deployment.now(),
        )
        guarded = not client.may(Scope.CAMPAIGN)
        if guarded:
            self._tills.check_guess(call, asked.reading)
        done = self._attempted(_book, asked, call)
        if isinstance(done, RefusedCall) and _is_known(client, done):
            # A guard had nothing left: it is booked again, as a conflict.
            done = self._attempted(_book_conflict, asked, call)
        if isinstance(done, RefusedCall):
            if guarded and done.refused.reason is not Reason.SCANNER_LAYOUT:
                self._tills.count_guess(call, asked.reading.prefix)
            return Reported(id=use.id, outcome=UseOutcome.UNKNOWN_CODE)
        return done

    def _attempted(
        self,
        act: Callable[[Attempt, _ReadUse], Reported | RefusedCall | Answer | Again],
        asked: _ReadUse,
        call: Call,
    ) -> Reported | RefusedCall:
        try:
            done: Reported | Answer | RefusedCall = self._tills.attempted(act, asked, call)
        except Running:
            raise Unavailable("The voucher is at work elsewhere.") from None
        if isinstance(done, Answer):
            raise TypeError("A report has no key, under which an answer could be kept.")
        return done


def _is_known(client: Client, no: RefusedCall) -> bool:
    """Whether a refusal is about a voucher that the API key may know of."""
    return no.found is not None and client.may_touch(no.found.row.campaign_key)


def _book(attempt: Attempt, asked: _ReadUse) -> Reported | RefusedCall | Answer | Again:
    """Book a use that is left.

    Raises:
        Undone: a guard had nothing left.
    """
    found = _found(attempt, asked)
    if not isinstance(found, Found):
        return found
    use, row = asked.use, found.row
    today = attempt.call.now.astimezone(ZoneInfo(row.timezone)).date().isoformat()
    grant = replace(
        decision.grant(found, item=0, lines=(use.discount_minor,), today=today),
        basket_minor=use.basket_minor,
    )
    after = counters.take(attempt, [grant], decided=False)[grant.voucher_id]
    attempt.changed.append(grant.voucher_id)
    currency = use.currency or row.currency
    entry = redemptions.entry_of(
        attempt,
        grant,
        after,
        kind=EntryKind.REPORT,
        currency=currency,
        reported_id=use.id,
    )
    told: dict[str, object] = {}
    if use.basket_minor is not None and not _earlier(attempt, asked, found):
        # Of the codes of one order, the first that is booked says what their basket came to.
        told = {"basket_minor": use.basket_minor}
    event = redemptions.event_of(attempt, grant, after)
    attempt.book(entry, event._replace(data=_data(use, currency, conflict=False) | told))
    return Reported(id=use.id, outcome=UseOutcome.APPLIED)


def _book_conflict(attempt: Attempt, asked: _ReadUse) -> Reported | RefusedCall | Answer | Again:
    """Book a use beside the counters, since none was left."""
    found = _found(attempt, asked)
    if not isinstance(found, Found):
        return found
    use, row = asked.use, found.row
    if row.voucher_id is None:
        return Reported(id=use.id, outcome=UseOutcome.NOT_REPORTABLE)
    after = counters.COUNT_CONFLICT.one(attempt.connection, voucher_id=row.voucher_id)
    entry = attempt.entry(
        EntryKind.CONFLICT,
        voucher_id=row.voucher_id,
        campaign_id=row.campaign_id,
        code_id=row.code_id,
        after=after,
        uses=1,
        discount_minor=use.discount_minor,
        currency=row.currency,
        reported_id=use.id,
    )
    event = attempt.event(
        "redeemed",
        voucher_id=row.voucher_id,
        campaign_id=row.campaign_id,
        number=after.events,
        entry_id=entry.id,
        data=_data(use, use.currency or row.currency, conflict=True),
    )
    attempt.book(entry, event)
    return Reported(id=use.id, outcome=UseOutcome.CONFLICT)


def _data(use: Use, currency: str | None, *, conflict: bool) -> dict[str, object]:
    data: dict[str, object] = {
        "discount_minor": use.discount_minor,
        "reported": True,
        "conflict": conflict,
    }
    return data | ({} if currency is None else {"currency": currency})


def _found(attempt: Attempt, asked: _ReadUse) -> Found | Reported | RefusedCall | Answer | Again:
    """The voucher that a use is of, locked; or what becomes of the use without being booked."""
    use = asked.use
    found = lookup.find(attempt, asked.reading)
    if isinstance(found, Found):
        # A use by a code that was given up for another is of the one that has the other now, so
        # that nobody is given both.
        found = lookup.living(attempt, found)
    if not isinstance(found, Found):
        return found
    row = found.row
    reportable = row.authority in (Authority.EXTERNAL, Authority.PARTNER)
    if not reportable or found.standing.holds_money:
        return Reported(id=use.id, outcome=UseOutcome.NOT_REPORTABLE)
    if (first := decision.without_voucher(found)) is not None:
        return first
    # Under the voucher's lock, so that of two reports of one use the later sees the earlier.
    LOCK_VOUCHER.one(attempt.connection, voucher_id=row.voucher_id)
    earlier = _earlier(attempt, asked, found)
    if any(_stands_for(attempt, each, row.voucher_id) for each in earlier):
        return Reported(id=use.id, outcome=UseOutcome.DUPLICATE)
    if (cause := _fault(asked, earlier, currency=row.currency)) is not None:
        return Reported(id=use.id, outcome=UseOutcome.FAULTY, cause=cause)
    return found


def _earlier(attempt: Attempt, asked: _ReadUse, found: Found) -> list[_EarlierRow]:
    return _READ_EARLIER.all(
        attempt.connection, campaign_id=found.row.campaign_id, reported_id=asked.use.id
    )


def _fault(asked: _ReadUse, earlier: Sequence[_EarlierRow], *, currency: str | None) -> str | None:
    """What is wrong with a use, in words; `currency` is the campaign's."""
    use = asked.use
    if not all(_named(each, asked.order) for each in earlier):
        return (
            "The id was reported with another code: give each use an id of its own, or report "
            "the codes of one order together."
        )
    if use.basket_minor is None:
        return None
    if use.currency is None and currency is None:
        return "The basket has no currency: say which."
    if None not in (use.currency, currency) and use.currency != currency:
        return f"The campaign's currency is {currency}, not {use.currency}: nothing is converted."
    return None


def _stands_for(attempt: Attempt, earlier: _EarlierRow, voucher_id: int | None) -> bool:
    """Whether a use was booked on a voucher, or on one that it stands for now."""
    seen: int | None = earlier.voucher_id
    while seen is not None and seen != voucher_id:
        seen = _READ_SUCCESSOR.one(attempt.connection, voucher_id=seen).replaced_by_id
    return seen == voucher_id


def _named(earlier: _EarlierRow, order: Sequence[ScannedPayload]) -> bool:
    """Whether a report names the code of an earlier use among those of the order."""
    return any(
        earlier.public_id == each.public_id
        if each.public_id is not None
        else earlier.lookup in (*each.lookups, *each.mended)
        for each in order
    )
