"""The tables.

Conventions: surrogate integer keys inside, unguessable public ids outside; money in integer minor
units beside its currency; times in UTC; `StrEnum` values as text. Guard counters stand on the row
whose limit they guard, so that one conditional UPDATE decides. Ledger entries and events hold
surrogate ids only, so that a person can be forgotten and the books stay whole.
"""

from app.store.models.apple import AppleDevice, AppleLog, AppleRegistration
from app.store.models.campaigns import (
    Asset,
    Campaign,
    CampaignUpdate,
    PreparedArtwork,
    Revision,
)
from app.store.models.columns import Base, Id, Instant, Json, NullableJson, new_id
from app.store.models.google import (
    GoogleCallback,
    GoogleClass,
    GoogleMessage,
    GoogleNonce,
    GoogleObject,
    GoogleRootKeys,
)
from app.store.models.keys import ApiKey, Disclosure, MasterKey, WrappedKey
from app.store.models.ledger import Entry, GuessCount, Hold, IdempotencyRecord, OperatorDay
from app.store.models.log import Event, LogReader, Webhook, WebhookDelivery
from app.store.models.results import (
    Activity,
    ArmCount,
    Decision,
    FunnelCount,
    Milestone,
    Slice,
    Stopping,
)
from app.store.models.running import Clockwork, Pace, Pulse
from app.store.models.security import SecurityEvent, TillSignOut
from app.store.models.stores import Store, Terminal
from app.store.models.vouchers import (
    Code,
    Forgotten,
    ImportJob,
    ImportReject,
    Recipient,
    RecipientUse,
    Voucher,
)

__all__ = [
    "Activity",
    "ApiKey",
    "AppleDevice",
    "AppleLog",
    "AppleRegistration",
    "ArmCount",
    "Asset",
    "Base",
    "Campaign",
    "CampaignUpdate",
    "Clockwork",
    "Code",
    "Decision",
    "Disclosure",
    "Entry",
    "Event",
    "Forgotten",
    "FunnelCount",
    "GoogleCallback",
    "GoogleClass",
    "GoogleMessage",
    "GoogleNonce",
    "GoogleObject",
    "GoogleRootKeys",
    "GuessCount",
    "Hold",
    "Id",
    "IdempotencyRecord",
    "ImportJob",
    "ImportReject",
    "Instant",
    "Json",
    "LogReader",
    "MasterKey",
    "Milestone",
    "NullableJson",
    "OperatorDay",
    "Pace",
    "PreparedArtwork",
    "Pulse",
    "Recipient",
    "RecipientUse",
    "Revision",
    "SecurityEvent",
    "Slice",
    "Stopping",
    "Store",
    "Terminal",
    "TillSignOut",
    "Voucher",
    "Webhook",
    "WebhookDelivery",
    "WrappedKey",
    "new_id",
]
