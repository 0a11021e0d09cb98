"""What stands in for Apple and Google while the demo runs, and the two phones that show it.

All of it is on loopback and ends with the demo. A stand-in is started only where the
environment names no address of its own, and a phone only where its stand-in runs and the service
is on this machine.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from app.environment import from_environment
from app.sandbox.android import AndroidPhone
from app.sandbox.apns import ApnsStandIn
from app.sandbox.certificates import CertificateAuthority
from app.sandbox.google import PERSON, GoogleStandIn
from app.sandbox.iphone import Fleet, LossyLine, Phone
from app.sandbox.pocket import Pocket
from app.services.deployment import Deployment
from app.settings import Settings
from app.store import private
from passes.google import ServiceAccount
from passes.signing import throwaway_service_account

#: Names of this machine that lead no other one to it.
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class StandIns:
    """What runs: the settings with which the service uses it; None is what does not run."""

    settings: Mapping[str, str]
    google: str | None
    fleet: Fleet | None
    roots: tuple[x509.Certificate, ...]


@contextmanager
def stand_ins(environment: Mapping[str, str], folder: Path, *, port: int) -> Iterator[StandIns]:
    """Run what stands in for Apple's push service and Google Wallet.

    Args:
        folder: where the certificate of the push service's authority is written.
        port: where Google's is looked at with a browser; another if that one is taken.
    """
    settings: dict[str, str] = {}
    certs = Path(environment["PASSERELLE_CERTS"])
    maker = Deployment(from_environment(environment))
    maker.certificates.check()  # Makes throw-away certificates where there are none.
    maker.close()
    google: str | None = None
    fleet: Fleet | None = None
    roots: tuple[x509.Certificate, ...] = ()
    with ExitStack() as stack:
        if "PASSERELLE_GOOGLE_API_URL" not in environment:
            found = stack.enter_context(_google(environment, certs, port=port))
            settings |= found
            google = found["PASSERELLE_GOOGLE_API_URL"]
        root = certs / "apple" / "root.pem"
        # Only throw-away certificates come with their root, and only those may be shown to it.
        if "PASSERELLE_APNS_URL" not in environment and root.exists():
            fleet = Fleet(threads=1)
            stack.callback(fleet.close)
            settings |= stack.enter_context(_apns(certs, folder, fleet))
            roots = (x509.load_pem_x509_certificate(root.read_bytes()),)
        yield StandIns(settings, google, fleet, roots)


@contextmanager
def phones(
    running: StandIns,
    links: Sequence[str],
    *,
    base_url: str,
    host: str,
    tell: Callable[[str, str], None],
) -> Iterator[None]:
    """Let an iPhone and an Android phone take the passes behind `links` and tell what changes.

    Args:
        host: the address that this machine listens on.
    """
    with ExitStack() as stack:
        if urlsplit(base_url).hostname in {*LOOPBACK, host} and (running.fleet or running.google):
            line = LossyLine(connections=2)
            stack.callback(line.close)
            iphone = android = None
            if running.fleet is not None:
                iphone = running.fleet.join(Phone(line, roots=running.roots))
            if running.google is not None:
                android = stack.enter_context(AndroidPhone(running.google, user=PERSON))
            stack.enter_context(
                Pocket(
                    links=links,
                    alive=f"{base_url}/healthz",
                    tell=tell,
                    line=line,
                    iphone=iphone,
                    android=android,
                )
            )
        yield


@contextmanager
def _apns(certs: Path, folder: Path, fleet: Fleet) -> Iterator[dict[str, str]]:
    authority = CertificateAuthority()
    ca = folder / "apns-ca.pem"
    with open(ca, "wb", opener=private.owner_only) as file:
        file.write(authority.certificate)
    trusted = (certs / "apple" / "wwdr.pem").read_bytes()
    with ApnsStandIn(identity=authority.server(), trusted=trusted, on_push=fleet.reach) as apns:
        yield {"PASSERELLE_APNS_URL": apns.url, "PASSERELLE_APNS_CA": str(ca)}


@contextmanager
def _google(environment: Mapping[str, str], certs: Path, *, port: int) -> Iterator[dict[str, str]]:
    issuer = environment.get("PASSERELLE_GOOGLE_ISSUER_ID", Settings().google_issuer_id)

    def made(port: int) -> GoogleStandIn:
        return GoogleStandIn(issuer_id=issuer, accounts={}, port=port, latency=0.05)

    try:
        google = made(port)
    except OSError as fault:
        if fault.errno != errno.EADDRINUSE:
            raise
        google = made(0)
    with google:
        throwaway_service_account(certs, token_uri=google.token_url)
        account = ServiceAccount.load(certs)
        google.accounts[account.email] = account.key.public_key()
        yield {
            "PASSERELLE_GOOGLE_API_URL": google.url,
            "PASSERELLE_GOOGLE_CALLBACK_KEYS_URL": google.keys_url,
            "PASSERELLE_GOOGLE_SAVE_URL": google.save_url.rstrip("/"),
        }
