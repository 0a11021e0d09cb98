"""One object that a worker has leased, as it stood then and as it turned out."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from app.services.wallets.holdings import Holding


@dataclass(slots=True)
class ObjectJob:
    """A leased object, as it stood when it was leased."""

    row_id: int
    #: When the lease lapses; nobody else's lease of the row lapses then.
    until: dt.datetime
    voucher_id: int
    public_id: int
    object_id: str
    inserted: bool
    #: Only the campaign changed: many of these may share a request.
    campaign_only: bool
    asks: bool
    speaks: bool
    digest: bytes | None
    ask_users_at: dt.datetime | None
    attempts: int
    #: What was found and sent, once it was.
    holding: Holding | None = field(default=None, repr=False)
    sent: bytes | None = None
    #: What it took from the campaign then (`google_reach.digest`).
    campaign_digest: bytes | None = None
    has_users: bool | None = None
    #: Google may have changed it, or not: nobody knows what it shows.
    unclear: bool = False
    #: Google does not have it, or its class.
    gone: bool = False
    waited: bool = False
