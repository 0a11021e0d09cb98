"""The tills of a deployment: scan, redeem, take back, and answer a repeated call as before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection, delete

from app.domain import overrides
from app.domain.baskets import Basket
from app.domain.campaign import Terms
from app.services import resolving, security
from app.services.access import Client
from app.services.deployment import Deployment
from app.services.resolving import Reading
from app.services.security import Actor
from app.services.tills import answers, baskets, pins, redemptions
from app.services.tills import sql as statements
from app.services.tills.attempt import (
    Bare,
    Call,
    Found,
    Grant,
    Lapsed,
    No,
)
from app.services.tills.books import KEPT, Books
from app.services.tills.cards import Cards
from app.services.tills.decision import Till
from app.services.tills.guesses import Suspects
from app.services.tills.holds import CLOCK, Holds
from app.services.tills.lookup import Reader
from app.services.tills.once import Asked, Once
from app.services.tills.operator_caps import Caps
from app.services.tills.replacements import Replacing
from app.services.tills.requests import (
    Answer,
    Capture,
    CardAction,
    CardCall,
    Item,
    Origin,
    Override,
    Redemption,
    Refund,
    Reversal,
    Where,
)
from app.services.tills.reversals import Reverser
from app.services.tills.setting_aside import SettingAside
from app.services.tills.sql import holds as money_statements
from app.store.models import new_id


class Tills:
    """What tills may ask of a deployment; one for each, safe to share between threads.

    Args:
        deployment: settings, database, keys and clock.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._database = deployment.database
        self._postgresql = not deployment.database.is_sqlite
        self._reader = Reader(postgresql=self._postgresql)
        self._books = Books(postgresql=self._postgresql)
        self._holds = Holds(self._reader, self._books, postgresql=self._postgresql)
        self._aside = SettingAside(self._books, postgresql=self._postgresql)
        replacing = Replacing(self._reader, postgresql=self._postgresql)
        caps = Caps(postgresql=self._postgresql)
        self._cards = Cards(self._reader, self._books, replacing, caps)
        self._reverser = Reverser(
            self._reader,
            self._books,
            self._holds,
            replacing,
            caps,
            postgresql=self._postgresql,
        )
        self.suspects = Suspects(deployment)
        self._once = Once(deployment, self._reader, self._books, self._holds, self.suspects)

    def scan(self, client: Client, item: Item, *, origin: Origin, basket: Basket | None) -> Answer:
        """What this is and what would happen; changes no entitlement, is recorded.

        Raises:
            CallFault: store or terminal do not exist or are not the key's.
            Guessing: too many codes that do not exist came from there.
        """
        now = self._deployment.now()
        reading = self._read(client, item, origin, now=now)
        try:
            return self._scan(client, item, reading, origin=origin, basket=basket, now=now)
        except Lapsed as lapsed:
            self.released(lapsed.voucher_id, now=now)
            return self._scan(client, item, reading, origin=origin, basket=basket, now=now)

    def _scan(
        self,
        client: Client,
        item: Item,
        reading: Reading,
        *,
        origin: Origin,
        basket: Basket | None,
        now: dt.datetime,
    ) -> Answer:
        refused: No | None = None
        found: Found | None
        with self._database.transaction() as connection:
            where = self._reader.where(connection, client, origin)
            call = Call(client=client, key="", where=where, origin=origin, now=now)
            try:
                found = self._reader.find(connection, call, reading, index=0)
                grant = Till(
                    call, basket, on_receipt=self._on_receipt(connection, call, found), probing=True
                ).decide(found, item, index=0)
            except No as no:
                refused, found = no, no.found
                answer = answers.refusal(connection, call, no)
            else:
                answer = {
                    "outcome": "accepted",
                    "voucher": answers.voucher(found),
                    "discount": answers.discount(grant, basket),
                }
            if found is not None:
                reason = refused.refused.reason if refused else None
                self._books.note(connection, call, found, kind="scanned", reason=reason)
        if refused is not None:
            self.suspects.count_refused(client, origin, refused, now=now)
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
            Guessing: too many codes that do not exist came from there.
            Unavailable: whether anything was written is unknown; send the same again.
        """
        now = self._deployment.now()
        origin = redemption.origin
        verified: set[int] = set()
        readings = [self._read(client, item, origin, now=now) for item in redemption.items]

        def attempt(connection: Connection, call: Call) -> Answer:
            till: Till | None = None
            grants = []
            for index, (item, reading) in enumerate(zip(redemption.items, readings, strict=True)):
                found = self._reader.find(connection, call, reading, index=index)
                if till is None:
                    till = Till(
                        call,
                        redemption.basket,
                        override=redemption.override,
                        on_receipt=self._on_receipt(connection, call, found),
                    )
                grant = till.decide(found, item, index=index)
                if found.voucher_id is None:
                    raise Bare(found.row.code_id)
                pins.ask(grant, item, verified=verified)
                grants.append(grant)
            if redemption.override is not None:
                _record_override(connection, call, redemption.override, grants)
            if redemption.hold is not None:
                return self._aside.hold(
                    connection,
                    call,
                    grants,
                    ttl=redemption.hold,
                    basket=redemption.basket,
                    fingerprint=fingerprint,
                )
            taken = redemptions.take(connection, call, grants, postgresql=self._postgresql)
            entries, events = [], []
            ids = [new_id() for _ in grants]
            shares = baskets.shares(grants, ids, redemption.basket, in_parts=False)
            for grant, id_, share in zip(grants, ids, shares, strict=True):
                after = taken[grant.found.row.voucher_id]
                entry = redemptions.entry_of(
                    call,
                    grant,
                    after,
                    override=redemption.override,
                    basket=redemption.basket,
                    share=share,
                    id=id_,
                )
                entries.append(entry)
                events.append(redemptions.event_of(call, grant, after, entry, share=share))
            body = redemptions.body_of(grants, taken, entries, redemption.basket)
            self._books.book(
                connection, call, entries=entries, events=events, body=body, fingerprint=fingerprint
            )
            return Answer(status=200, body=body)

        asked = self._asked(client, key, origin, fingerprint, now=now)
        return self._once.answer(asked, attempt, verified=verified)

    def capture(self, client: Client, key: str, capture: Capture, *, fingerprint: bytes) -> Answer:
        """Redeem what a hold set aside, all or a part; raises as `redeem` does."""
        return self._once.answer(
            self._asked(client, key, capture.origin, fingerprint),
            lambda connection, call: self._holds.capture(
                connection, call, capture, fingerprint=fingerprint
            ),
        )

    def void(
        self, client: Client, key: str, hold_id: UUID, *, origin: Origin, fingerprint: bytes
    ) -> Answer:
        """Give back what a hold set aside; raises as `redeem` does."""
        return self._once.answer(
            self._asked(client, key, origin, fingerprint),
            lambda connection, call: self._holds.void(
                connection, call, hold_id, fingerprint=fingerprint
            ),
        )

    def card(self, client: Client, key: str, asked: CardCall, *, fingerprint: bytes) -> Answer:
        """Activate, load, adjust, block, unblock or deactivate; raises as `redeem` does."""
        now = self._deployment.now()
        reading = self._read(client, Item(barcode=asked.barcode), asked.origin, now=now)

        def attempt(connection: Connection, call: Call) -> Answer:
            found = self._reader.find(connection, call, reading, index=0)
            if asked.action is CardAction.BLOCK:
                # Who blocks what was stolen may have its old number alone; that takes from nobody.
                found = self._reader.standing_for(connection, call, found)
            if found.voucher_id is None:
                raise Bare(found.row.code_id)
            return self._cards.act(connection, call, asked, found, fingerprint=fingerprint)

        return self._once.answer(
            self._asked(client, key, asked.origin, fingerprint, now=now), attempt
        )

    def refund(self, client: Client, key: str, refund: Refund, *, fingerprint: bytes) -> Answer:
        """Give money of a redemption back, all or a part; raises as `redeem` does."""
        key_id = self._deployment.keyring.newest

        return self._once.answer(
            self._asked(client, key, refund.origin, fingerprint),
            lambda connection, call: self._cards.refund(
                connection, call, refund, key_id=key_id, fingerprint=fingerprint
            ),
        )

    def release_lapsed(self, *, now: dt.datetime, limit: int = 1_000) -> int:
        """Release holds whose time is over and expire cards whose time is; returns how many.

        For the clock. Each voucher is a short transaction of its own; what is left over when
        `limit` vouchers were done is done the next time.
        """
        done = 0
        with self._database.reading() as connection:
            bind: dict[str, Any] = {"now": now, "count": limit}
            held = list(connection.execute(money_statements.READ_DUE_HOLDS, bind).scalars())
            moved = connection.execute(money_statements.READ_OVERRIDES).all()
            protected, recalled = [], []
            for row in moved:
                override = overrides.read(row.override, forced=bool(row.override_forced))
                if override is None or override.ends_at is None:
                    continue
                if override.ends_at > now:
                    protected.append(row.id)
                elif "ends_at" in override.forced:
                    recalled.append(row.id)
            bind |= {"protected": protected, "recalled": recalled}
            due = (money_statements.READ_DUE_CARDS, money_statements.READ_RECALLED_CARDS)
            # A card may be due in both ways.
            ended = dict.fromkeys(
                each for found in due for each in connection.execute(found, bind).scalars()
            )
        for voucher_id in held:
            done += self.released(voucher_id, now=now)
        for voucher_id in ended:
            by = Call(client=CLOCK, key="", where=Where(), origin=Origin(), now=now)
            with self._database.transaction() as connection:
                done += self._holds.expire(connection, voucher_id, by) > 0
        return done

    def reverse(
        self, client: Client, key: str, reversal: Reversal, *, fingerprint: bytes
    ) -> Answer:
        """Take back a redemption, or all that a call took; raises as `redeem` does."""
        key_id = self._deployment.keyring.newest

        return self._once.answer(
            self._asked(client, key, reversal.origin, fingerprint),
            lambda connection, call: self._reverser.reverse(
                connection, call, reversal, key_id=key_id, fingerprint=fingerprint
            ),
        )

    def by_key(self, client: Client, key: str) -> Answer | None:
        """The answer that a call under `key` got, if it was ever worked on.

        Raises:
            Running: it still is.
        """
        return self._once.by_key(client, key)

    def released(self, voucher_id: int, *, now: dt.datetime) -> int:
        """Release what is over of one voucher; returns how much there was."""
        return self._once.released(voucher_id, now=now)

    def make_bearer(self, code_id: int, *, now: dt.datetime) -> None:
        """Give a code that has no voucher one for whoever bears it."""
        self._once.make_bearer(code_id, now=now)

    def forget(self) -> int:
        """Remove idempotency keys that no till may repeat any more; returns how many."""
        with self._database.transaction() as connection:
            old = statements.R.created_at < self._deployment.now() - KEPT
            return connection.execute(delete(statements.RECORD).where(old)).rowcount

    def _asked(
        self,
        client: Client,
        key: str,
        origin: Origin,
        fingerprint: bytes,
        *,
        now: dt.datetime | None = None,
    ) -> Asked:
        return Asked(
            client=client,
            key=key,
            origin=origin,
            fingerprint=fingerprint,
            now=now or self._deployment.now(),
        )

    def _on_receipt(self, connection: Connection, call: Call, found: Found) -> list[Terms]:
        """Terms of the coupons that the receipt has already; asked only when it has some."""
        if not found.row.receipt_seen:
            return []
        rows = connection.execute(
            statements.READ_RECEIPT,
            {
                "receipt": call.origin.receipt,
                "store_id": call.where.store_id,
                "now": call.now,
            },
        )
        return [self._reader.terms_of(connection, row.revision_id) for row in rows.all()]

    def _read(self, client: Client, item: Item, origin: Origin, *, now: dt.datetime) -> Reading:
        reading = resolving.read(self._deployment.keyring, item.barcode)
        self.suspects.check(client, origin, reading, now=now)
        return reading


def _record_override(
    connection: Connection, call: Call, override: Override, grants: Sequence[Grant]
) -> None:
    """Record a supervisor's word, whether or not it was needed."""
    security.record(
        connection,
        security.Kind.REFUSAL_OVERRIDDEN,
        now=call.now,
        object=f"voucher {', '.join(grant.found.serial or '–' for grant in grants)}",
        reason=f"{', '.join(sorted(override.reasons))}: {override.because}",
        by=Actor(
            key_prefix=call.client.prefix or None,
            terminal="/".join(filter(None, (call.where.store, call.where.terminal))) or None,
            operator=call.origin.operator,
            address=call.origin.address or None,
        ),
    )


def release_lapsed(deployment: Deployment, now: dt.datetime) -> int:
    """Release holds whose time is over and expire cards whose time is; returns how many.

    For the worker's clock, every minute or so; a till's next write does the same for its voucher,
    so that nothing depends on the clock but the books of cards that nobody uses.
    """
    return Tills(deployment).release_lapsed(now=now)
