"""Keeps sealed rows on disk and sorts them piece by piece, in little memory.

A million random hashes put into an index in the order of a file touch all of its pages over and
over; in their own order they touch each page once. Rows are thrown into 256 buckets by the first
byte of their lookup hash; each bucket is small enough to be sorted in memory. A spool holds sealed
values and hashes only: it is worth as little to a thief as the database.
"""

from __future__ import annotations

import marshal
import secrets
import shutil
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from app.faults import Fault
from app.services.codes.reasons import Reject, RejectReason
from app.services.codes.sealing import SealedRow
from app.store import private

#: Rows kept in memory before they are written out.
FLUSH = 65_536
_LENGTH = struct.Struct(">I")
_COLUMNS = 7
#: The file by which a folder of spools is known to all processes that share it.
_IDENTITY = "identity"


class SpoolBroken(Fault):
    """The spool is missing or incomplete: the file must be sent again."""


class Spool:
    """The rows of one import, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._buckets: list[list[SealedRow]] = [[] for _ in range(256)]
        self._kept = 0

    def begin(self) -> None:
        """Start empty, whatever an earlier attempt left."""
        shutil.rmtree(self.folder, ignore_errors=True)
        private.folder(self.folder)

    def add(self, rows: Iterable[SealedRow]) -> None:
        buckets = self._buckets
        count = self._kept
        for row in rows:
            buckets[row[0][0]].append(row)
            count += 1
        self._kept = count
        if count >= FLUSH:
            self._flush()

    def seal(self) -> None:
        """Say that all rows are in: from now on the spool can be loaded, also after a crash."""
        self._flush()
        (self.folder / "complete").touch(mode=0o600)

    @property
    def complete(self) -> bool:
        return (self.folder / "complete").exists()

    @property
    def empty(self) -> bool:
        """Tell whether no row is in it, though it is complete."""
        return self.complete and not any(self.folder.glob("[0-9a-f][0-9a-f]"))

    def sorted_rows(self) -> Iterator[tuple[list[SealedRow], list[Reject]]]:
        """Yield bucket after bucket: rows by their lookup, and rejects that repeat one.

        Raises:
            SpoolBroken: the spool is not whole.
        """
        if not self.complete:
            raise SpoolBroken("The codes on their way in are incomplete: send the file again.")
        for number in range(256):
            path = self.folder / f"{number:02x}"
            if path.exists():
                yield _without_repeats(sorted(_read(path)))

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _flush(self) -> None:
        for number, rows in enumerate(self._buckets):
            if rows:
                data = marshal.dumps(rows)
                path = self.folder / f"{number:02x}"
                with open(path, "ab", opener=private.owner_only) as file:
                    file.write(_LENGTH.pack(len(data)) + data)
                rows.clear()
        self._kept = 0


def identity(folder: Path) -> str:
    """Name the folder in which spools lie, alike in every process that can read it."""
    path = folder / _IDENTITY
    if not path.exists():
        private.folder(folder)
        fresh = folder / f"{_IDENTITY}.{secrets.token_hex(4)}"
        with open(fresh, "x", encoding="ascii", opener=private.owner_only) as file:
            file.write(secrets.token_hex(8))
        # Of several processes at once one names the folder, and never with half a name.
        with suppress(FileExistsError):
            path.hardlink_to(fresh)
        fresh.unlink()
    return path.read_text(encoding="ascii")


def _read(path: Path) -> Iterator[SealedRow]:
    with path.open("rb") as file:
        while head := file.read(_LENGTH.size):
            (length,) = _LENGTH.unpack(head)
            data = file.read(length)
            if len(data) != length:
                raise SpoolBroken("The codes on their way in broke off: send the file again.")
            # The folder is this service's own and private: what lies there was written above.
            rows = marshal.loads(data)  # noqa: S302
            # The release before knew no uses left: a spool of its own may wait here still.
            yield from rows if len(rows[0]) == _COLUMNS else ((*row, None) for row in rows)


def _without_repeats(rows: list[SealedRow]) -> tuple[list[SealedRow], list[Reject]]:
    if len({row[0] for row in rows}) == len(rows):
        return rows, []
    kept: list[SealedRow] = []
    repeats: list[Reject] = []
    for row in rows:
        if kept and row[0] == kept[-1][0]:
            repeats.append(Reject(row[1], RejectReason.DUPLICATE, str(kept[-1][1])))
        else:
            kept.append(row)
    return kept, repeats
