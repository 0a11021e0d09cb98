"""Issuing by rules: who gets which voucher of a campaign, why, and what it costs at most."""

from app.services.deciding.candidates import Candidate, Decided, Tally, Value
from app.services.deciding.following import follow
from app.services.deciding.knowledge import amounts_of
from app.services.deciding.points import Points, points_of
from app.services.deciding.runs import decide, decide_some, lock
from app.services.deciding.stopping import note, takeable, withdraw

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
