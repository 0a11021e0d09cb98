"""A deployment holds settings, database, keys and clock; every use case is given it.

One deployment serves one retailer. Opening it touches neither disk nor network; the keyring is
read from the database when first needed, so that a service whose database is down starts, says so
at `/readyz`, and answers 503 until it is back.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

from app.services import keys
from app.services.access import Doorkeeper
from app.services.certificates import Certificates
from app.services.guesses import Guesses
from app.services.hints import Hints
from app.services.priority import Precedence
from app.services.security import Counting
from app.settings import Settings
from app.store.keyring import Keyring
from app.store.session import Database

Clock = Callable[[], dt.datetime]


def utc_now() -> dt.datetime:
    """The server's clock, which decides."""
    return dt.datetime.now(dt.UTC)


#: Connections kept for the threads of a worker in the same process, beside one for each thread that
#: serves. Opening one for each use instead costs PostgreSQL more than the use.
BESIDE = 8


class Deployment:
    """What use cases need of their surroundings.

    Args:
        settings: the deployment's settings.
        clock: the present moment; tests pass their own.
    """

    def __init__(self, settings: Settings, *, clock: Clock = utc_now) -> None:
        self.settings = settings
        self.database = Database(settings.database_url, pool_size=settings.threads + BESIDE)
        self.security = Counting(self.database, clock)
        self.doorkeeper = Doorkeeper(self.database, self.security)
        self.guesses = Guesses(self.database)
        self.hints = Hints(settings.queue_url)
        self.database.committed = self.hints.send
        self.clock = clock
        self.precedence = Precedence()
        self.certificates = Certificates(settings, clock=clock)
        #: The header by which a proxy showed itself that the settings do not declare.
        self.undeclared_proxy: str | None = None
        self._keyring: Keyring | None = None
        self._opening = threading.Lock()

    def now(self) -> dt.datetime:
        return self.clock()

    @property
    def keyring(self) -> Keyring:
        """The keys of this deployment, checked against those that the database was made with.

        Raises:
            KeyFault: a key is missing or is another one under the same id.
        """
        if self._keyring is None:
            with self._opening:
                if self._keyring is None:
                    self._keyring = keys.open_keyring(
                        self.database, self.settings.master_keys, now=self.now()
                    )
        return self._keyring

    def close(self) -> None:
        self.security.close()
        self.hints.close()
        self.database.close()
