"""Passes in Apple's wallets as the engine sees them: devices to push, and what became of it.

One push for a device, however many of its passes changed; recorded as pushed is the
state that was read before the push, and only if no list told the device more meanwhile. A device
that does not ask, or does not fetch what it was told of, is pushed again after 1 h, 6 h and 24 h,
then weekly three times. A token that Apple calls bad is asked again first: many at once are our own
fault, and then nothing is deleted.
It does not push a device twice within `GAP`: iOS unregisters a topic that is pushed too often.
"""

from app.delivery.apple.jobs import GAP, DevicePush
from app.delivery.apple.pushes import ApplePushes
from app.delivery.apple.results import REMINDERS

__all__ = ["GAP", "REMINDERS", "ApplePushes", "DevicePush"]
