"""Reading the app's database without ever writing to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg import IsolationLevel

from responder.actions.base import ActionParams, DatabaseName
from responder.databases import DatabaseError, Databases

ROWS = 50
STATEMENT_SECONDS = 15


class QueryParams(ActionParams):
    """A read-only query: its text, or `file:sql/name.sql`."""

    database: DatabaseName
    query: str


class QueryError(Exception):
    """The query could not be run; the message says what to mend.

    `again` says whether it might work in a moment.
    """

    def __init__(self, text: str, *, again: bool = False) -> None:
        super().__init__(text)
        self.again = again


@dataclass(frozen=True, slots=True)
class Table:
    """What a query found: values as JSON, at most `ROWS` rows, and whether there were more."""

    columns: list[str]
    rows: list[list[Any]]
    more: bool

    def evidence(self) -> dict[str, Any]:
        """For the step's row and the incident's page."""
        return {"columns": self.columns, "rows": self.rows, "more": self.more}


async def query(databases: Databases, database: str, text: str) -> Table:
    """Run one statement in a read-only transaction with a timeout, and fetch a capped table.

    Raises:
        QueryError: not configured, unreachable, or refused by the database.
    """
    try:
        async with databases.connect(database) as connection:
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            await connection.set_read_only(True)
            async with connection.transaction(force_rollback=True):
                await connection.execute(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
                # A server-side cursor takes one statement only, and fetches no more than asked.
                async with connection.cursor(name="responder") as cursor:
                    await cursor.execute(text.rstrip().rstrip(";").encode())
                    rows = await cursor.fetchmany(ROWS + 1)
                    columns = [column.name for column in cursor.description or ()]
    except DatabaseError as error:
        raise QueryError(str(error), again=databases.configured(database)) from error
    except psycopg.Error as error:
        raise QueryError(f"{database} refused the query: {error}".strip()) from error
    values = [[_plain(row[name]) for name in columns] for row in rows[:ROWS]]
    return Table(columns, values, more=len(rows) > ROWS)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, UUID):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
