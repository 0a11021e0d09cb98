"""Statements that are made once at import, with typed rows, in the words of either database.

`Query` gives rows a type: a `NamedTuple` whose fields are the statement's columns, which is checked
when the statement is made. `Command` changes rows and says how many. Both know from the connection
which database they talk to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, CursorResult, Executable
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.selectable import ExecutableReturnsRows

SQLITE, POSTGRESQL = DIALECTS = ("sqlite", "postgresql")
#: How each database inserts where a row may be there already.
INSERT: dict[str, Callable[[Any], sqlite.Insert | postgresql.Insert]] = {
    SQLITE: sqlite.insert,
    POSTGRESQL: postgresql.insert,
}


Row = TypeVar("Row", bound=tuple[object, ...])
Made = TypeVar("Made", bound=Executable)


def by_dialect(make: Callable[[str], Made]) -> dict[str, Made]:
    """Make a statement for each database; `make` gets the dialect's name."""
    return {name: make(name) for name in DIALECTS}


def on_postgresql(connection: Connection) -> bool:
    """Whether the connection leads to PostgreSQL."""
    return connection.dialect.name == POSTGRESQL


class Query(Generic[Row]):
    """A statement whose rows have a type.

    Args:
        row: a `NamedTuple` with a field for each column, in their order; fields at the end that
            have a default may be missing.
        statement: what is executed, or that by the dialect's name.

    Raises:
        TypeError: the columns are not the fields.
    """

    __slots__ = ("_row", "_statements")

    def __init__(
        self,
        row: type[Row],
        statement: ExecutableReturnsRows | Mapping[str, ExecutableReturnsRows],
    ) -> None:
        self._row: Callable[..., Row] = row
        self._statements = (
            statement if isinstance(statement, Mapping) else by_dialect(lambda _: statement)
        )
        for made in self._statements.values():
            _check(row, [str(column.key) for column in made.exported_columns])

    def all(self, connection: Connection, **bind: object) -> list[Row]:
        """Every row."""
        return [self._row(*found) for found in self._execute(connection, bind)]

    def first(self, connection: Connection, **bind: object) -> Row | None:
        """The first row, or None."""
        found = self._execute(connection, bind).first()
        return None if found is None else self._row(*found)

    def one(self, connection: Connection, **bind: object) -> Row:
        """The only row there is.

        Raises:
            NoResultFound, MultipleResultsFound: there is none, or more than one.
        """
        return self._row(*self._execute(connection, bind).one())

    def _execute(
        self, connection: Connection, bind: dict[str, object]
    ) -> CursorResult[tuple[object, ...]]:
        return connection.execute(self._statements[connection.dialect.name], bind)


class Command:
    """A statement that changes rows."""

    __slots__ = ("_statement",)

    def __init__(self, statement: Executable) -> None:
        self._statement = statement

    def run(self, connection: Connection, **bind: object) -> int:
        """Change the rows; returns how many there were."""
        return connection.execute(self._statement, bind).rowcount


def _check(row: type[tuple[object, ...]], columns: list[str]) -> None:
    fields, defaults = list(vars(row)["_fields"]), vars(row)["_field_defaults"]
    missing = fields[len(columns) :]
    if columns + missing != fields or not set(missing) <= set(defaults):
        raise TypeError(f"{row.__name__} has the fields {fields}, its statement {columns}.")
