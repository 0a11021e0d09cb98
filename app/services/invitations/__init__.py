"""An invitation is a signed link that lets one recipient take one voucher of a campaign.

An invitation carries whom it is for and why, encrypted and authenticated (AES-256-GCM under a key
of its own purpose, bound to the campaign), so that a mail tool can send an offer before anything
is issued, and neither the address nor a log of it says who got it. It cannot be guessed or
altered; the text has exactly one spelling. It ends by itself, and with its campaign; once it is
accepted, the voucher's own link can be withdrawn. Nothing of it is stored. One that was made
before its recipient was forgotten has ended, whether it was accepted or not: what was given stays
given, and nothing that the invitation says of them is stored.

A campaign with rules shows what they would give the recipient at that moment; they decide when it
is accepted, and whoever saw something else is told instead of given it.
"""

from app.services.invitations.links import (
    Invitation,
    InvitationFault,
    expiry,
    link,
    read,
)
from app.services.invitations.offers import (
    Accepted,
    InvitationReason,
    InvitationRefused,
    Offer,
    Promise,
    accept,
    forgotten,
    offer,
)

__all__ = [
    "Accepted",
    "Invitation",
    "InvitationFault",
    "InvitationReason",
    "InvitationRefused",
    "Offer",
    "Promise",
    "accept",
    "expiry",
    "forgotten",
    "link",
    "offer",
    "read",
]
