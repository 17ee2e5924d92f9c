"""A service that hangs must not keep anybody from pausing by hand."""

from __future__ import annotations

import socket
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from responder.cli import app, client
from responder.settings import load
from responder.store.database import Store
from responder.store.migrate import upgrade
from tests.service import PLAYBOOKS


def test_a_hold_goes_round_a_service_that_hangs_and_a_release_does_not(
    tmp_path: Path, credits_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        for name, value in {
            "RESPONDER_PORT": str(hangs.getsockname()[1]),
            "RESPONDER_DATABASE_URL": f"sqlite:///{tmp_path}/r.db",
            "RESPONDER_PLAYBOOKS": str(PLAYBOOKS),
            "RESPONDER_API_TOKEN": "t",
            "RESPONDER_SECRET_KEY": "k",
            "RESPONDER_SENTRY_CLIENT_SECRET": "s",
            "KULTI_DATABASE_URL": credits_url,
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(client, "SECONDS", 0.5)
        store = Store(load().database_url)
        upgrade(store)
        store.close()
        run = CliRunner().invoke
        assert run(app, ["switches", "install", "credit-transactions", "--yes"]).exit_code == 0
        held = run(app, ["hold", "credit-transactions", "--reason", "odd balances"])
        assert held.exit_code == 0, held.output
        assert "did not answer in time" in held.output
        assert paused(credits_url)
        released = run(app, ["release", "credit-transactions", "--reason", "all well"])
        assert released.exit_code == client.NOT_RUNNING
        assert paused(credits_url)


def paused(url: str) -> bool:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("select paused from responder.switches").fetchone()
    return bool(row and row[0])
