"""The manifest says what a backup holds, and proves that this deployment wrote it.

The manifest names every member of the archive in its order, with its size, digest and rows, and is
itself authenticated by HMAC-SHA256 under a key that is derived from a master key. Nothing of a
backup is believed before that is checked: not its format, not its release, not its data. A member
that is missing, added, moved, cut off or changed is refused before the database is touched.

Backups of format 1 have no proof: their digests say that they are whole, not who made them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from app.faults import Fault
from app.services.backup.inventory import Inventory
from app.store import keyring

FORMAT, UNPROVEN = 2, 1
MANIFEST, PROOF = "manifest.json", "manifest.hmac"
CHUNK = 1 << 20
#: The largest manifest that is read before anything about it is proven (bytes).
_MOST_MANIFEST = 64 << 20
#: Bytes of a proof: SHA-256 as hexadecimal digits.
_PROOF_BYTES = 2 * hashlib.sha256().digest_size
_PURPOSE = "backup"
#: What reading an archive raises that somebody cut off, changed or made up.
_BROKEN = (
    *(OSError, EOFError, LookupError, AttributeError, TypeError, ValueError, RuntimeError),
    *(OverflowError, struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A backup as its manifest describes it."""

    made_at: dt.datetime
    database: str
    revision: str
    entries: int
    master_keys: tuple[int, ...]
    #: Who may act on it; None where nothing proves what the backup says.
    inventory: Inventory | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the archive: its size and digest before compression, and its rows."""

    name: str
    size: int
    digest: str
    rows: int


class Writer:
    """Writes an archive's members in order, and at the end the manifest with its proof."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members: list[Member] = []

    def add(self, name: str, chunks: Iterator[bytes], *, rows: int) -> None:
        """Write a member."""
        digest, size = hashlib.sha256(), 0
        with self._archive.open(name, "w", force_zip64=True) as out:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                out.write(chunk)
        self._members.append(Member(name, size, digest.hexdigest(), rows))

    def finish(self, about: Mapping[str, Any], *, master_keys: Mapping[int, bytes]) -> Made:
        """Write the manifest and its proof under the newest of `master_keys`."""
        key_id = next(iter(master_keys))
        manifest = {
            "format": FORMAT,
            "key_id": key_id,
            **about,
            "members": [
                {"name": each.name, "size": each.size, "sha256": each.digest, "rows": each.rows}
                for each in self._members
            ],
        }
        data = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
        self._archive.writestr(MANIFEST, data)
        self._archive.writestr(PROOF, _proof(data, master_keys[key_id]))
        return _made(manifest)


class BackupReader:
    """A backup whose manifest was proven, or is taken at its word because the caller says so.

    Args:
        unauthenticated: take a backup of format 1, of which nothing is proven.

    Raises:
        BackupFault: the file is no backup, or not one that this deployment's keys made.
    """

    def __init__(
        self, source: Path, *, master_keys: Mapping[int, bytes], unauthenticated: bool = False
    ) -> None:
        self._source = source
        try:
            with zipfile.ZipFile(source) as archive:
                names = archive.namelist()
                if archive.getinfo(MANIFEST).file_size > _MOST_MANIFEST:
                    raise BackupFault(f"{source} is no backup of Passerelle.")
                data = archive.read(MANIFEST)
                proof = _read_proof(archive) if PROOF in names else b""
            manifest = orjson.loads(data)
            form = manifest.get("format")
        except _BROKEN as error:
            raise BackupFault(f"{source} is no backup of Passerelle: {error}.") from None
        if form == UNPROVEN and not proof:
            if not unauthenticated:
                raise BackupFault(
                    f"Nothing proves who made {source}: it is of an older release, or was changed "
                    "to look so, and may hold keys that somebody planted. If you know where it "
                    "was kept, say --unauthenticated."
                )
            try:
                files = manifest["files"].items()
                self.members = tuple(Member(name, -1, digest, -1) for name, digest in files)
                self.made = _made(manifest)
            except _BROKEN as error:
                raise BackupFault(f"{source} is no backup of Passerelle: {error}.") from None
            return
        _believe(data, proof, manifest, source=source, master_keys=master_keys)
        if form != FORMAT:
            raise BackupFault(
                f"{source} is of another format: restore it with the release that made it."
            )
        self.members = tuple(
            Member(each["name"], each["size"], each["sha256"], each["rows"])
            for each in manifest["members"]
        )
        self.made = _made(manifest)
        self.tables: dict[str, int] = manifest.get("tables", {})
        if names != [*(each.name for each in self.members), MANIFEST, PROOF]:
            raise BackupFault(
                f"{source} was changed: its parts are not those that it was made of, in their "
                "order. Take another backup."
            )

    def verify(self) -> None:
        """Read every member, so that nothing is written of a backup that is not whole.

        Raises:
            BackupFault: one is cut off or was changed.
        """
        for member in self.members:
            for _ in self.chunks(member):
                pass

    def chunks(self, member: Member) -> Iterator[bytes]:
        """The bytes of a member; what differs from the manifest is a fault, at the latest at the
        end.
        """
        digest, size = hashlib.sha256(), 0
        try:
            with zipfile.ZipFile(self._source) as archive, archive.open(member.name) as data:
                while chunk := data.read(CHUNK):
                    size += len(chunk)
                    # A member that goes on beyond its size is not read to its end.
                    if 0 <= member.size < size:
                        break
                    digest.update(chunk)
                    yield chunk
        except _BROKEN as error:
            raise BackupFault(f"{member.name} is damaged ({error}): take another backup.") from None
        if digest.hexdigest() != member.digest or member.size not in (-1, size):
            raise BackupFault(f"{member.name} is damaged: its digest differs. Take another backup.")


def _believe(
    data: bytes,
    proof: bytes,
    manifest: Mapping[str, Any],
    *,
    source: Path,
    master_keys: Mapping[int, bytes],
) -> None:
    key_id = manifest.get("key_id")
    if not isinstance(key_id, int) or key_id not in master_keys:
        raise BackupFault(
            f"{source} is authenticated by master key {key_id!s:.10}, which is not in "
            "PASSERELLE_MASTER_KEYS: add it, or take another backup."
        )
    if not hmac.compare_digest(proof, _proof(data, master_keys[key_id])):
        raise BackupFault(
            f"{source} was changed since it was made, or this deployment's master keys did not "
            "make it. Nothing of it was believed: take another backup."
        )


def _proof(manifest: bytes, master_key: bytes) -> bytes:
    key = keyring.derived(master_key, _PURPOSE)
    return hmac.digest(key, b"passerelle/backup/2\0" + manifest, hashlib.sha256).hex().encode()


def _read_proof(archive: zipfile.ZipFile) -> bytes:
    """The proof, and one byte more of one that is too long to be any."""
    with archive.open(PROOF) as member:
        return member.read(_PROOF_BYTES + 1)


def _made(manifest: Mapping[str, Any]) -> Made:
    return Made(
        made_at=dt.datetime.fromisoformat(manifest["made_at"]),
        database=manifest["database"],
        revision=manifest["revision"],
        entries=manifest["entries"],
        master_keys=tuple(manifest["master_keys"]),
        inventory=manifest.get("inventory") if manifest["format"] == FORMAT else None,
    )


class BackupFault(Fault):
    """A backup cannot be made or restored; says the remedy."""
