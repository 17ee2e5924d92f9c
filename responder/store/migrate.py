"""Bringing the database up to date at start, one process at a time."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from responder.store.database import Store, take_lock

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(store: Store) -> None:
    """Apply every migration that is missing.

    Two processes may start together: the second waits for the first (an advisory lock on
    PostgreSQL, the write lock on SQLite) and then finds nothing left to do.
    """
    with store.engine.begin() as connection:
        if not store.is_sqlite:
            take_lock(connection, "migrate")
        command.upgrade(_config(connection), "head")


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
