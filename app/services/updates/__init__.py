"""The marketer's trigger: change what holders see and get, now or at a time, and watch it arrive.

An update of a campaign writes the campaign's row, one revision and one line of history,
whether it has ten holders or a million; the phones are told by the workers, paced, and how far
they are is counted from what each phone was told. Vouchers one by one are updated, prolonged or
withdrawn in a transaction of their own.
It does not take terms away from holders unless that is asked for by name (`forced`). What was
published is not cancelled: another update takes it back.
"""

from app.services.updates.progress import (
    Touched,
    UpdateProgress,
    forecast,
    history,
    progress,
    reach,
)
from app.services.updates.publish import apply_due, cancel, order, pause, rehearse
from app.services.updates.update import UpdateFault, UpdateRequest
from app.services.updates.vouchers import MOST_VOUCHERS, Action, change_vouchers

__all__ = [
    "MOST_VOUCHERS",
    "Action",
    "Touched",
    "UpdateFault",
    "UpdateProgress",
    "UpdateRequest",
    "apply_due",
    "cancel",
    "change_vouchers",
    "forecast",
    "history",
    "order",
    "pause",
    "progress",
    "reach",
    "rehearse",
]
