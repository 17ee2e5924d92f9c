"""Reading the app's database without ever writing to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import IsolationLevel, errors
from psycopg.rows import tuple_row

from responder.actions.base import ActionParams, DatabaseName
from responder.databases import DatabaseError, Databases

ROWS = 50
LARGEST = 2**53  # beyond it, readers of JSON lose digits
CELL = 500  # characters of a value that are kept
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
                async with connection.cursor("responder", row_factory=tuple_row) as cursor:
                    await cursor.execute(text.rstrip().rstrip(";").encode())
                    rows = await cursor.fetchmany(ROWS + 1)
                    columns = [column.name for column in cursor.description or ()]
    except errors.QueryCanceled as error:
        text = f"{database} took longer than {STATEMENT_SECONDS} s over the query"
        raise QueryError(text, again=True) from error
    except DatabaseError as error:
        raise QueryError(str(error), again=databases.configured(database)) from error
    except psycopg.Error as error:
        raise QueryError(f"{database} refused the query: {error}".strip()) from error
    values = [[_plain(value) for value in row] for row in rows[:ROWS]]
    return Table(columns, values, more=len(rows) > ROWS)


def _plain(value: Any) -> Any:
    """A value as JSON that any database stores, cut to a readable length."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Decimal) and value.is_finite():
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, int) and abs(value) < LARGEST:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    text = value.isoformat() if isinstance(value, datetime | date) else str(value)
    text = text.replace("\0", "")
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"
