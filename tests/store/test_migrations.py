"""The database's shape: brought up to date once, by one, and as the tables say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

from responder.store.database import Store
from responder.store.migrate import upgrade
from tests.responder_cli import ROOT, responder
from tests.service import PLAYBOOKS


def shape(store: Store) -> dict[str, list[str]]:
    """Every table with its columns."""
    found = sa.inspect(store.engine)
    return {
        table: sorted(f"{column['name']} {column['type']}" for column in found.get_columns(table))
        for table in found.get_table_names()
    }


def test_the_migrations_make_what_the_tables_say(database_url: str) -> None:
    store = Store(database_url)
    upgrade(store)
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    assert set(shape(store)) == {*SQLModel.metadata.tables, "alembic_version"}
    store.close()


def test_partial_indexes_keep_their_conditions(database_url: str) -> None:
    """What alembic does not compare: an index over all rows would be slow, not wrong."""
    store = Store(database_url)
    upgrade(store)
    catalogue = (
        "select name, sql from sqlite_master where type = 'index'"
        if store.is_sqlite
        else "select indexname, indexdef from pg_indexes"
    )
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql(catalogue)
        found = {name: (text or "").lower() for name, text in rows}
    assert "decided_at is null" in found["deliveries_undecided"]
    assert "sent < wanted" in found["chat_messages_behind"]
    store.close()


def test_a_second_upgrade_changes_nothing(database_url: str) -> None:
    store = Store(database_url)
    upgrade(store)
    before = shape(store)
    with store.engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into switches (name, state, confirmed, detail) values (:n, 'x', :c, '')"
            ),
            {"n": "kept", "c": True},
        )
    upgrade(store)
    assert shape(store) == before
    with store.engine.connect() as connection:
        assert connection.execute(sa.text("select name from switches")).scalars().all() == ["kept"]
        assert len(connection.execute(sa.text("select * from alembic_version")).all()) == 1
    store.close()


def test_processes_that_upgrade_at_once_wait_for_each_other(database_url: str) -> None:
    environment = os.environ | {"RESPONDER_DATABASE_URL": database_url}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "responder", "db", "upgrade"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "is up to date" in out
    store = Store(database_url)
    assert set(shape(store)) == {*SQLModel.metadata.tables, "alembic_version"}
    store.close()


@pytest.mark.parametrize("command", [("serve",), ("sign-in",), ("db", "upgrade")], ids=str)
@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_a_database_that_is_not_there_is_told_without_its_password(
    command: tuple[str, ...], kind: str, tmp_path: Path
) -> None:
    urls = {
        "postgresql": "postgresql://me:hush@127.0.0.1:1/responder",
        "sqlite": f"sqlite:///{tmp_path}/nowhere/r.db",
    }
    done = responder(
        *command,
        cwd=tmp_path,
        RESPONDER_DATABASE_URL=urls[kind],
        RESPONDER_PORT="0",
        RESPONDER_PLAYBOOKS=str(PLAYBOOKS),
        RESPONDER_SENTRY_CLIENT_SECRET="x",
        RESPONDER_API_TOKEN="x",
        RESPONDER_SECRET_KEY="x",
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "hush" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "RESPONDER_DATABASE_URL" in done.stderr
    assert ("127.0.0.1" if kind == "postgresql" else "nowhere") in done.stderr
