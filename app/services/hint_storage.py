"""Where hints are kept: SQLite, Redis or PostgreSQL, through Huey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from huey import Huey, PostgresHuey, RedisHuey, SqliteHuey
from huey.registry import Message
from huey.serializer import Serializer

from app.faults import Fault
from app.store import private

NAME = "passerelle"


class QueueFault(Fault):
    """PASSERELLE_QUEUE_URL names no storage that hints can be kept in."""


class _JsonSerializer(Serializer):  # type: ignore[misc]
    """Messages as JSON: unpickling what a queue holds would let its writers run code here."""

    def _serialize(self, data: Any) -> bytes:
        return orjson.dumps(list(data) if isinstance(data, Message) else data)

    def _deserialize(self, data: bytes) -> Any:
        found = orjson.loads(data)
        return Message(*found) if isinstance(found, list) else found


def open_at(url: str, *, patience: int) -> Huey:
    """The storage that an address names; nothing is connected yet.

    Args:
        patience: seconds to wait for a storage that does not answer.

    Raises:
        QueueFault: the address names none.
    """
    scheme, _, rest = url.partition("://")
    options: dict[str, Any] = {"results": False, "serializer": _JsonSerializer()}
    if scheme == "sqlite":
        path = rest.removeprefix("/") if not rest.startswith("//") else rest[1:]
        private.database_file(Path(path))
        return SqliteHuey(NAME, filename=path, timeout=patience, fsync=False, **options)
    if scheme in ("redis", "rediss", "unix"):
        from redis import ConnectionPool

        pool = ConnectionPool.from_url(
            url, socket_timeout=patience + 1, socket_connect_timeout=patience
        )
        return RedisHuey(NAME, connection_pool=pool, **options)
    if scheme.partition("+")[0] in ("postgresql", "postgres"):
        return PostgresHuey(
            NAME,
            dsn=f"postgresql://{rest}",
            table_prefix="queue",
            connect_timeout=patience,
            **options,
        )
    raise QueueFault(
        f"PASSERELLE_QUEUE_URL starts with {scheme!r}: "
        "use sqlite:///path, redis://host or postgresql://user:password@host/name."
    )
