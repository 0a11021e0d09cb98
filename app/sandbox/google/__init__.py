"""A Google Wallet on loopback: classes, objects, links, wallets and callbacks.

Promises: what Google documents, enforced: OAuth with signature check, the published schema, ids,
409 and 404, PATCH semantics, 20 requests a second, three notifications a day and pass, pictures
fetched, save links verified, callbacks signed. It fails on command. Refuses: anything off loopback.
"""

from .callbacks import CallbackSender, CallbackSigner
from .schema import COLLECTIONS, SCHEMAS, faults
from .server import PERSON, Chaos, GoogleStandIn, PlannedFault, RestCall
from .store import GoogleRefusal, Notification, Saved, WalletStore

__all__ = [
    "COLLECTIONS",
    "PERSON",
    "SCHEMAS",
    "CallbackSender",
    "CallbackSigner",
    "Chaos",
    "GoogleRefusal",
    "GoogleStandIn",
    "Notification",
    "PlannedFault",
    "RestCall",
    "Saved",
    "WalletStore",
    "faults",
]
