"""This module loads the certificates from PASSERELLE_CERTS, and replaces them in place.

An operator puts new files into the folder while the service runs; the next pass is signed with
them. Files that do not load, or are for another pass type or team, leave the last good ones at work
and are reported at `/readyz`. Production refuses throw-away certificates, and to start without
usable ones; a development service without any makes some, and says
so loudly. From 60 days before the end on, a warning a day says how long the certificate lasts.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from app.environment import from_environment
from app.faults import Fault
from app.settings import Settings, SettingsError
from passes.errors import PassError
from passes.google import ServiceAccount
from passes.signing import Signer, Signers, throwaway

#: Seconds between two looks at the folder.
LOOK_AGAIN = 5.0
#: Days before its end from which the log warns of a certificate.
WARN_DAYS = 60


class CertificateFault(Fault):
    """The certificates cannot be used; says which and what to do."""

    code = "misconfigured"
    retry_after = 30


def settings_with_certificates(environ: Mapping[str, str]) -> Settings:
    """Read the settings of a process that signs passes.

    Raises:
        SettingsError: names every fault of the settings and, in production, of the certificates as
            well, so that nobody mends the ones only to be told of the others.
    """
    try:
        return from_environment(environ)
    except SettingsError as error:
        if error.settings is None or not error.settings.production:
            raise
        beside = Certificates(error.settings, clock=lambda: dt.datetime.now(dt.UTC)).faults()
        raise SettingsError([*error.faults, *beside]) from None


class Certificates:
    """What signs passes and save links, as the folder has it now.

    Args:
        settings: where the folder is, and for which pass type and team.
        clock: the present moment, which decides between an old certificate and its successor.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], dt.datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._guard = threading.Lock()
        self._looked = float("-inf")
        self._warned: dt.date | None = None
        self._signers: Signers | None = None
        self._account: ServiceAccount | None = None
        self._account_stamp: tuple[int, int] | None = None
        self._faults: tuple[str, ...] = ()

    @property
    def signer(self) -> Signer:
        """Signs Apple passes.

        Raises:
            CertificateFault: no usable certificate was ever there.
        """
        self._look()
        if self._signers is None:
            raise CertificateFault("\n".join(self._faults))
        return self._signers.current(self._clock())

    @property
    def account(self) -> ServiceAccount:
        """Signs Google save links.

        Raises:
            CertificateFault: no usable service account was ever there.
        """
        self._look()
        if self._account is None:
            raise CertificateFault("\n".join(self._faults))
        return self._account

    def check(self) -> tuple[str, ...]:
        """Look at the folder now; returns what is wrong with it."""
        self._looked = float("-inf")
        self._look()
        return self._faults

    def faults(self) -> tuple[str, ...]:
        """Name what is wrong with the files that are there now; takes over those that are right."""
        return tuple(filter(None, (*self._look_for_apple(), self._look_for_google())))

    def insist(self) -> None:
        """Let production start with usable certificates only.

        Raises:
            SettingsError: production, and something is wrong with them; names all of it.
        """
        if self._settings.production and (faults := self.check()):
            raise SettingsError(list(faults))

    def _look(self) -> None:
        if time.monotonic() - self._looked < LOOK_AGAIN:
            return
        with self._guard:
            if time.monotonic() - self._looked < LOOK_AGAIN:
                return
            folder = self._settings.certs
            if not self._settings.production and not folder.exists():
                self._make_throwaway(folder)
            faults = self.faults()
            if faults != self._faults:
                for fault in faults:
                    structlog.get_logger().error("certificate_fault", cause=fault)
            self._faults = faults
            self._warn_of_the_end()
            self._looked = time.monotonic()

    def _look_for_apple(self) -> list[str]:
        try:
            if self._signers is not None and not self._signers.changed():
                return []
            # Judged before any of them signs: each may be the one that does, today or later.
            fresh = Signers(self._settings.certs)
            faults = [fault for each in fresh.all for fault in self._misfits(each)]
            if not faults:
                self._signers = fresh
            return list(dict.fromkeys(faults))
        except (PassError, OSError) as error:
            return [str(error)]

    def _misfits(self, signer: Signer) -> list[str]:
        settings = self._settings
        faults = [
            f"apple/pass.pem: The certificate is for {theirs}, PASSERELLE_{name} is {ours}. "
            f"Set PASSERELLE_{name} to the certificate's, or install the other certificate."
            for name, ours, theirs in (
                ("PASS_TYPE_ID", settings.pass_type_id, signer.pass_type_id),
                ("TEAM_ID", settings.team_id, signer.team_id),
            )
            if ours != theirs
        ]
        if settings.production and signer.throwaway:
            faults.append(
                "apple/pass.pem: The certificate is a throw-away one, which no phone accepts. "
                "`passerelle certs` leads to a real one."
            )
        return faults

    def _look_for_google(self) -> str | None:
        path = self._settings.certs / "google" / "service-account.json"
        try:
            stat = path.stat() if path.exists() else None
            stamp = (stat.st_mtime_ns, stat.st_size) if stat else None
            if self._account is not None and stamp == self._account_stamp:
                return None
            account = ServiceAccount.load(self._settings.certs)
        except (PassError, OSError) as error:
            return str(error)
        if self._settings.production and account.throwaway:
            return (
                "google/service-account.json: The service account is a throw-away one. "
                "Put in its place the file that Google's console gave."
            )
        if self._settings.production and not account.token_uri.startswith("https://"):
            return (
                "google/service-account.json: Its token_uri is plain http, which production "
                "refuses. Put in its place the file that Google's console gave."
            )
        self._account, self._account_stamp = account, stamp
        return None

    def _make_throwaway(self, folder: Path) -> None:
        structlog.get_logger().warning(
            "throwaway_certificates",
            cause="PASSERELLE_CERTS has no certificates: throw-away ones are made. No phone "
            "accepts what they sign; `passerelle certs` leads to real ones.",
        )
        throwaway(
            folder,
            now=self._clock(),
            pass_type_id=self._settings.pass_type_id,
            team_id=self._settings.team_id,
        )

    def _warn_of_the_end(self) -> None:
        now = self._clock()
        if self._signers is None or self._warned == now.date():
            return
        days = self._signers.current(now).days_left(now)
        if days <= WARN_DAYS:
            self._warned = now.date()
            structlog.get_logger().warning(
                "certificate_ends",
                days_left=days,
                remedy="Renew it in Apple's portal and put it into apple/next.",
            )
