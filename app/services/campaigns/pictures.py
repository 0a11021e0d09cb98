"""Pictures of campaigns: named by their SHA-256, stored once, never changed."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import warnings

from sqlalchemy.orm import Session

from app.store.models import Asset
from passes.artwork import LARGEST_PIXELS, MOST_SCANS

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
