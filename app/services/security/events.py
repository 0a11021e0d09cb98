"""The kinds of security events, and the one way to record one."""

from __future__ import annotations

import datetime as dt
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, insert
from sqlalchemy.orm import Session

from app.store.models import SecurityEvent

#: What people wrote as a reason is cut to this many characters.
LONGEST_REASON = 500


class Kind(StrEnum):
    """What happened. README says each in words."""

    KEY_REFUSED = "key_refused"
    SCOPE_REFUSED = "scope_refused"
    GUESSING_LOCKED = "guessing_locked"
    KEY_CREATED = "key_created"
    KEY_CHANGED = "key_changed"
    KEY_REVOKED = "key_revoked"
    TILL_SIGNED_IN = "till_signed_in"
    TILL_SIGNED_OUT = "till_signed_out"
    CODES_DISCLOSED = "codes_disclosed"
    LINKS_DISCLOSED = "links_disclosed"
    PERSON_DISCLOSED = "person_disclosed"
    PERSON_FORGOTTEN = "person_forgotten"
    VOUCHER_WITHDRAWN = "voucher_withdrawn"
    LINK_WITHDRAWN = "link_withdrawn"
    VOUCHER_REISSUED = "voucher_reissued"
    REFUSAL_OVERRIDDEN = "refusal_overridden"
    WEBHOOK_CREATED = "webhook_created"
    WEBHOOK_CHANGED = "webhook_changed"
    WEBHOOK_SECRET_ROTATED = "webhook_secret_rotated"  # noqa: S105 - a kind of event
    WEBHOOK_REMOVED = "webhook_removed"
    MASTER_KEY_RETIRED = "master_key_retired"
    LOOKUP_KEY_REPLACED = "lookup_key_replaced"
    BACKUP_MADE = "backup_made"
    BACKUP_RESTORED = "backup_restored"


def record(
    to: Session | Connection,
    kind: Kind,
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
