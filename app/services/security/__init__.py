"""Security events say who did what to keys, codes and people, or tried to.

What a use case did and its event commit in one transaction; what only reads is recorded
before it is answered. No event holds a code, a PIN, a link or a secret. What callers without a
right can make happen as often as they like (a wrong key, a missing scope) is counted in memory and
written every minute in a few rows, so that nobody fills the table or slows the tills with it.
"""

from app.services.security.counters import Counting, network_of
from app.services.security.events import (
    Actor,
    SecurityEventKind,
    act_as,
    acting,
    record,
)
from app.services.security.history import (
    EventFilter,
    ListedEvent,
    listed,
    retain,
)

__all__ = [
    "Actor",
    "Counting",
    "EventFilter",
    "ListedEvent",
    "SecurityEventKind",
    "act_as",
    "acting",
    "listed",
    "network_of",
    "record",
    "retain",
]
