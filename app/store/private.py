"""Files and folders that only their owner can read: whatever the service writes is made so.

A file is private from its first byte; one that is there already becomes so before it is written.
What SQLite puts beside a database gets the database's own permissions.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path


def owner_only(path: str, flags: int) -> int:
    """Open a file for its owner alone; an opener for `open`."""
    handle = os.open(path, flags, 0o600)
    if flags & (os.O_WRONLY | os.O_RDWR) and stat.S_ISREG(os.fstat(handle).st_mode):
        os.fchmod(handle, 0o600)
    return handle


def folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone."""
    for missing in [each for each in (*reversed(path.parents), path) if not each.exists()]:
        missing.mkdir(mode=0o700, exist_ok=True)


def database_file(path: Path) -> None:
    """Make an empty file, which SQLite takes for an empty database, if there is none."""
    folder(path.parent)
    # Where that is not possible, SQLite says so when it is asked.
    with suppress(OSError), open(path, "ab", opener=_made_only):
        pass


def _made_only(path: str, flags: int) -> int:
    # A database that is there may be shared on purpose.
    return os.open(path, flags, 0o600)
