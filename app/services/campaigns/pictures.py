"""Pictures of campaigns are stored once under their SHA-256, and prepared once in every size."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import threading
import warnings

import orjson
from sqlalchemy.orm import Session

from app.domain.campaign import Look
from app.services.campaigns.shared import artwork_of, pictures_of
from app.store.dialects import insert_for
from app.store.models import Asset, PreparedArtwork
from app.store.session import Database
from passes.artwork import Artwork
from passes.errors import ArtworkError
from passes.pictures import LARGEST_PIXELS, MOST_SCANS

_MEDIA = {"PNG": "image/png", "JPEG": "image/jpeg"}


def digest(data: bytes) -> str:
    """The name under which a picture is stored."""
    return hashlib.sha256(data).hexdigest()


def fault(data: bytes) -> str | None:
    """What is wrong with a picture, as the end of a sentence; None when it is good."""
    # Loaded when a picture comes, which a till's server may never see.
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=tuple(_MEDIA)) as image:
                width, height = image.size
                if width * height > LARGEST_PIXELS:
                    most = LARGEST_PIXELS // 1_000_000
                    return f"has {width} × {height} pixels, more than {most} million"
                if image.format == "JPEG" and data.count(b"\xff\xda") > MOST_SCANS:
                    return f"has more than {MOST_SCANS} scans"
                image.load()
    except UnidentifiedImageError:
        return "is neither PNG nor JPEG"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Warning):
        return "is broken"
    return None


def media_type(data: bytes) -> str:
    """`image/png` or `image/jpeg`, of a picture without fault."""
    return _MEDIA["PNG" if data.startswith(b"\x89PNG") else "JPEG"]


def store(session: Session, data: bytes, *, now: dt.datetime) -> str:
    """Store a picture, unless it is there, and return its digest."""
    name = digest(data)
    if session.get(Asset, name) is None:
        session.add(Asset(sha256=name, media_type=media_type(data), data=data, created_at=now))
        session.flush()
    return name


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
