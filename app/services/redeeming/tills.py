"""The tills of a deployment: scan, redeem, and answer a repeated call with what it got before."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from pydantic import TypeAdapter
from sqlalchemy import Connection

from app.domain import baskets, codes, overrides, rules, wording
from app.domain.baskets import Basket
from app.domain.campaign import Terms
from app.domain.kinds import KINDS
from app.domain.refusals import OVERRIDABLE, RETRYABLE, Reason, Refused
from app.domain.rules import Place, Standing
from app.services import changes, resolving
from app.services.access import Client
from app.services.deployment import Deployment
from app.services.redeeming import bearers, statements
from app.services.redeeming.calls import (
    Answer,
    CallFault,
    Item,
    Origin,
    Override,
    Redemption,
    Reused,
    Running,
    Where,
)
from app.services.resolving import Reading
from app.store.models import new_id

#: How long a twin of a running call waits for its answer (seconds).
PATIENCE = 2.0

_TERMS = TypeAdapter(Terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A voucher as read for a call; `row` is of the RESOLVE statement."""

    row: Any
    standing: Standing
    terms: Terms

    @property
    def serial(self) -> str:
        return codes.serial(self.row.public_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a call takes from one voucher, decided before anything is written."""

    found: Found
    amount: int = 0
    #: Discount of each line of the basket, in minor units.
    lines: tuple[int, ...] = ()
    overridden: tuple[Reason, ...] = ()

    @property
    def discount(self) -> int:
        return sum(self.lines)


class _No(Exception):
    """Ends an attempt with a refusal; nothing of the attempt is kept."""

    def __init__(self, refused: Refused, found: Found | None = None) -> None:
        self.refused = refused
        self.found = found
        super().__init__(refused.reason)


class _Known(Exception):
    """The idempotency key has an answer already."""

    def __init__(self, status: int, fingerprint: bytes, body: str) -> None:
        self.status = status
        self.fingerprint = fingerprint
        self.body = body
        super().__init__()


class _Twin(Exception):
    """Another call is at work on the idempotency key."""


class _Bare(Exception):
    """A code that nobody holds was met: it needs a voucher before it can be taken from."""

    def __init__(self, code_id: int) -> None:
        self.code_id = code_id
        super().__init__()


class Tills:
    """What tills may ask of a deployment; one for each, safe to share between threads.

    Args:
        deployment: settings, database, keys and clock.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._postgresql = not deployment.database.is_sqlite
        #: Terms by revision: a revision never changes.
        self._terms: dict[int, Terms] = {}

    # -- what tills ask -----------------------------------------------------------------------

    def scan(self, client: Client, item: Item, *, origin: Origin, basket: Basket | None) -> Answer:
        """What this is and what would happen; changes no entitlement, is recorded."""
        now = self._deployment.now()
        reading = resolving.read(self._deployment.keyring, item.barcode)
        with self._deployment.database.transaction() as connection:
            where = self._where(connection, client, origin)
            call = _Call(client=client, key="", where=where, origin=origin, now=now)
            subject: Found | None
            reason: Reason | None = None
            try:
                found = self._find(connection, call, reading, index=0)
                grant = self._grant(
                    found, item, call, basket=_Remaining(basket), index=0, probing=True
                )
            except _No as no:
                answer = self._refusal(connection, no, where)
                subject, reason = no.found, no.refused.reason
            else:
                answer = {
                    "outcome": "accepted",
                    "voucher": _describe(found),
                    "discount": _discount(grant, basket),
                }
                subject = found
            if subject is not None and subject.row.voucher_id is not None:
                self._note(connection, call, subject, kind="scanned", reason=reason)
        return Answer(status=200, body=orjson.dumps(answer).decode())

    def redeem(
        self, client: Client, key: str, redemption: Redemption, *, fingerprint: bytes
    ) -> Answer:
        """Redeem every item, in order, or none.

        Args:
            key: the till's idempotency key.
            fingerprint: keyed digest of the request; a key is good for one request only.

        Raises:
            Reused: the key was used for another request.
            Running: a call with the key is still at work after two seconds.
            CallFault: store or terminal do not exist or are not the key's.
            Unavailable: nothing is known to be written; send the same again.
        """
        now = self._deployment.now()
        keyring = self._deployment.keyring
        readings = [resolving.read(keyring, item.barcode) for item in redemption.items]

        def attempt(connection: Connection) -> Answer:
            where = self._where(connection, client, redemption.origin)
            call = _Call(client=client, key=key, where=where, origin=redemption.origin, now=now)
            return self._redeem(connection, call, redemption, readings, fingerprint)

        return self._once(
            attempt, fingerprint, client=client, key=key, now=now, origin=redemption.origin
        )

    # -- once -----------------------------------------------------------------------------------

    def _once(
        self,
        attempt: Callable[[Connection], Answer],
        fingerprint: bytes,
        *,
        client: Client,
        key: str,
        now: dt.datetime,
        origin: Origin,
    ) -> Answer:
        """Run `attempt` in a transaction until it has an answer that is kept under `key`."""
        database = self._deployment.database
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with database.transaction() as connection:
                    return attempt(connection)
            except _Known as known:
                if known.status and known.fingerprint != fingerprint:
                    raise Reused from None
                return Answer(status=known.status or 200, body=known.body, replayed=True)
            except _Bare as bare:
                with database.transaction() as connection:
                    bearers.ensure(
                        connection,
                        bare.code_id,
                        terms_of=self._terms_of,
                        key_id=self._deployment.keyring.newest,
                        now=now,
                    )
            except _Twin:
                if time.monotonic() >= deadline:
                    raise Running from None
                time.sleep(0.02)
            except _No as no:
                try:
                    with database.transaction() as connection:
                        where = self._where(connection, client, origin)
                        call = _Call(client=client, key=key, where=where, origin=origin, now=now)
                        return self._record_refusal(connection, call, no, fingerprint)
                except _Known:
                    continue

    def _keep(
        self, connection: Connection, call: _Call, body: str, fingerprint: bytes
    ) -> dict[str, object]:
        return {
            "record_api_key_id": call.client.id,
            "record_key": call.key,
            "record_fingerprint": fingerprint,
            "record_status": 200,
            "record_body": body,
            "record_created_at": call.now,
        }

    def _record_refusal(
        self, connection: Connection, call: _Call, no: _No, fingerprint: bytes
    ) -> Answer:
        body = orjson.dumps(self._refusal(connection, no, call.where)).decode()
        if no.found is not None and no.found.row.voucher_id is not None:
            self._note(connection, call, no.found, kind="refused", reason=no.refused.reason)
        kept = connection.execute(
            statements.INSERT_RECORD[self._postgresql],
            self._keep(connection, call, body, fingerprint),
        ).first()
        if kept is None:
            raise self._known(connection, call)
        return Answer(status=200, body=body)

    def _known(self, connection: Connection, call: _Call) -> _Known:
        row = connection.execute(
            statements.READ_RECORD, {"client_id": call.client.id, "key": call.key}
        ).one()
        return _Known(row.status, row.fingerprint, row.body)

    # -- redeeming ------------------------------------------------------------------------------

    def _redeem(
        self,
        connection: Connection,
        call: _Call,
        redemption: Redemption,
        readings: list[Reading],
        fingerprint: bytes,
    ) -> Answer:
        remaining = _Remaining(redemption.basket)
        grants: list[Grant] = []
        seen: set[int] = set()
        for index, (item, reading) in enumerate(zip(redemption.items, readings, strict=True)):
            found = self._find(connection, call, reading, index=index)
            if found.row.voucher_id is None:
                raise _Bare(found.row.code_id)
            if found.row.voucher_id in seen:
                raise _No(Refused(reason=Reason.ALREADY_IN_BASKET, item=index), found)
            seen.add(found.row.voucher_id)
            grant = self._grant(
                found, item, call, basket=remaining, index=index, override=redemption.override
            )
            remaining.take(grant.lines)
            grants.append(grant)
        taken = self._take(connection, grants)
        for voucher_id in taken:
            changes.voucher(connection, voucher_id)
        return self._book(connection, call, redemption, grants, taken, fingerprint)

    def _take(self, connection: Connection, grants: list[Grant]) -> dict[int, Any]:
        """Take from vouchers, codes and budgets, each kind in the order of its ids."""
        taken: dict[int, Any] = {}
        for index, grant in sorted(
            enumerate(grants), key=lambda pair: int(pair[1].found.row.voucher_id)
        ):
            row, standing = grant.found.row, grant.found.standing
            bind = {"voucher_id": row.voucher_id, "expected_status": row.status}
            if standing.holds_money:
                after = connection.execute(
                    statements.TAKE_MONEY, {**bind, "amount": grant.amount}
                ).first()
            else:
                after = connection.execute(statements.TAKE_USE, bind).first()
            if after is None:
                raise _No(_lost(standing, index), grant.found)
            taken[row.voucher_id] = after
        for index, grant in sorted(
            enumerate(grants), key=lambda pair: pair[1].found.row.code_id or 0
        ):
            row = grant.found.row
            if row.code_limit is not None and not grant.found.standing.holds_money:
                done = connection.execute(statements.TAKE_CODE, {"code_id": row.code_id})
                if done.rowcount != 1:
                    raise _No(
                        Refused(
                            reason=Reason.LIMIT_REACHED,
                            details={"uses": row.code_limit},
                            item=index,
                        ),
                        grant.found,
                    )
        for index, grant in sorted(
            enumerate(grants), key=lambda pair: int(pair[1].found.row.campaign_id)
        ):
            row = grant.found.row
            if row.budget_uses is not None or row.budget_minor is not None:
                done = connection.execute(
                    statements.TAKE_BUDGET,
                    {"campaign_id": row.campaign_id, "amount": grant.discount + grant.amount},
                )
                if done.rowcount != 1:
                    raise _No(Refused(reason=Reason.BUDGET_EXHAUSTED, item=index), grant.found)
        return taken

    def _book(
        self,
        connection: Connection,
        call: _Call,
        redemption: Redemption,
        grants: list[Grant],
        taken: dict[int, Any],
        fingerprint: bytes,
    ) -> Answer:
        entries, events, accepted = [], [], []
        for grant in grants:
            row, standing = grant.found.row, grant.found.standing
            after = taken[row.voucher_id]
            entry_id = new_id()
            details: dict[str, object] = {}
            reason = None
            if grant.overridden and redemption.override is not None:
                details["overridden"] = [reason.value for reason in grant.overridden]
                reason = redemption.override.because
            entries.append(
                {
                    "entry_id": entry_id,
                    "entry_voucher_id": row.voucher_id,
                    "entry_campaign_id": row.campaign_id,
                    "entry_code_id": row.code_id,
                    "entry_kind": "redemption",
                    "entry_uses": 0 if standing.holds_money else 1,
                    "entry_amount_minor": -grant.amount,
                    "entry_currency": standing.currency
                    or (redemption.basket.currency if redemption.basket else None),
                    "entry_discount_minor": grant.discount,
                    "entry_used_after": after.used,
                    "entry_balance_after_minor": after.balance_minor,
                    "entry_refers_to_id": None,
                    "entry_hold_id": None,
                    "entry_store_id": call.where.store_id,
                    "entry_terminal_id": call.where.terminal_id,
                    "entry_api_key_id": call.client.id,
                    "entry_operator": call.origin.operator,
                    "entry_receipt": call.origin.receipt,
                    "entry_reason": reason,
                    "entry_details": details or None,
                    "entry_occurred_at": call.origin.occurred_at,
                    "entry_created_at": call.now,
                }
            )
            events.append(
                call.event(
                    grant.found,
                    kind="redeemed",
                    number=after.events,
                    entry_id=entry_id,
                    data={"amount_minor": grant.amount}
                    if standing.holds_money
                    else {"discount_minor": grant.discount},
                )
            )
            accepted.append(
                {
                    "redemption_id": str(entry_id),
                    "voucher": _describe(grant.found, after),
                    "applied_minor": grant.amount if standing.holds_money else None,
                    "discount": _discount(grant, redemption.basket),
                }
            )
        body = orjson.dumps(
            {
                "outcome": "accepted",
                "redemptions": accepted,
                "discount_minor": sum(grant.discount for grant in grants),
            }
        ).decode()
        record = self._keep(connection, call, body, fingerprint)
        if self._postgresql and len(entries) == 1:
            kept = connection.execute(
                statements.BOOK, {**entries[0], **events[0], **record}
            ).first()
        else:
            connection.execute(statements.INSERT_ENTRY, entries)
            connection.execute(statements.INSERT_EVENT[self._postgresql], events)
            kept = connection.execute(statements.INSERT_RECORD[self._postgresql], record).first()
        if kept is None:
            raise self._known(connection, call)
        return Answer(status=200, body=body)

    # -- reading --------------------------------------------------------------------------------

    def _find(self, connection: Connection, call: _Call, reading: Reading, *, index: int) -> Found:
        bind = {
            "client_id": call.client.id,
            "key": call.key,
            "receipt": call.origin.receipt,
            "store_id": call.where.store_id,
        }
        if self._postgresql:
            bind["key_hash"] = call.key_hash
        rows: list[Any] = []
        if reading.public_id is not None:
            rows = self._resolve(
                connection, {**bind, "public_id": reading.public_id}, by_code=False
            )
        else:
            for lookup in reading.lookups or (b"",):
                rows += self._resolve(connection, {**bind, "lookup": lookup}, by_code=True)
        rows = [row for row in rows if row.campaign_id is not None]
        if not rows:
            reason = Reason.BAD_SIGNATURE if reading.forged else Reason.UNKNOWN_CODE
            raise _No(Refused(reason=reason, item=index))
        if len(rows) > 1:
            raise _No(Refused(reason=Reason.AMBIGUOUS, item=index))
        return self._understand(connection, rows[0])

    def _resolve(self, connection: Connection, bind: dict[str, Any], *, by_code: bool) -> list[Any]:
        rows = list(connection.execute(statements.RESOLVE[by_code, self._postgresql], bind))
        if rows[0].record_body is not None:
            first = rows[0]
            raise _Known(first.record_status, first.record_fingerprint, first.record_body)
        if not rows[0].mine:
            raise _Twin
        return rows

    def _understand(self, connection: Connection, row: Any) -> Found:
        kind = KINDS[row.kind]
        if row.voucher_id is None:
            terms = bearers.current_terms(connection, row.campaign_id, row.revision, self._terms_of)
            status, uses = "active", kind.uses(terms)
            starts_at, ends_at = rules.window(terms.validity, at=None, zone=ZoneInfo(row.timezone))
            balance = kind.opening_balance(terms, code_amount=row.code_amount)
            used, held, held_minor = 0, 0, 0
            if row.source == "shared":
                uses = row.code_limit
                used, held = row.code_used, row.code_held
        else:
            terms = self._terms_of(connection, row.revision_id)
            status, uses, balance = row.status, row.uses, row.balance_minor
            starts_at, ends_at = row.starts_at, row.ends_at
            used, held, held_minor = row.used, row.held, row.held_minor
        ends_at = overrides.end_for(ends_at, row.override, forced=bool(row.override_forced))
        standing = Standing(
            status=status,
            starts_at=starts_at,
            ends_at=ends_at,
            uses=uses,
            used=used,
            held=held,
            balance_minor=balance,
            held_minor=held_minor,
            replaced=row.replaced_by_id is not None,
            campaign_status=row.campaign_status,
            authority=row.authority,
            currency=row.currency,
            timezone=row.timezone,
            holds_money=kind.holds_money,
            bare=row.source == "shared" and row.recipient_id is None,
        )
        return Found(row=row, standing=standing, terms=terms)

    def _grant(
        self,
        found: Found,
        item: Item,
        call: _Call,
        *,
        basket: _Remaining,
        index: int,
        override: Override | None = None,
        probing: bool = False,
    ) -> Grant:
        """Decide one item; nothing is written.

        Raises:
            _No: the rules are against it.
        """
        standing, terms = found.standing, found.terms
        against = rules.objections(
            standing,
            terms,
            place=Place(
                store=call.where.store, terminal=call.where.terminal, channel=call.where.channel
            ),
            basket=basket.basket,
            now=call.now,
        )
        if standing.holds_money and not (probing and item.amount_minor is None):
            against += rules.money_objections(standing, item.amount_minor, item.currency)
        waived = override.reasons & OVERRIDABLE if override is not None else frozenset()
        if still := [refused for refused in against if refused.reason not in waived]:
            raise _No(replace(still[0], item=index), found)
        overridden = tuple(dict.fromkeys(refused.reason for refused in against))
        if standing.holds_money:
            if item.amount_minor is None:
                return Grant(found=found)
            short = rules.shortfall(standing, item.amount_minor, allow_partial=item.allow_partial)
            if short is not None:
                raise _No(replace(short, item=index), found)
            amount = min(item.amount_minor, rules.available(standing))
            return Grant(found=found, amount=amount, overridden=overridden)
        return Grant(
            found=found,
            lines=basket.discount(terms, everything=Reason.PRODUCTS_NOT_ELIGIBLE in overridden),
            overridden=overridden,
        )

    def _terms_of(self, connection: Connection, revision_id: int) -> Terms:
        terms = self._terms.get(revision_id)
        if terms is None:
            stored = connection.execute(
                statements.READ_REVISION, {"revision_id": revision_id}
            ).scalar_one()
            terms = self._terms[revision_id] = _TERMS.validate_python(stored)
        return terms

    def _where(self, connection: Connection, client: Client, origin: Origin) -> Where:
        """Where a call comes from: what the API key is bound to, else what the call names."""
        if client.store_id is None and origin.store is None:
            return Where()
        store = connection.execute(
            statements.READ_STORE,
            {"id": client.store_id, "key": None if client.store_id else origin.store},
        ).first()
        if store is None:
            raise CallFault(
                "unknown_store",
                "The store does not exist or is closed.",
                remedy="Name a store that exists, by its key.",
            )
        if origin.store is not None and origin.store != store.key:
            raise CallFault(
                "other_store",
                "The API key is bound to another store.",
                remedy="Leave the store out, or use that store's key.",
            )
        terminal = None
        if client.terminal_id is not None or origin.terminal is not None:
            terminal = connection.execute(
                statements.READ_TERMINAL,
                {
                    "store_id": store.id,
                    "id": client.terminal_id,
                    "key": None if client.terminal_id else origin.terminal,
                },
            ).first()
            if terminal is None:
                raise CallFault(
                    "unknown_terminal",
                    "The terminal does not exist in that store or is closed.",
                    remedy="Name a terminal of the store, by its key.",
                )
            if origin.terminal is not None and origin.terminal != terminal.key:
                raise CallFault(
                    "other_terminal",
                    "The API key is bound to another terminal.",
                    remedy="Leave the terminal out, or use that terminal's key.",
                )
        return Where(
            store_id=store.id,
            terminal_id=terminal.id if terminal else None,
            store=store.key,
            terminal=terminal.key if terminal else "",
            channel=store.channel,
            timezone=store.timezone,
            language=store.language,
        )

    # -- recording ------------------------------------------------------------------------------

    def _note(
        self, connection: Connection, call: _Call, found: Found, *, kind: str, reason: Reason | None
    ) -> None:
        number = connection.execute(
            statements.NUMBER_EVENT, {"voucher_id": found.row.voucher_id}
        ).scalar_one()
        connection.execute(
            statements.INSERT_EVENT[self._postgresql],
            call.event(found, kind=kind, number=number, reason=reason),
        )

    def _refusal(self, connection: Connection, no: _No, where: Where) -> dict[str, object]:
        details = dict(no.refused.details)
        cashier, customer = wording.refusal(
            no.refused.reason, where.language, {name: str(value) for name, value in details.items()}
        )
        return {
            "outcome": "refused",
            "reason": no.refused.reason,
            "item": no.refused.item,
            "cashier_text": cashier,
            "customer_text": customer,
            "retryable": no.refused.reason in RETRYABLE,
            "overridable": no.refused.reason in OVERRIDABLE,
            "details": details,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A call in progress: who, under which key, from where, when."""

    client: Client
    key: str
    where: Where
    origin: Origin
    now: dt.datetime

    @property
    def key_hash(self) -> int:
        """What a twin on another connection locks too; without a key nothing is a twin."""
        name = f"{self.client.id}:{self.key or uuid.uuid4()}"
        return uuid.uuid5(uuid.NAMESPACE_OID, name).int >> 65

    def event(
        self,
        found: Found,
        *,
        kind: str,
        number: int,
        reason: Reason | None = None,
        entry_id: uuid.UUID | None = None,
        data: dict[str, object] | None = None,
    ) -> dict[str, object]:
        """The values of an event row."""
        return {
            "event_kind": kind,
            "event_at": self.now,
            "event_campaign_id": found.row.campaign_id,
            "event_voucher_id": found.row.voucher_id,
            "event_number": number,
            "event_entry_id": entry_id,
            "event_store_id": self.where.store_id,
            "event_terminal_id": self.where.terminal_id,
            "event_reason": reason,
            "event_data": data,
        }


class _Remaining:
    """What is left of each line while the coupons of a call apply in order."""

    def __init__(self, basket: Basket | None) -> None:
        self.basket = basket
        self._left = [line.amount_minor for line in basket.lines] if basket else []

    def discount(self, terms: Terms, *, everything: bool) -> tuple[int, ...]:
        """The discount of every line, 0 for those that take no part."""
        if self.basket is None:
            return ()
        chosen = [
            index
            for index, line in enumerate(self.basket.lines)
            if everything or baskets.eligible(terms.products, line)
        ]
        shares = baskets.discount(terms.benefit, [self._left[index] for index in chosen])
        result = [0] * len(self._left)
        for index, part in zip(chosen, shares, strict=True):
            result[index] = part
        return tuple(result)

    def take(self, lines: tuple[int, ...]) -> None:
        for index, part in enumerate(lines):
            self._left[index] -= part


def _lost(standing: Standing, index: int) -> Refused:
    """Why a guard found nothing to take although the rules had no objection: another was first."""
    if standing.holds_money:
        return Refused(
            reason=Reason.INSUFFICIENT_BALANCE,
            details={"currency": standing.currency},
            item=index,
        )
    reason = Reason.ALREADY_REDEEMED if standing.uses == 1 else Reason.LIMIT_REACHED
    return Refused(reason=reason, details={"uses": standing.uses}, item=index)


def _describe(found: Found, after: Any = None) -> dict[str, object]:
    """A voucher as a till sees it; `after` are its counters once something was taken."""
    row, standing = found.row, found.standing
    now = after if after is not None else standing
    uses_left = None
    if not standing.holds_money and standing.uses is not None:
        uses_left = standing.uses - now.used - now.held
    benefit = found.terms.benefit
    return {
        "serial": found.serial if row.voucher_id is not None else None,
        "campaign": row.campaign_key,
        "name": row.campaign_name,
        "kind": row.kind,
        "uses_left": uses_left,
        "balance_minor": now.balance_minor if standing.holds_money else None,
        "available_minor": now.balance_minor - now.held_minor if standing.holds_money else None,
        "currency": standing.currency,
        "ends_at": standing.ends_at.isoformat() if standing.ends_at else None,
        "benefit": None
        if standing.holds_money
        else {
            "type": benefit.type,
            "percent": str(benefit.percent) if benefit.percent is not None else None,
            "minor": benefit.minor,
        },
    }


def _discount(grant: Grant, basket: Basket | None) -> dict[str, object] | None:
    if basket is None or grant.found.standing.holds_money:
        return None
    return {
        "minor": grant.discount,
        "currency": basket.currency,
        "lines": [
            {"id": line.id, "minor": part}
            for line, part in zip(basket.lines, grant.lines, strict=True)
        ],
    }
