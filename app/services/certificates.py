"""The deployment's certificates: loaded from PASSERELLE_CERTS, watched, and replaced in place.

An operator puts new files into the folder while the service runs; the next pass is signed with
them. A set that does not load leaves the last good one at work and is reported at `/readyz`.
Production refuses throw-away certificates; a development service without any makes some, and says
so loudly.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from app.settings import Settings
from passes.errors import PassError
from passes.google import ServiceAccount
from passes.signing import Signer, throwaway

#: Seconds between two looks at the folder.
LOOK_AGAIN = 5.0


class CertificateFault(Exception):
    """The certificates cannot be used; says which and what to do."""


class Certificates:
    """What signs passes and save links, as the folder has it now."""

    def __init__(self, settings: Settings, *, clock: Callable[[], dt.datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._guard = threading.Lock()
        self._seen: tuple[object, ...] = ()
        self._looked = float("-inf")
        self._signer: Signer | None = None
        self._account: ServiceAccount | None = None
        #: What is wrong with the newest files; empty when they are in use.
        self.faults: tuple[str, ...] = ()

    @property
    def signer(self) -> Signer:
        """Signs Apple passes.

        Raises:
            CertificateFault: no usable certificate was ever there.
        """
        self._look()
        if self._signer is None:
            raise CertificateFault("\n".join(self.faults))
        return self._signer

    @property
    def account(self) -> ServiceAccount:
        """Signs Google save links.

        Raises:
            CertificateFault: no usable service account was ever there.
        """
        self._look()
        if self._account is None:
            raise CertificateFault("\n".join(self.faults))
        return self._account

    def check(self) -> tuple[str, ...]:
        """Look at the folder now; returns what is wrong with it."""
        self._looked = float("-inf")
        self._look()
        return self.faults

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_AGAIN:
            return
        with self._guard:
            if now - self._looked < LOOK_AGAIN:
                return
            seen = _stamp(self._settings.certs)
            if seen != self._seen:
                self._load()
                self._seen = seen
            self._looked = now

    def _load(self) -> None:
        folder = self._settings.certs
        faults: list[str] = []
        if not self._settings.production and not folder.exists():
            self._make_throwaway(folder)
        try:
            signer = Signer.load(folder)
            faults += self._misfits(signer)
            if not faults:
                self._signer = signer
        except (PassError, OSError) as error:
            faults.append(str(error))
        try:
            account = ServiceAccount.load(folder)
            if self._settings.production and account.throwaway:
                faults.append(
                    "Google: the service account is a throw-away one; put the real "
                    "service-account.json into PASSERELLE_CERTS."
                )
            else:
                self._account = account
        except (PassError, OSError) as error:
            faults.append(str(error))
        self.faults = tuple(faults)
        for fault in faults:
            structlog.get_logger().error("certificate_fault", cause=fault)

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

    def _misfits(self, signer: Signer) -> list[str]:
        settings = self._settings
        faults = []
        for name, ours, theirs in (
            ("PASS_TYPE_ID", settings.pass_type_id, signer.pass_type_id),
            ("TEAM_ID", settings.team_id, signer.team_id),
        ):
            if ours != theirs:
                faults.append(
                    f"Apple: the certificate is for {theirs}, PASSERELLE_{name} is {ours}: "
                    f"set PASSERELLE_{name} to the certificate's, or install the other certificate."
                )
        if settings.production and signer.throwaway:
            faults.append(
                "Apple: the certificate is a throw-away one; `passerelle certs` leads to the real."
            )
        return faults


def _stamp(folder: Path) -> tuple[object, ...]:
    """What changes when a file of the folder is replaced, added or removed."""
    return tuple(
        (str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino)
        for path in sorted(folder.glob("*/*"))
        if (stat := path.stat())
    )
