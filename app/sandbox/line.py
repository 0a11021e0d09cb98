"""The way to a web service, shared by many phones, and as bad as it is told to be."""

import random
from dataclasses import dataclass

import urllib3


class Lost(Exception):
    """The request or its answer got lost on the way."""


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """What came back from the web service."""

    status: int
    headers: dict[str, str]
    body: bytes


class LossyLine:
    """Sends requests, of which some get lost or arrive twice.

    `lose` is the share of requests that never arrive and, as often again, of answers that never
    come back; `double` the share of requests that arrive twice.
    """

    def __init__(
        self,
        *,
        chance: random.Random | None = None,
        lose: float = 0.0,
        double: float = 0.0,
        connections: int = 8,
    ) -> None:
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            block=True,
            retries=False,
            timeout=urllib3.Timeout(connect=5, read=30),
            cert_reqs="CERT_REQUIRED",
        )
        self._chance = chance or random.Random()  # noqa: S311
        self.lose = lose
        self.double = double

    def request(
        self, method: str, url: str, *, headers: dict[str, str], body: bytes | None = None
    ) -> ServiceAnswer:
        """Send it and return the answer; `Lost` if there was none."""
        if self._chance.random() < self.lose:
            raise Lost("the request got lost")
        answer = self._once(method, url, headers, body)
        if self._chance.random() < self.double:
            answer = self._once(method, url, headers, body)
        if self._chance.random() < self.lose:
            raise Lost("the answer got lost")
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _once(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> ServiceAnswer:
        try:
            # A redirect would lose the Authorization header: Wallet does not follow one.
            response = self._pool.request(
                method, url, headers=headers, body=body, redirect=False, preload_content=True
            )
        except urllib3.exceptions.HTTPError as fault:
            raise Lost(type(fault).__name__) from fault
        return ServiceAnswer(
            response.status, {k.lower(): v for k, v in response.headers.items()}, response.data
        )
