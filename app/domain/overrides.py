"""A campaign's override: terms changed for all holders at once, stored on the campaign alone.

Holders keep the terms they were given; an override is one row that counts for all of them, in
their favour only, unless it is forced (a product recall, a mistake in the law).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any


def stored(*, ends_at: dt.datetime) -> dict[str, Any]:
    """The form in which an override stands in the campaign's row."""
    return {"ends_at": ends_at.astimezone(dt.UTC).isoformat()}


def end_of(override: Mapping[str, Any] | None) -> dt.datetime | None:
    """The end that the override sets, if it sets one."""
    text = override.get("ends_at") if override else None
    return dt.datetime.fromisoformat(text) if isinstance(text, str) else None


def end_for(
    own: dt.datetime | None, override: Mapping[str, Any] | None, *, forced: bool
) -> dt.datetime | None:
    """When a voucher ends: its own end, or the override's where that is later or forced."""
    end = end_of(override)
    if end is None or (own is None and not forced):
        return own
    return end if forced or own is None else max(own, end)
