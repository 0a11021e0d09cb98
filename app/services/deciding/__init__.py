"""Issuing by rules: who gets which voucher of a campaign, why, and what it costs at most."""

from app.services.deciding.candidates import Candidate, Decided, Tally, Value
from app.services.deciding.knowledge import amounts_of
from app.services.deciding.runs import decide, decide_some, lock
from app.services.deciding.stopping import note, takeable, withdraw

__all__ = [
    "Candidate",
    "Decided",
    "Tally",
    "Value",
    "amounts_of",
    "decide",
    "decide_some",
    "lock",
    "note",
    "takeable",
    "withdraw",
]
