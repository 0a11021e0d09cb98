"""What processes share while they run: signs of life, due work, the pace of calls."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Double
from sqlalchemy.orm import Mapped, mapped_column

from app.store.models.columns import Base


class Pulse(Base):
    """What a process last said of itself: a server its load, a worker the state of its senders."""

    __tablename__ = "pulse"

    process: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    at: Mapped[dt.datetime]
    data: Mapped[dict[str, Any]]


class Clockwork(Base):
    """Until when a recurring job has done its work, so that no moment is skipped or done twice."""

    __tablename__ = "clockwork"

    name: Mapped[str] = mapped_column(primary_key=True)
    done_until: Mapped[dt.datetime]


class Pace(Base):
    """When a limited service may be called next, for all workers on all machines."""

    __tablename__ = "pace"

    name: Mapped[str] = mapped_column(primary_key=True)
    #: Seconds since 1970, UTC.
    next_at: Mapped[float] = mapped_column(Double)
