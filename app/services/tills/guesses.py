"""Whom a code that does not exist counts against, before and after it is looked up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from app.domain.refusals import Reason
from app.services.access import Client
from app.services.deployment import Deployment
from app.services.resolving import Reading
from app.services.tills.attempt import No
from app.services.tills.requests import Origin

#: Refusals that may be guesses.
_GUESSES = frozenset({Reason.UNKNOWN_CODE, Reason.BAD_SIGNATURE})


class Suspects:
    """Counts the guesses of one deployment's tills."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.guesses = deployment.guesses

    def check(self, client: Client, origin: Origin, reading: Reading, *, now: dt.datetime) -> None:
        """Let a code be looked up, or not; a genuine token always is.

        Raises:
            Guessing: too many codes that do not exist came from there.
        """
        if reading.public_id is None:
            self.guesses.check(_subjects(client, origin, reading.prefix), now=now)

    def count(self, client: Client, origin: Origin, prefix: str, *, now: dt.datetime) -> None:
        """Count a code that does not exist; `prefix` is its beginning.

        Raises:
            Guessing: it was one too many.
        """
        self.guesses.failed(
            _subjects(client, origin, prefix), keyring=self._deployment.keyring, now=now
        )

    def count_refused(self, client: Client, origin: Origin, no: No, *, now: dt.datetime) -> None:
        """Count a refusal, if it may have been a guess; raises as `count` does."""
        if no.refused.reason in _GUESSES:
            self.count(client, origin, no.prefix, now=now)


def _subjects(client: Client, origin: Origin, prefix: str) -> Mapping[str, str]:
    """Whom a failed look-up counts against: never the address, which other tills share.

    A terminal is one of its key's, since a call with a shared key names its own: who names a
    neighbour's makes only that name wait, under that key.
    """
    terminal = client.terminal_id or origin.terminal
    store = client.store_id or origin.store
    return {
        "terminal": f"{client.id}/{store}/{terminal}" if terminal else "",
        "key": str(client.id),
        "prefix": prefix,
    }
