"""The certificates of a folder, kept up to date while a service runs.

A renewed certificate lies in `apple/next/` beside the old one in `apple/`; both can sign, and the
newer one does from its first day on. A change on the disk is taken up by `refresh`; one that does
not hold together is reported and leaves what was in use in use.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from passes.errors import CertificateError
from passes.signing.signer import CERTIFICATE_FILES, Signer

NEXT = "next"


class Signers:
    """The signers of `folder`/apple and `folder`/apple/next. Safe to share between threads.

    Raises CertificateError where there is none, or one of them is wrong, or they are for different
    pass types or teams.
    """

    __slots__ = ("_folder", "_password", "_seen", "all")

    def __init__(self, folder: Path, *, password: bytes | None = None) -> None:
        self._folder = folder / "apple"
        self._password = password
        self._seen = self._look()
        self.all = self._load()

    def current(self, now: datetime) -> Signer:
        """Return the signer to use: in date, and of those the one that lasts longest.

        When none is in date, returns the one that ends last, which refuses to sign and says why.
        """
        valid = [each for each in self.all if each.starts <= now <= each.ends]
        return max(valid or self.all, key=lambda each: each.ends)

    def changed(self) -> bool:
        """Tell whether the disk has something else than what was taken up."""
        return self._look() != self._seen

    def refresh(self) -> CertificateError | None:
        """Take up what changed on the disk; return what is wrong with it, if anything is."""
        seen = self._look()
        if seen == self._seen:
            return None
        try:
            self.all = self._load()
        except CertificateError as error:
            return error
        self._seen = seen
        return None

    def _look(self) -> tuple[tuple[str, int, int], ...]:
        """Return name, time of change and size of every file."""
        found = []
        for path in sorted((*self._folder.glob("*.*"), *self._folder.glob(f"{NEXT}/*.*"))):
            state = path.stat()
            found.append((str(path), state.st_mtime_ns, state.st_size))
        return tuple(found)

    def _load(self) -> tuple[Signer, ...]:
        signers = [Signer.from_files(self._folder, password=self._password)]
        following = self._folder / NEXT
        if any((following / name).exists() for name in CERTIFICATE_FILES):
            renewed = Signer.from_files(following, password=self._password, wwdr=self._folder)
            if signers[0].throwaway and not renewed.throwaway:
                return (renewed,)  # the first real one does not renew the throw-away one
            signers.append(renewed)
        first = signers[0]
        for each in signers[1:]:
            if (each.pass_type_id, each.team_id) != (first.pass_type_id, first.team_id):
                raise CertificateError(
                    f"apple/{NEXT}/pass.pem",
                    f"It is for {each.pass_type_id} of team {each.team_id}, the one in use for"
                    f" {first.pass_type_id} of team {first.team_id}.",
                    "Renew the certificate of the same pass type: another one makes other passes.",
                )
        return tuple(signers)
