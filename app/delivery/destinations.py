"""Where webhooks may go: a host is resolved, its address judged, and the judged address dialled.

No request of a customer's making reaches the deployment's own network: private,
loopback, link-local (cloud metadata) and reserved addresses are refused unless the operator names
their network in PASSERELLE_WEBHOOK_ALLOW. The address that was judged is the one that is dialled,
so that a name which resolves anew to another address gains nothing; certificates are still checked
against the name. Redirects are not followed. Resolving and posting each end within their seconds,
whatever the receiver does.
Refuses: plain http to any address that the operator did not name.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

from app.delivery.wire import Unanswered, Wire

Address = IPv4Address | IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], list[str]]

#: Seconds in which a host has to resolve, and in which a post has to be answered, all included.
RESOLVE_SECONDS = 5.0
POST_SECONDS = 15.0
#: Bytes of an answer that are read so that the connection can be used again.
_READ = 65_536
#: IPv6 prefixes that lead to an IPv4 address in their last 32 bits (NAT64, RFC 6052 and 8215).
_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


@dataclass(frozen=True, slots=True)
class DestinationRefusal:
    """Why an address is not dialled."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A receiver's answer: its status, and the seconds that it asks to wait, if it does."""

    status: int
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Unreachable:
    """There was no answer."""

    reason: str


def is_public(address: Address) -> bool:
    """Whether an address is on the internet, seen through every form that wraps another."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and any(address in network for network in _TRANSLATED):
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is None and address.teredo is not None:
            return False
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system resolves it.

    Raises:
        OSError: it has none, or they did not come in time.
    """
    found: list[str] = []
    faults: list[Exception] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(each[4][0]) for each in answers))
        except (OSError, UnicodeError) as fault:
            faults.append(fault)

    # The system's resolver takes no deadline; who asks it for too long is left to end by itself.
    asking = threading.Thread(target=ask, name="resolve", daemon=True)
    asking.start()
    asking.join(RESOLVE_SECONDS)
    if asking.is_alive():
        raise TimeoutError("The host did not resolve in time.")
    if faults:
        raise faults[0]
    return found


class Destination:
    """One webhook's receiver: judged once, then posted to over connections that stay open.

    Args:
        url: http or https.
        allowed: networks that may be dialled although they are not public, and without TLS.
        https_only: whether nothing is dialled without TLS, wherever it is, as in production.
        ca: certificates to trust instead of the usual ones.
        resolving: how a host becomes addresses.
        seconds: in which a post has to be answered, all included.
    """

    def __init__(
        self,
        url: str,
        *,
        allowed: Iterable[Network] = (),
        https_only: bool = False,
        ca: str | None = None,
        resolving: Resolve = resolve,
        seconds: float = POST_SECONDS,
    ) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._url = url
        self._allowed = tuple(allowed)
        self._https_only = https_only
        self._ca = ca
        self._resolving = resolving
        self._seconds = seconds
        self._wire: Wire | None = None

    def open(self) -> DestinationRefusal | Unreachable | None:
        """Resolve and judge; None when it may be dialled."""
        try:
            addresses = self._resolving(self._host, self._port)
        except (OSError, UnicodeError):
            return Unreachable("The host is not known.")
        if not addresses:
            return Unreachable("The host is not known.")
        judged = [ipaddress.ip_address(each.partition("%")[0]) for each in addresses]
        named = [any(each in network for network in self._allowed) for each in judged]
        # One bad address condemns the name: who controls it could choose that one next.
        if any(not ok and not is_public(each) for each, ok in zip(judged, named, strict=True)):
            return DestinationRefusal(
                "The host has an address that is not public: name its network in "
                "PASSERELLE_WEBHOOK_ALLOW, or use another address."
            )
        if not self._secure and (self._https_only or not all(named)):
            return DestinationRefusal("The address is plain http: use https.")
        self._wire = Wire(ca=self._ca, dialled=(str(judged[0]), self._port))
        return None

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answered | Unreachable:
        """Send one message; `open` was called and refused nothing."""
        if self._wire is None:
            raise RuntimeError("Open a destination before posting to it.")
        try:
            reply = self._wire.send(
                "POST",
                self._url,
                seconds=self._seconds,
                most=_READ,
                headers={**headers, "User-Agent": "Passerelle-Webhooks"},
                body=body,
            )
        except Unanswered as fault:
            # The status is an answer, whatever became of the rest.
            if fault.status is None:
                return Unreachable(fault.reason)
            return _answered(fault.status, fault.headers)
        return _answered(reply.status, reply.headers)

    def close(self) -> None:
        """Close the connections."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None


def _answered(status: int, headers: Mapping[str, str]) -> Answered:
    after = headers.get("retry-after", "")
    return Answered(
        status=status,
        retry_after=min(int(after), 86_400) if after.isascii() and after.isdigit() else None,
    )
