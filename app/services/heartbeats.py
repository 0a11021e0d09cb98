"""What each process last said of itself: servers their load, workers the state of their senders.

One row for each process, written at most once a second and only while there is something
to say; old ones are ignored and cleared. It is how a worker learns what the servers can bear, and
how a server shows that a sender on another machine has stopped.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import socket
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.store.models import Pulse

SERVER = "server"
WORKER = "worker"
#: A process that said nothing for so long is not counted on; after a day it is forgotten.
FRESH = dt.timedelta(seconds=90)
FORGOTTEN = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Said:
    """What a process said, and when."""

    process: str
    at: dt.datetime
    data: dict[str, Any]


def say(session: Session, role: str, data: dict[str, Any], *, now: dt.datetime) -> None:
    """Store what this process says of itself in a role."""
    name = _name(role)
    row = session.get(Pulse, name)
    if row is None:
        session.execute(delete(Pulse).where(Pulse.at < now - FORGOTTEN))
        session.add(Pulse(process=name, role=role, at=now, data=data))
    else:
        row.at, row.data = now, data
    session.flush()


def end(session: Session, role: str) -> None:
    """Forget what this process said in a role: it ends."""
    session.execute(delete(Pulse).where(Pulse.process == _name(role)))


def heard(session: Session, role: str, *, now: dt.datetime) -> list[Said]:
    """What the processes in a role said lately."""
    rows = session.scalars(
        select(Pulse).where(Pulse.role == role, Pulse.at >= now - FRESH).order_by(Pulse.process)
    )
    return [Said(row.process, row.at, row.data) for row in rows]


def _name(role: str) -> str:
    return f"{role}:{_process(os.getpid())}"


@cache
def _process(pid: int) -> str:
    """This process, unlike any other on any machine; one that was forked is another."""
    return f"{socket.gethostname()}:{pid}:{secrets.token_hex(3)}"
