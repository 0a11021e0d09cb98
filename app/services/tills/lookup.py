"""Reading what a call needs: where it comes from, which voucher is meant, on which terms."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter
from sqlalchemy import Connection, select

from app.domain import overrides
from app.domain.campaign import Source, Terms
from app.domain.kinds import KINDS
from app.domain.refusals import Reason, Refused
from app.domain.rules import Standing
from app.domain.validity import window
from app.services.access import Client
from app.services.resolving import Reading
from app.services.tills import bearers
from app.services.tills import sql as statements
from app.services.tills.attempt import Busy, Call, Found, Known, Lapsed, No
from app.services.tills.requests import CallFault, Origin, Where
from app.services.tills.sql import holds as money_statements

#: How long a store and terminal are believed to be as they were read (seconds): a shop that closes
#: is noticed after that.
FRESH = 5.0
MOST_PLACES = 10_000

_TERMS: TypeAdapter[Terms] = TypeAdapter(Terms)


def is_over(card: Any, now: dt.datetime) -> bool:
    """Whether a voucher's time is over, its campaign's override counted; of LOCK_VOUCHER."""
    override = overrides.read(card.override, forced=bool(card.override_forced))
    ends_at = overrides.end_for(card.ends_at, override)
    return ends_at is not None and ends_at <= now


class Reader:
    """Reads for calls of one deployment; safe to share between threads."""

    def __init__(self, *, postgresql: bool) -> None:
        self._postgresql = postgresql
        #: Terms by revision: a revision never changes.
        self._terms: dict[int, Terms] = {}
        self._places: dict[tuple[object, ...], tuple[float, Where]] = {}

    def find(self, connection: Connection, call: Call, reading: Reading, *, index: int) -> Found:
        """The voucher, or the code without one, that a payload means.

        Raises:
            No: none, or several; or one of a campaign that the API key may not touch.
            Known: the call's idempotency key has an answer already.
            Busy: another call is at work on the key or the receipt.
        """
        bind: dict[str, Any] = {
            "client_id": call.client.id,
            "key": call.key,
            "receipt": call.origin.receipt,
            "store_id": call.where.store_id,
        }
        if self._postgresql:
            bind["key_hash"] = call.key_hash
            bind["receipt_hash"] = call.receipt_hash
        if reading.several:
            raise No(Refused(reason=Reason.AMBIGUOUS, item=index))
        if reading.public_id is not None:
            by_token = {**bind, "public_id": reading.public_id}
            rows = self._resolve(connection, by_token, by_code=False)
            found = [row for row in rows if row.campaign_id is not None]
        else:
            found = self._by_codes(connection, call, bind, reading.lookups or (b"",))
            if not found and reading.mended:
                found = self._by_codes(connection, call, bind, reading.mended)
        # A key that leaked and was replaced must not redeem what was issued under its successor.
        forged = reading.key_id is not None and any(row.key_id != reading.key_id for row in found)
        if forged or not found:
            if not forged:
                self._refuse_misread(connection, call, bind, reading, index=index)
            reason = Reason.BAD_SIGNATURE if forged or reading.forged else Reason.UNKNOWN_CODE
            raise No(Refused(reason=reason, item=index), prefix=reading.prefix)
        if len(found) > 1:
            raise No(Refused(reason=Reason.AMBIGUOUS, item=index))
        row = found[0]
        if reading.link and row.link_withdrawn_at is not None:
            raise No(Refused(reason=Reason.STALE_BARCODE, item=index))
        if row.voucher_id is None and row.source != Source.SHARED and not row.code_free:
            # A code of its own that somebody had and nobody has was given up, whatever became of
            # what keeps it: it is no bearer's.
            raise No(Refused(reason=Reason.STALE_BARCODE, item=index), prefix=reading.prefix)
        understood = self._understand(connection, row)
        if not call.client.may_touch(understood.row.campaign_key):
            raise No(Refused(reason=Reason.WRONG_STORE, item=index), understood)
        self._refuse_lapsed(connection, call, understood)
        return understood

    def _by_codes(
        self,
        connection: Connection,
        call: Call,
        bind: dict[str, Any],
        lookups: Sequence[bytes],
    ) -> list[Any]:
        """The rows of codes. To a key that is bound to campaigns a code of another is none, and
        counts as a guess; of a genuine pass it learns that it is good elsewhere.
        """
        rows = [
            row
            for lookup in lookups
            for row in self._resolve(connection, {**bind, "lookup": lookup}, by_code=True)
        ]
        return [
            row
            for row in rows
            if row.campaign_id is not None and call.client.may_touch(row.campaign_key)
        ]

    def _refuse_misread(
        self,
        connection: Connection,
        call: Call,
        bind: dict[str, Any],
        reading: Reading,
        *,
        index: int,
    ) -> None:
        """Tell the cause of a misreading, so that it is neither a forgery nor a guess.

        Raises:
            No: a layout or a lost part explains what arrived.
        """
        layout = reading.misread
        for lookup, name in reading.suspected:
            if layout is None and self._by_codes(connection, call, bind, (lookup,)):
                layout = name
        if layout is not None:
            details = {"layout": layout} if layout else {}
            raise No(Refused(reason=Reason.SCANNER_LAYOUT, details=details, item=index))

    def standing_for(self, connection: Connection, call: Call, found: Found) -> Found:
        """The voucher that stands now for one that was issued anew or replaced; else itself.

        Raises:
            No, Known, Busy: as `find`.
        """
        while found.standing.replaced:
            public_id = connection.execute(
                select(statements.V.public_id).where(statements.V.id == found.row.replaced_by_id)
            ).scalar_one()
            found = self.find(connection, call, Reading(public_id=public_id), index=0)
        return found

    def claim(self, connection: Connection, call: Call) -> None:
        """Become the only one at work on the call's key and receipt.

        Raises:
            Known: the key has an answer already.
            Busy: another call is at work on one of them.
        """
        bind: dict[str, Any] = {}
        if self._postgresql:
            bind = {"key_hash": call.key_hash, "other_hash": call.receipt_hash}
        if not connection.execute(statements.CLAIM[self._postgresql], bind).scalar_one():
            raise Busy
        known = connection.execute(
            statements.READ_RECORD, {"client_id": call.client.id, "key": call.key}
        ).first()
        if known is not None:
            raise Known(known.status, known.fingerprint, known.body)

    def _refuse_lapsed(self, connection: Connection, call: Call, found: Found) -> None:
        """Ask for holds that are over; only vouchers that have holds pay for the question."""
        standing = found.standing
        if found.voucher_id is None or not (standing.held or standing.held_minor):
            return
        bind = {"voucher_id": found.voucher_id, "now": call.now}
        if connection.execute(money_statements.READ_LAPSED, bind).first() is not None:
            raise Lapsed(found.voucher_id)

    def terms_of(self, connection: Connection, revision_id: int) -> Terms:
        """The terms of a revision."""
        terms = self._terms.get(revision_id)
        if terms is None:
            stored = connection.execute(
                statements.READ_REVISION, {"revision_id": revision_id}
            ).scalar_one()
            terms = self._terms[revision_id] = _TERMS.validate_python(stored)
        return terms

    def where(self, connection: Connection, client: Client, origin: Origin) -> Where:
        """Where a call comes from: what the API key is bound to, else what the call names.

        Raises:
            CallFault: store or terminal do not exist, are closed, or are not the key's.
        """
        if client.store_id is None and origin.store is None:
            return Where()
        asked = (client.store_id, client.terminal_id, origin.store, origin.terminal)
        known = self._places.get(asked)
        if known is not None and time.monotonic() - known[0] < FRESH:
            return known[1]
        where = self._where(connection, client, origin)
        if len(self._places) >= MOST_PLACES:
            self._places.clear()
        self._places[asked] = (time.monotonic(), where)
        return where

    def _where(self, connection: Connection, client: Client, origin: Origin) -> Where:
        row = connection.execute(
            statements.READ_PLACE,
            {
                "store_id": client.store_id,
                "store": None if client.store_id else origin.store,
                "terminal_id": client.terminal_id,
                "terminal": None if client.terminal_id else origin.terminal,
            },
        ).first()
        if row is None:
            raise CallFault(
                "unknown_store",
                "The store does not exist or is closed.",
                remedy="Name a store that exists, by its key.",
            )
        if origin.store is not None and origin.store != row.key:
            raise CallFault(
                "other_store",
                "The API key is bound to another store.",
                remedy="Leave the store out, or use that store's API key.",
            )
        if row.terminal_id is None and (client.terminal_id or origin.terminal) is not None:
            raise CallFault(
                "unknown_terminal",
                "The terminal does not exist in that store, or is closed.",
                remedy="Name a terminal of the store, by its key.",
            )
        if origin.terminal is not None and origin.terminal != row.terminal_key:
            raise CallFault(
                "other_terminal",
                "The API key is bound to another terminal.",
                remedy="Leave the terminal out, or use that terminal's API key.",
            )
        return Where(
            store_id=row.id,
            terminal_id=row.terminal_id,
            store=row.key,
            terminal=row.terminal_key or "",
            channel=row.channel,
            timezone=row.timezone,
            language=row.language,
        )

    def _resolve(self, connection: Connection, bind: dict[str, Any], *, by_code: bool) -> list[Any]:
        rows = list(connection.execute(statements.RESOLVE[by_code, self._postgresql], bind))
        first = rows[0]
        if first.record_body is not None:
            raise Known(first.record_status, first.record_fingerprint, first.record_body)
        if not first.mine:
            raise Busy
        return rows

    def _understand(self, connection: Connection, row: Any) -> Found:
        kind = KINDS[row.kind]
        shared = row.source == Source.SHARED
        bearer = row.recipient_id is None
        if row.voucher_id is None:
            terms = bearers.current_terms(connection, row.campaign_id, row.revision, self.terms_of)
            status, uses = "active", kind.uses(terms, code_uses=row.code_limit)
            good = window(terms.validity, ZoneInfo(row.timezone), issued_at=None)
            starts_at, ends_at = good.starts_at, good.ends_at
            balance = kind.opening_balance(terms, code_amount=row.code_amount)
            used = held = held_minor = 0
            if shared:
                uses, used, held = row.code_limit, row.code_used, row.code_held
        else:
            terms = self.terms_of(connection, row.revision_id)
            status, uses, balance = row.status, row.uses, row.balance_minor
            starts_at, ends_at = row.starts_at, row.ends_at
            used, held, held_minor = row.used, row.held, row.held_minor
        override = overrides.read(row.override, forced=bool(row.override_forced))
        ends_at = overrides.end_for(ends_at, override)
        terms = overrides.terms_for(terms, override)
        if not (kind.holds_money or (shared and bearer)):
            # The uses of a bare shared code are everybody's together: no voucher's to override.
            uses = overrides.uses_for(uses, override)
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
            bare=shared and bearer,
            budgeted=row.budget_minor is not None,
        )
        return Found(row=row, standing=standing, terms=terms)
