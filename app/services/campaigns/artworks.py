"""Pictures in every size that the wallets want, made once for each look and kept.

Making them takes seconds and many megabytes for large pictures, so that it is done by one thread
of a process at a time, and stored: another process, or this one after its cache forgot them, reads
what was made. What is lost with the database is made again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading

import orjson

from app.domain.campaign import Look
from app.services.campaigns.shared import artwork_of, pictures_of
from app.store.dialects import insert_for
from app.store.models import PreparedArtwork
from app.store.session import Database
from passes.artwork import Artwork
from passes.errors import ArtworkError

#: Grows when the same pictures are to be prepared otherwise.
_EDITION = 1

_preparing = threading.Lock()


def prepared(database: Database, look: Look, organization: str, *, now: dt.datetime) -> Artwork:
    """Return the artwork of a look; a look without a logo gets the organization's name drawn.

    Raises:
        passes.errors.PassError: a picture cannot be used; names it and the remedy.
    """
    if look.logo is None:
        return artwork_of(look, organization, {})
    key = _key(look)
    if (found := _kept(database, key)) is not None:
        return found
    with _preparing:
        # Another thread may have made it while this one waited.
        if (found := _kept(database, key)) is not None:
            return found
        with database.read() as session:
            pictures = pictures_of(session, look)
        made = artwork_of(look, organization, pictures)
        if look.logo in pictures:
            keep(database, look, made, now=now)
        return made


def keep(database: Database, look: Look, made: Artwork, *, now: dt.datetime) -> None:
    """Store the artwork of a look for every process; one that is there stays."""
    with database.write(lasting=False) as session:
        session.execute(
            insert_for(session, PreparedArtwork)
            .values(key=_key(look), data=made.packed(), created_at=now)
            .on_conflict_do_nothing()
        )


def _kept(database: Database, key: bytes) -> Artwork | None:
    with database.read() as session:
        row = session.get(PreparedArtwork, key)
    if row is None:
        return None
    try:
        return Artwork.unpacked(row.data)
    except ArtworkError:
        # Of a release that wanted other sizes.
        return None


def _key(look: Look) -> bytes:
    told = [_EDITION, look.logo, look.banner, look.background, look.foreground]
    return hashlib.sha256(orjson.dumps(told)).digest()
