"""Dates as iOS reads them: W3C date and time to the minute or second, zone `Z` or `±HH:MM`."""

from __future__ import annotations

import re
from datetime import datetime

from passes.errors import PackageError

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)").fullmatch


def check_date(name: str, value: object) -> datetime:
    """Return the date, or raise PackageError: no zone, `+0000` and fractions are refused."""
    try:
        if isinstance(value, str) and _DATE(value):
            return datetime.fromisoformat(value)
    except ValueError:
        pass  # a thirteenth month, a twenty-fifth hour
    raise PackageError(
        name,
        "It is not a date that iOS reads.",
        "Write it like 2026-12-31T23:59:59+01:00 or 2026-12-31T22:59Z.",
    )
