"""The desk of a deployment's tills: answers each call once, however often it is repeated.

A call is attempted in one transaction, under its key, until it has an answer. An attempt that ends
without one leaves nothing behind: what `Again` asks for is done and the call attempted again; a
refusal is kept under the key like a success.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from typing import TypeVar
from uuid import UUID

from app.domain.baskets import Basket
from app.domain.refusals import Reason
from app.services import resolving
from app.services.access import Client
from app.services.changes import Change, Subject
from app.services.deployment import Deployment
from app.services.resolving import ScannedPayload
from app.services.tills import (
    answers,
    bearers,
    cards,
    decision,
    holds,
    housekeeping,
    pins,
    redemptions,
    reversals,
)
from app.services.tills.attempt import Attempt, Call
from app.services.tills.endings import WAIT, Again, First, RefusedCall, Undone
from app.services.tills.expiry import expire
from app.services.tills.memory import Memory
from app.services.tills.requests import (
    Answer,
    Capture,
    CardCall,
    Origin,
    Redemption,
    Refund,
    Reversal,
    Running,
    ScannedItem,
    Where,
)
from app.store.session import Unavailable

#: How long a call waits for its twin, or for another of the same receipt (seconds).
PATIENCE = 2.0
#: Between two looks whether the twin is done (seconds).
PAUSE = 0.02
#: Who releases what lapsed: the service itself, not a till.
CLOCK = Client(id=0, name="clock", scopes=frozenset())
#: Refusals that may be guesses.
_GUESSES = frozenset({Reason.UNKNOWN_CODE, Reason.BAD_SIGNATURE})

Asked = TypeVar("Asked")
Done = TypeVar("Done")


class Tills:
    """What tills may ask of a deployment; one for each, safe to share between threads.

    Every call raises:
        CallFault: store or terminal do not exist or are not the key's.
        Guessing: too many codes that do not exist came from there.
        Reused: the key was used for another request.
        Running: a call with the key is still at work after two seconds.
        Unavailable: whether anything was written is unknown; send the same again.

    Args:
        deployment: settings, database, keys and clock.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._database = deployment.database
        self._memory = Memory()

    def scan(
        self, client: Client, item: ScannedItem, *, origin: Origin, basket: Basket | None
    ) -> Answer:
        """Say what this is and what would happen; changes no entitlement, is recorded."""
        call = Call(client=client, origin=origin, now=self._deployment.now())
        reading = self._read(call, item.barcode)
        asked = decision.Undecided(items=[item], readings=[reading], basket=basket, probing=True)
        return self._answer(redemptions.scan, asked, call)

    def redeem(
        self, client: Client, key: str, redemption: Redemption, *, fingerprint: bytes
    ) -> Answer:
        """Redeem every item, in order, or none.

        Args:
            key: the till's idempotency key.
            fingerprint: keyed digest of the request; a key is good for one request only.
        """
        call = self._call(client, key, redemption.origin, fingerprint)
        readings = [self._read(call, item.barcode) for item in redemption.items]
        asked = decision.Undecided(
            items=redemption.items,
            readings=readings,
            basket=redemption.basket,
            override=redemption.override,
            hold=redemption.hold,
        )
        return self._answer(redemptions.redeem, asked, call)

    def capture(self, client: Client, key: str, capture: Capture, *, fingerprint: bytes) -> Answer:
        """Redeem what a hold set aside, all or a part."""
        call = self._call(client, key, capture.origin, fingerprint)
        return self._answer(holds.capture, capture, call)

    def void(
        self, client: Client, key: str, hold_id: UUID, *, origin: Origin, fingerprint: bytes
    ) -> Answer:
        """Give back what a hold set aside."""
        call = self._call(client, key, origin, fingerprint)
        return self._answer(holds.void, hold_id, call)

    def card(self, client: Client, key: str, card: CardCall, *, fingerprint: bytes) -> Answer:
        """Activate, load, adjust, block, unblock or deactivate."""
        call = self._call(client, key, card.origin, fingerprint)
        asked = cards.ReadCard(card=card, reading=self._read(call, card.barcode))
        return self._answer(cards.act, asked, call)

    def refund(self, client: Client, key: str, refund: Refund, *, fingerprint: bytes) -> Answer:
        """Give money of a redemption back, all or a part."""
        call = self._call(client, key, refund.origin, fingerprint)
        return self._answer(reversals.refund, refund, call)

    def reverse(
        self, client: Client, key: str, reversal: Reversal, *, fingerprint: bytes
    ) -> Answer:
        """Take back a redemption, or all that a call took."""
        call = self._call(client, key, reversal.origin, fingerprint)
        return self._answer(reversals.reverse, reversal, call)

    def by_key(self, client: Client, key: str) -> Answer | None:
        """The answer that a call under `key` got, if it was ever worked on."""
        call = Call(client=client, key=key, now=self._deployment.now())
        found = self.attempted(_kept, key, call, where=Where(), reading=True)
        return found if isinstance(found, Answer) else None

    def released(self, voucher_id: int, *, now: dt.datetime) -> int:
        """Release holds of one voucher whose time is over; returns how many there were."""
        call = Call(client=CLOCK, now=now)
        try:
            done = self.attempted(housekeeping.release, voucher_id, call, where=Where())
        except Running:
            # Others settle them all the time.
            return 0
        return done if isinstance(done, int) else 0

    def release_lapsed(self, *, now: dt.datetime, limit: int = 1_000) -> int:
        """Release holds whose time is over and expire cards whose time is; returns how many.

        For the clock. Each voucher is a short transaction of its own; what is left over when
        `limit` vouchers were done is done the next time.
        """
        held, ended = housekeeping.due(self._database, now=now, limit=limit)
        done = sum(self.released(voucher_id, now=now) for voucher_id in held)
        call = Call(client=CLOCK, now=now)
        for voucher_id in ended:
            expired = self.attempted(expire, voucher_id, call, where=Where())
            done += isinstance(expired, int) and expired > 0
        return done

    def forget(self) -> int:
        """Remove idempotency keys that no till may repeat any more; returns how many."""
        return housekeeping.forget_keys(self._database, now=self._deployment.now())

    # -- attempts --

    def attempted(
        self,
        act: Callable[[Attempt, Asked], Done | RefusedCall | Again],
        asked: Asked,
        call: Call,
        *,
        where: Where | None = None,
        reading: bool = False,
    ) -> Done | Answer | RefusedCall:
        """Attempt something in a transaction until it is done or refused.

        Args:
            where: where the call comes from; asked of the key and the call if not given.
            reading: whether it writes nothing.

        Raises:
            Running: another call was at work all the time.
        """
        deadline = time.monotonic() + PATIENCE
        verified: frozenset[int] = frozenset()
        begin = self._database.reading if reading else self._database.transaction
        while True:
            ending: Done | Answer | RefusedCall | Again
            try:
                with begin() as connection:
                    attempt = Attempt(
                        connection=connection,
                        call=call,
                        where=where or self._memory.where(connection, call.client, call.origin),
                        memory=self._memory,
                        key_id=self._deployment.keyring.newest,
                        verified=verified,
                    )
                    ending = act(attempt, asked)
                    if isinstance(ending, (RefusedCall, Again)):
                        raise Undone(ending)
                    attempt.write()
                changed = [Change(Subject.VOUCHER, each) for each in attempt.changed]
                self._deployment.hints.send(changed)
                return ending
            except Undone as undone:
                ending = undone.ending
            if not isinstance(ending, Again):
                return ending
            if ending is WAIT and time.monotonic() >= deadline:
                raise Running
            if (refused := self._do_first(ending, now=call.now)) is not None:
                return refused
            verified |= {ending.item} if ending.first is First.VERIFY_PIN else set()

    def _do_first(self, again: Again, *, now: dt.datetime) -> RefusedCall | None:
        """Do what has to be done before the next attempt; the refusal when it ends the call.

        Raises:
            Unavailable: holds that are over cannot be released.
        """
        if again.first is First.VERIFY_PIN:
            return pins.verify(self._database, self._deployment.keyring, again)
        if again.first is First.MAKE_BEARER:
            call = Call(client=CLOCK, now=now)
            self.attempted(bearers.make, again.row_id, call, where=Where())
        elif again.first is First.RELEASE:
            call = Call(client=CLOCK, now=now)
            try:
                self.attempted(housekeeping.release, again.row_id, call, where=Where())
            except Running:
                # The next attempt would only ask for it again, and so for ever.
                raise Unavailable("The voucher is at work elsewhere.") from None
        else:
            time.sleep(PAUSE)
        return None

    def _answer(
        self,
        act: Callable[[Attempt, Asked], Answer | RefusedCall | Again],
        asked: Asked,
        call: Call,
    ) -> Answer:
        """The answer of a call; a refusal is kept like a success."""
        done = self.attempted(act, asked, call)
        while isinstance(done, RefusedCall):
            if done.refused.reason in _GUESSES:
                self.count_guess(call, done.prefix)
            done = self.attempted(_refuse, done, call)
        return done

    def _call(self, client: Client, key: str, origin: Origin, fingerprint: bytes) -> Call:
        return Call(
            client=client,
            key=key,
            origin=origin,
            fingerprint=fingerprint,
            now=self._deployment.now(),
        )

    # -- guesses --

    def check_guess(self, call: Call, reading: ScannedPayload) -> None:
        """Let a code be looked up, or not; a genuine token always is.

        Raises:
            Guessing: too many codes that do not exist came from there.
        """
        if reading.public_id is None:
            subjects = _subjects(call, reading.prefix)
            self._deployment.guesses.check(subjects, now=call.now)

    def count_guess(self, call: Call, prefix: str) -> None:
        """Count a code that does not exist; `prefix` is its beginning.

        Raises:
            Guessing: it was one too many.
        """
        subjects, keyring = _subjects(call, prefix), self._deployment.keyring
        self._deployment.guesses.failed(subjects, keyring=keyring, now=call.now)

    def _read(self, call: Call, barcode: str) -> ScannedPayload:
        reading = resolving.read(self._deployment.keyring, barcode)
        self.check_guess(call, reading)
        return reading


def _subjects(call: Call, prefix: str) -> Mapping[str, str]:
    """Whom a failed look-up counts against: never the address, which other tills share.

    A terminal is one of its key's, since a call with a shared key names its own: who names a
    neighbour's makes only that name wait, under that key.
    """
    client, origin = call.client, call.origin
    terminal = client.terminal_id or origin.terminal
    store = client.store_id or origin.store
    return {
        "terminal": f"{client.id}/{store}/{terminal}" if terminal else "",
        "key": str(client.id),
        "prefix": prefix,
    }


def _refuse(attempt: Attempt, no: RefusedCall) -> Answer:
    """Answer a refusal, and note it on its voucher; a scan says that it was one."""
    body = answers.refusal(attempt, no)
    if no.found is not None:
        attempt.note(no.found, "refused" if attempt.call.key else "scanned", no.refused.reason)
    return attempt.answer(body)


def _kept(attempt: Attempt, key: str) -> Answer | Again | None:
    """The answer that is kept under a key, once nobody works on it."""
    if not attempt.is_mine(None):
        return WAIT
    record = attempt.record(key)
    if record is None:
        return None
    return Answer(status=record.status or 200, body=record.body, replayed=True)


def release_lapsed(deployment: Deployment, now: dt.datetime) -> int:
    """Release holds whose time is over and expire cards whose time is; returns how many.

    For the worker's clock, every minute or so.
    """
    return Tills(deployment).release_lapsed(now=now)
