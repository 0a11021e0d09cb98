"""Phones by the thousand, every misfortune, and at the end every pass shows what the database says.

One run is a town: a service, Apple's and Google's stand-ins, worker processes that are killed now
and then, and a driver that edits campaigns, redeems, moves phones about and spoils the network,
all by one seed. Then the weather clears, everything settles, and each pass on each phone is
compared with what the database says at that moment.
"""

from tests.delivery.soak.run import Soak
from tests.delivery.soak.town import Town, town

__all__ = ["Soak", "Town", "town"]
