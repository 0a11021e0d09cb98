"""Reports say what came of campaigns: counts, funnels and lists of people."""

from app.services.reports.funnel import (
    Dimension,
    Funnel,
    FunnelPart,
    as_of,
    funnel,
)
from app.services.reports.lists import (
    LISTS,
    count_people,
    people,
)
from app.services.reports.rollup import (
    Recount,
    misplaced,
    recount,
    roll_up,
)

__all__ = [
    "LISTS",
    "Dimension",
    "Funnel",
    "FunnelPart",
    "Recount",
    "as_of",
    "count_people",
    "funnel",
    "misplaced",
    "people",
    "recount",
    "roll_up",
]
