"""Bringing the database up to date at start, one process at a time."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import OperationalError

from responder.store.database import Store, StoreError, take_lock

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(store: Store) -> None:
    """Apply every migration that is missing.

    Two processes may start together: the second waits for the first (an advisory lock on
    PostgreSQL, the write lock on SQLite) and then finds nothing left to do.

    Raises:
        StoreError: the database can't be reached.
    """
    try:
        with store.engine.begin() as connection:
            if not store.is_sqlite:
                take_lock(connection, "migrate")
            command.upgrade(_config(connection), "head")
    except OperationalError as error:
        where = store.url.render_as_string(hide_password=True)
        raise StoreError(
            f"the database {where} can't be used: {str(error.orig).strip()}\n"
            "Check RESPONDER_DATABASE_URL, and that the database is there and lets us in."
        ) from error


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
