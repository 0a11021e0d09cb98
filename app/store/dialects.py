"""What SQLite and PostgreSQL both can, and SQLAlchemy spells for each."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


def on_sqlite(session: Session) -> bool:
    """Whether the session is on SQLite."""
    return session.get_bind().dialect.name == "sqlite"


def insert_for(session: Session, table: Any) -> sqlite.Insert | postgresql.Insert:
    """An INSERT of the session's database, which can say what to do where the row is there.

    Args:
        table: a table or a model.
    """
    return sqlite.insert(table) if on_sqlite(session) else postgresql.insert(table)
