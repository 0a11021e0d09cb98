"""Answering each call once: in one transaction, under its key, however often it is repeated.

An attempt ends with an answer, or with one of the exceptions of `progress`, which say what has to
be done before the next one: a bearer's voucher made, lapsed holds released, a PIN looked at, or a
moment waited for another call.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection

from app.services.access import Client
from app.services.changes import Change, Subject
from app.services.deployment import Deployment
from app.services.tills import answers, bearers, pins
from app.services.tills import sql as statements
from app.services.tills.attempt import (
    Bare,
    Busy,
    Call,
    Known,
    Lapsed,
    No,
    PinAsked,
    lock_name,
)
from app.services.tills.books import Books
from app.services.tills.guesses import Suspects
from app.services.tills.holds import Holds
from app.services.tills.lookup import Reader
from app.services.tills.requests import Answer, Origin, Reused, Running

#: How long a call waits for its twin, or for another of the same receipt (seconds).
PATIENCE = 2.0
#: Between two looks whether the twin is done (seconds).
PAUSE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What every call has: who asks, under which key, from where, for which request, when."""

    client: Client
    key: str
    origin: Origin
    #: Keyed digest of the request; a key is good for one request only.
    fingerprint: bytes
    now: dt.datetime


class Once:
    """Answers the calls of one deployment."""

    def __init__(
        self,
        deployment: Deployment,
        reader: Reader,
        books: Books,
        holds: Holds,
        suspects: Suspects,
    ) -> None:
        self._deployment = deployment
        self._database = deployment.database
        self._postgresql = not deployment.database.is_sqlite
        self._reader = reader
        self._books = books
        self._holds = holds
        self._suspects = suspects

    def answer(
        self,
        asked: Asked,
        attempt: Callable[[Connection, Call], Answer],
        *,
        verified: set[int] | None = None,
    ) -> Answer:
        """Run `attempt` in a transaction until there is an answer that is kept under the key.

        Args:
            verified: items whose PIN was looked at; added to, and read by `attempt`.

        Raises:
            Reused, Running, CallFault, Guessing, Unavailable: as `Tills.redeem` says.
        """
        now = asked.now
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with self._database.transaction() as connection:
                    call = self._call(connection, asked)
                    answer = attempt(connection, call)
                self._deployment.hints.send(
                    [Change(Subject.VOUCHER, each) for each in call.changed]
                )
                return answer
            except Known as known:
                return _replay(known, asked.fingerprint)
            except Bare as bare:
                self.make_bearer(bare.code_id, now=now)
            except Lapsed as lapsed:
                self.released(lapsed.voucher_id, now=now)
            except PinAsked as pin:
                wrong = pins.verify(self._database, self._deployment.keyring, pin)
                if wrong is not None:
                    return self._refuse(No(wrong, pin.found), asked)
                if verified is not None:
                    verified.add(pin.index)
            except Busy:
                if time.monotonic() >= deadline:
                    raise Running from None
                time.sleep(PAUSE)
            except No as no:
                return self._refuse(no, asked)

    def _refuse(self, no: No, asked: Asked) -> Answer:
        """Keep a refusal under its key, like a success."""
        self._suspects.count_refused(asked.client, asked.origin, no, now=asked.now)
        try:
            with self._database.transaction() as connection:
                call = self._call(connection, asked)
                body = orjson.dumps(answers.refusal(connection, call, no)).decode()
                if no.found is not None:
                    self._books.note(
                        connection, call, no.found, kind="refused", reason=no.refused.reason
                    )
                self._books.keep(connection, call, body=body, fingerprint=asked.fingerprint)
            return Answer(status=200, body=body)
        except Known as known:
            return _replay(known, asked.fingerprint)

    def _call(self, connection: Connection, asked: Asked) -> Call:
        where = self._reader.where(connection, asked.client, asked.origin)
        return Call(
            client=asked.client, key=asked.key, where=where, origin=asked.origin, now=asked.now
        )

    def by_key(self, client: Client, key: str) -> Answer | None:
        """The answer that a call under `key` got, if it was ever worked on.

        Raises:
            Running: it still is.
        """
        bind = {}
        if self._postgresql:
            bind = {"key_hash": lock_name("key", str(client.id), key), "other_hash": None}
        deadline = time.monotonic() + PATIENCE
        while True:
            with self._database.reading() as connection:
                if connection.execute(statements.CLAIM[self._postgresql], bind).scalar_one():
                    row = connection.execute(
                        statements.READ_RECORD, {"client_id": client.id, "key": key}
                    ).first()
                    if row is None:
                        return None
                    return Answer(status=row.status or 200, body=row.body, replayed=True)
            if time.monotonic() >= deadline:
                raise Running
            time.sleep(PAUSE)

    def released(self, voucher_id: int, *, now: dt.datetime) -> int:
        """Release what is over of one voucher; returns how much there was."""
        for _ in range(3):
            try:
                with self._database.transaction() as connection:
                    return self._holds.release_lapsed(connection, voucher_id, now=now)
            except Busy:
                # Somebody settled one of them meanwhile.
                continue
        return 0

    def make_bearer(self, code_id: int, *, now: dt.datetime) -> None:
        """Give a code that has no voucher one for whoever bears it."""
        with self._database.transaction() as connection:
            bearers.ensure(
                connection,
                code_id,
                terms_of=self._reader.terms_of,
                key_id=self._deployment.keyring.newest,
                now=now,
                postgresql=self._postgresql,
            )


def _replay(known: Known, fingerprint: bytes) -> Answer:
    if known.status and known.fingerprint != fingerprint:
        raise Reused
    return Answer(status=known.status or 200, body=known.body, replayed=True)
