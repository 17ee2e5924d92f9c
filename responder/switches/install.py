"""Puts a switch into the app's database, and takes it out again."""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg import errors, sql

from responder.databases import Databases
from responder.switches.base import SwitchError
from responder.switches.postgres import PostgresOptions, parts

EACH = "-- For each guarded table:\n"
END = "-- End of each.\n"


def plan(name: str, options: PostgresOptions, folder: Path) -> str:
    """The exact SQL that `install` runs, from `sql/switch-install.sql` in the folder.

    Raises:
        SwitchError: the template is missing or can't be filled in.
    """
    return _filled(name, options, folder / "sql" / "switch-install.sql")


def removal(name: str, options: PostgresOptions, folder: Path) -> str:
    """The exact SQL that `uninstall` runs, from `sql/switch-uninstall.sql` in the folder.

    Raises:
        SwitchError: the template is missing or can't be filled in.
    """
    return _filled(name, options, folder / "sql" / "switch-uninstall.sql")


async def install(databases: Databases, name: str, options: PostgresOptions, folder: Path) -> None:
    """Install the switch, or mend it. A switch that is paused stays paused.

    Raises:
        SwitchError: the database can't be reached or refuses; nothing was changed.
        DatabaseError: the database is not configured or does not answer.
    """
    await _run(databases, options, plan(name, options, folder))


async def uninstall(
    databases: Databases, name: str, options: PostgresOptions, folder: Path
) -> None:
    """Remove the switch and its guards, unless it is paused.

    Raises:
        SwitchError: the switch is paused, or the database refuses; nothing was changed.
        DatabaseError: the database is not configured or does not answer.
    """
    await _run(databases, options, removal(name, options, folder))


def _filled(name: str, options: PostgresOptions, path: Path) -> str:
    try:
        template = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SwitchError(f"{path} can't be read ({error.strerror}); restore it") from None
    before, _, rest = template.partition(EACH)
    each, _, after = rest.partition(END)
    tables = [sql.Identifier(*table.split(".")) for table in options.guards]
    known = parts(name)
    try:
        return "".join(
            part.as_string()
            for part in (
                _fill(before, known),
                *(_fill(each, {**known, "table": table}) for table in tables),
                _fill(after, known),
            )
        )
    except (KeyError, IndexError, ValueError) as error:
        raise SwitchError(f"{path} can't be filled in: {error}; restore it") from None


def _fill(template: str, known: dict[str, sql.Composable]) -> sql.Composed:
    return sql.SQL(template).format(**known)


async def _run(databases: Databases, options: PostgresOptions, script: str) -> None:
    async with databases.connect(options.database) as connection:
        try:
            await connection.execute(script.encode())
        except errors.LockNotAvailable:
            await connection.rollback()
            raise SwitchError(
                "a guarded table is too busy to be changed just now; nothing was changed, "
                "try again in a quieter moment"
            ) from None
        except psycopg.Error as error:
            await connection.rollback()
            hint = f"; {error.diag.message_hint}" if error.diag.message_hint else ""
            raise SwitchError(
                f"database {options.database} refused: {error.diag.message_primary}{hint}"
            ) from error
