"""An inventory lists who may act on a deployment and who hears of it: keys, stores, webhooks.

Whoever can write to a database can plant a key in it, and a backup of it is then a genuine one. So
a backup carries its inventory, a restore shows it, and lays it beside one that the operator kept.
An inventory holds no secret: of a key its prefix and a digest of its hash, of a webhook its host
and a digest of its address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.store.models import ApiKey, Store, Terminal, Webhook

#: What there is, by a name that people know, and how it is.
Inventory = dict[str, str]


@dataclass(frozen=True, slots=True)
class Differences:
    """What an inventory has beside one that was expected, lacks of it, or has otherwise."""

    unexpected: tuple[str, ...]
    missing: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.unexpected or self.missing or self.changed)


def taken(session: Session) -> Inventory:
    """The inventory of a database."""
    found: Inventory = {}
    terminals: dict[int, list[str]] = {}
    places: dict[int, str] = {}
    for terminal in session.scalars(select(Terminal).order_by(Terminal.key)):
        terminals.setdefault(terminal.store_id, []).append(terminal.key)
        places[terminal.id] = terminal.key
    stores = {store.id: store for store in session.scalars(select(Store).order_by(Store.key))}
    for store in stores.values():
        found[f"store {store.key}"] = "terminals " + (", ".join(terminals.get(store.id, [])) or "–")
    for key in session.scalars(select(ApiKey).order_by(ApiKey.id)):
        bound = [f"store {stores[key.store_id].key}"] if key.store_id is not None else []
        bound += [f"terminal {places[key.terminal_id]}"] if key.terminal_id is not None else []
        bound += [f"campaign {each}" for each in key.campaigns or ()]
        found[f"API key pk_{key.prefix}"] = "; ".join(
            (
                key.name,
                ", ".join(key.scopes),
                " ".join(bound) or "bound to nothing",
                f"ends {key.expires_at.isoformat()}" if key.expires_at else "ends never",
                "revoked" if key.revoked_at else "good",
                _digest(key.secret_hash),
            )
        )
    for webhook in session.scalars(select(Webhook).order_by(Webhook.id)):
        found[f"webhook {webhook.public_id}"] = "; ".join(
            (
                urlsplit(webhook.url).hostname or "",
                ", ".join(webhook.kinds) or "every kind",
                ", ".join(webhook.campaigns) or "every campaign",
                _digest(webhook.url.encode()),
            )
        )
    return found


def compared(found: Mapping[str, str], expected: Mapping[str, str]) -> Differences:
    """How an inventory differs from one that was expected."""
    return Differences(
        unexpected=tuple(f"{name}: {found[name]}" for name in found if name not in expected),
        missing=tuple(f"{name}: {expected[name]}" for name in expected if name not in found),
        changed=tuple(
            f"{name}: {expected[name]} → {found[name]}"
            for name in found
            if name in expected and found[name] != expected[name]
        ),
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
