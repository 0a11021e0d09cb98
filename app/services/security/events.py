"""A security event has a kind and an actor; `record` is the one way to write one."""

from __future__ import annotations

import datetime as dt
from contextvars import ContextVar
from dataclasses import dataclass

from sqlalchemy import Connection, insert
from sqlalchemy.orm import Session

from app.domain.explained import Explained
from app.store.models import SecurityEvent

#: What people wrote as a reason is cut to this many characters.
LONGEST_REASON = 500


class SecurityEventKind(Explained):
    """What happened."""

    KEY_REFUSED = "key_refused", "A request came with a key that opens nothing."
    SCOPE_REFUSED = "scope_refused", "A key lacked the scope, or its binding ruled the call out."
    GUESSING_LOCKED = "guessing_locked", "Whoever guessed codes was locked out for a while."
    KEY_CREATED = "key_created", "An API key was made."
    KEY_CHANGED = "key_changed", "The name, scopes or end of an API key were changed."
    KEY_REVOKED = "key_revoked", "An API key was revoked."
    TILL_SIGNED_IN = "till_signed_in", "A terminal signed in to the till page."
    TILL_SIGNED_OUT = "till_signed_out", "A terminal signed out of the till page."
    CODES_DISCLOSED = "codes_disclosed", "Codes were given out in clear."
    LINKS_DISCLOSED = "links_disclosed", "Links that existed were given out again."
    PERSON_DISCLOSED = "person_disclosed", "What is held about a person was given out."
    PERSON_FORGOTTEN = "person_forgotten", "A person was forgotten."
    VOUCHER_WITHDRAWN = "voucher_withdrawn", "A voucher was withdrawn."
    LINK_WITHDRAWN = "link_withdrawn", "The link of a voucher was withdrawn."
    VOUCHER_REISSUED = "voucher_reissued", "A voucher was issued anew, with another link."
    REFUSAL_OVERRIDDEN = "refusal_overridden", "A supervisor set a refusal aside."
    WEBHOOK_CREATED = "webhook_created", "A webhook was registered."
    WEBHOOK_CHANGED = "webhook_changed", "A webhook was changed."
    WEBHOOK_SECRET_ROTATED = "webhook_secret_rotated", "A webhook got a new secret."
    WEBHOOK_REMOVED = "webhook_removed", "A webhook was removed."
    MASTER_KEY_RETIRED = "master_key_retired", "A master key was retired."
    LOOKUP_KEY_REPLACED = "lookup_key_replaced", "The key by which codes are found was replaced."
    BACKUP_MADE = "backup_made", "A backup was written."
    BACKUP_RESTORED = "backup_restored", "The database was filled from a backup."


def record(
    to: Session | Connection,
    kind: SecurityEventKind,
    *,
    now: dt.datetime,
    object: str | None = None,
    reason: str | None = None,
    count: int = 1,
    by: Actor | None = None,
) -> None:
    """Add an event to the transaction of `to`; it commits with what it tells of.

    Args:
        object: what it was done to, by a name that is no secret: `voucher 0123…`.
        count: how many of them; nothing is recorded of none.
        by: who did it; the actor that the door bound when left out.
    """
    if count < 1:
        return
    who = by or acting()
    to.execute(
        insert(SecurityEvent).values(
            at=now,
            kind=kind.value,
            key_prefix=who.key_prefix,
            terminal=who.terminal,
            operator=who.operator,
            command=who.command,
            address=who.address,
            object=object,
            reason=None if reason is None else reason[:LONGEST_REASON],
            count=count,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did something, as far as the door knows; never a secret."""

    #: Of the API key, the part that `passerelle access list` shows.
    key_prefix: str | None = None
    #: `store/terminal`.
    terminal: str | None = None
    #: Who stood at the terminal, or the system's user at the command line.
    operator: str | None = None
    #: The command, `clock` for what happens because time passes.
    command: str | None = None
    address: str | None = None


_NOBODY = Actor()
_acting: ContextVar[Actor] = ContextVar("passerelle_actor", default=_NOBODY)


def act_as(actor: Actor) -> None:
    """Bind the actor of what this thread does from now on."""
    _acting.set(actor)


def acting() -> Actor:
    """The actor of what this thread does."""
    return _acting.get()
