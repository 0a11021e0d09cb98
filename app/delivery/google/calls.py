"""The way to Google that every thread of a worker shares: its pace, its token, its refusals.

Calls go out at the rate agreed between all workers; when Google says that it is called
too often, all of them pause; when it refuses the account, nothing is sent until a pause is over or
the key file was replaced. What can wait (`spare`) is called about with what the urgent calls
leave over. It does not wait longer than moments for a turn; `RateExhausted` then says to come back.
"""

from __future__ import annotations

import datetime as dt
import random
import threading
import time
from collections.abc import Callable

from app.delivery.engine import Rest
from app.delivery.google.oauth import AccessTokens
from app.delivery.google.rest import GoogleAnswer, ResourceVerdict, WalletApi, outcome
from app.delivery.outcomes import Outcome, Retry, StopSender
from app.delivery.pace import SharedPace
from app.services.certificates import CertificateFault
from app.services.deployment import Deployment
from app.settings import Settings

#: Where Google is, unless a stand-in takes its place.
GOOGLE = Settings().google_api_url
#: How long a refused account is left alone before it is tried again.
STOPPED_FOR = dt.timedelta(minutes=5)
#: How far ahead a turn may lie.
AHEAD = dt.timedelta(seconds=2)
#: How long what can wait waits for a turn that nobody needs more.
PATIENCE = dt.timedelta(seconds=10)
#: When something that found no turn comes back.
LATER = dt.timedelta(milliseconds=300)


class RateExhausted(Exception):
    """Google's rate is taken up for the next moments."""


class Calls:
    """One worker's way to Google; ``sleep`` and ``jitter`` are there for tests to replace.

    ``spare`` makes calls only with what is left over of the rate.
    """

    def __init__(
        self,
        deployment: Deployment,
        *,
        rate: float | None = None,
        spare: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.deployment = deployment
        self.pace = SharedPace(
            deployment.database, name="google", rate=rate or deployment.settings.google_rate
        )
        self.spare = spare
        self._tokens = AccessTokens(lambda: deployment.certificates.account)
        self._sleep = sleep
        self._jitter = jitter
        self._guard = threading.Lock()
        self._stopped: tuple[dt.datetime, StopSender, object] | None = None
        self._threads = threading.local()
        self._apis: list[WalletApi] = []

    @property
    def api(self) -> WalletApi:
        """The present thread's client."""
        api: WalletApi | None = getattr(self._threads, "api", None)
        if api is None:
            api = WalletApi(
                self.deployment.settings.google_api_url,
                tokens=self._tokens,
                clock=self.deployment.now,
            )
            self._threads.api = api
            with self._guard:
                self._apis.append(api)
        return api

    def rest(self) -> Rest | None:
        """Say why nothing is sent at the moment, and what to do about it."""
        try:
            account = self.deployment.certificates.account
        except CertificateFault as fault:
            return Rest(STOPPED_FOR, str(fault))
        if account.throwaway and self.deployment.settings.google_api_url == GOOGLE:
            return Rest(
                STOPPED_FOR,
                "Google does not know the throw-away service account.",
                "Put the real one into PASSERELLE_CERTS; `passerelle certs` leads to it.",
            )
        with self._guard:
            if self._stopped is None:
                return None
            until, stop, refused = self._stopped
            left = until - self.deployment.now()
            if left <= dt.timedelta(0) or refused is not account:
                self._stopped = None
                return None
            return Rest(left, stop.reason, stop.remedy)

    def paced(self, call: Callable[[], GoogleAnswer]) -> GoogleAnswer:
        """Make a call when its turn comes.

        Raises:
            RateExhausted: its turn is too far off.
        """
        self.wait_for(1)
        answer = call()
        self.heed(answer)
        return answer

    def wait_for(self, count: int) -> None:
        """Wait until ``count`` calls may be made at once.

        Raises:
            RateExhausted: that is too far off.
        """
        if self.spare:
            self._wait_for_spare(count)
            return
        slots = self.pace.reserve(count, now=self.deployment.now(), within=AHEAD)
        if slots is None:
            raise RateExhausted
        wait = (slots.at(count - 1) - self.deployment.now()).total_seconds()
        if wait > 0:
            self._sleep(wait)

    def _wait_for_spare(self, count: int) -> None:
        until = self.deployment.now() + PATIENCE
        while wait := self.pace.take_spare(count, now=self.deployment.now()).total_seconds():
            if self.deployment.now() >= until:
                raise RateExhausted
            # Several wait for the same moment, and the first of them takes it.
            self._sleep(min(wait * (1 + 0.2 * self._jitter()), PATIENCE.total_seconds()))

    def heed(self, answer: GoogleAnswer) -> None:
        """Let every worker pause when Google says that it is called too often."""
        if answer.verdict is ResourceVerdict.BUSY:
            pause = answer.retry_after or dt.timedelta(seconds=1)
            self.pace.hold_back(self.deployment.now() + pause)

    def outcome(self, answer: GoogleAnswer, attempts: int) -> Outcome:
        """Say what to do after an answer; a refused account stops this worker's calls."""
        if answer.verdict is ResourceVerdict.BUSY:
            # All pause as Google asked: this one's turn comes with the others'.
            return Retry(LATER, answer.reason)
        found = outcome(answer, attempts=attempts, jitter=self._jitter)
        if isinstance(found, StopSender):
            with self._guard:
                self._stopped = (
                    self.deployment.now() + STOPPED_FOR,
                    found,
                    self.deployment.certificates.account,
                )
        return found

    def close(self) -> None:
        """Close every thread's connections."""
        with self._guard:
            for api in self._apis:
                api.close()
            self._apis.clear()
        self._threads = threading.local()
