"""Which of many places go on one pass: wallets take ten."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

from app.domain.campaign import Place

#: Apple shows a pass near at most ten locations, and Google takes as many.
MOST_PLACES = 10
_EARTH_KM = 6371.0


def nearest(
    places: Sequence[Place], home: tuple[float, float] | None, *, most: int = MOST_PLACES
) -> tuple[Place, ...]:
    """The `most` places nearest to `home`, in that order; without a home the first of them.

    Args:
        home: the holder's latitude and longitude in degrees.
    """
    if home is None or len(places) <= most:
        return tuple(places[:most])
    return tuple(heapq.nsmallest(most, places, key=lambda place: kilometres(home, place)))


def kilometres(home: tuple[float, float], place: Place) -> float:
    """Great-circle distance (haversine)."""
    latitude, other = math.radians(home[0]), math.radians(place.latitude)
    across = math.radians(place.longitude - home[1])
    half = (
        math.sin((other - latitude) / 2) ** 2
        + math.cos(latitude) * math.cos(other) * math.sin(across / 2) ** 2
    )
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(half)))
