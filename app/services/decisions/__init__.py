"""Decisions give each recipient a value by the rules of a campaign, within its budget."""

from app.services.decisions.candidates import (
    Candidate,
    Decided,
    Tally,
    Value,
)
from app.services.decisions.knowledge import amounts_of
from app.services.decisions.points import Points, points_of
from app.services.decisions.run import (
    decide,
    decide_some,
    lock,
)
from app.services.decisions.stop import (
    follow,
    note,
    takeable,
    withdraw,
)

__all__ = [
    "Candidate",
    "Decided",
    "Points",
    "Tally",
    "Value",
    "amounts_of",
    "decide",
    "decide_some",
    "follow",
    "lock",
    "note",
    "points_of",
    "takeable",
    "withdraw",
]
