"""Wrong settings: each variable is named, with how to mend it, and the service does not start."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from responder.receive.verify import sign
from responder.settings import Settings
from tests.responder_cli import responder
from tests.service import PLAYBOOKS, Service
from tests.story.test_credit_failure import credit_failure


def serve(where: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`responder serve` in an empty folder; it ends by itself when a setting is wrong."""
    return responder(
        "serve",
        cwd=where,
        **{"RESPONDER_PORT": "0", "RESPONDER_PLAYBOOKS": str(PLAYBOOKS), **environment},
    )


WRONG: dict[str, tuple[dict[str, str], list[str]]] = {
    "port is no number": ({"RESPONDER_PORT": "http"}, ["RESPONDER_PORT: ", "integer"]),
    "port is too large": ({"RESPONDER_PORT": "70000"}, ["RESPONDER_PORT: ", "65535"]),
    "another database": (
        {"RESPONDER_DATABASE_URL": "mysql://root:hush@db/x"},
        ["RESPONDER_DATABASE_URL: ", "mysql is not supported", "postgresql://"],
    ),
    "database is no URL": (
        {"RESPONDER_DATABASE_URL": "hush.db"},
        ["RESPONDER_DATABASE_URL: ", "not a database URL; try sqlite:///responder.db"],
    ),
    "database in memory": (
        {"RESPONDER_DATABASE_URL": "sqlite://"},
        ["RESPONDER_DATABASE_URL: ", "needs a file"],
    ),
    "public address": ({"RESPONDER_PUBLIC_URL": "kulti.test"}, ["RESPONDER_PUBLIC_URL: ", "URL"]),
    "Slack's address": ({"RESPONDER_SLACK_API_URL": "ftp://x"}, ["RESPONDER_SLACK_API_URL: "]),
    "body size": ({"RESPONDER_MAX_BODY_BYTES": "1"}, ["RESPONDER_MAX_BODY_BYTES: ", "1024"]),
    "several at once": (
        {"RESPONDER_PORT": "x", "RESPONDER_LEASE_SECONDS": "0"},
        ["RESPONDER_PORT: ", "RESPONDER_LEASE_SECONDS: "],
    ),
    "Slack's token without its signing secret": (
        {"RESPONDER_SLACK_BOT_TOKEN": "xoxb-hush"},
        ["RESPONDER_SLACK_BOT_TOKEN is set but RESPONDER_SLACK_SIGNING_SECRET is not"],
    ),
    "a blank signing secret": (
        {"RESPONDER_SLACK_BOT_TOKEN": "xoxb-hush", "RESPONDER_SLACK_SIGNING_SECRET": " "},
        ["RESPONDER_SLACK_SIGNING_SECRET is not"],
    ),
    "no such folder": ({"RESPONDER_PLAYBOOKS": "/nowhere"}, ["/nowhere", "RESPONDER_PLAYBOOKS"]),
    "no such host": ({"RESPONDER_HOST": "no.such.host.invalid"}, ["no.such.host.invalid"]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_value_names_its_variable(wrong: str, tmp_path: Path) -> None:
    environment, words = WRONG[wrong]
    done = serve(tmp_path, **environment)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_others_may_reach_us_only_with_real_secrets(tmp_path: Path) -> None:
    given = {"RESPONDER_HOST": "0.0.0.0", "RESPONDER_API_TOKEN": "t"}
    done = serve(tmp_path, **given)
    assert done.returncode == 2
    assert "RESPONDER_SENTRY_CLIENT_SECRET, RESPONDER_SECRET_KEY" in done.stderr
    assert "RESPONDER_API_TOKEN" not in done.stderr
    assert "127.0.0.1 for local mode" in done.stderr
    assert list(tmp_path.iterdir()) == []
    blank = serve(tmp_path, **given, RESPONDER_SENTRY_CLIENT_SECRET=" , ", RESPONDER_SECRET_KEY="")
    assert "RESPONDER_SENTRY_CLIENT_SECRET, RESPONDER_SECRET_KEY" in blank.stderr


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.4", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_which_hosts_only_this_machine_reaches(host: str, local: bool) -> None:
    assert Settings(host=host).is_loopback is local


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is damaged; remove it"),
        ("[]", "is damaged; remove it"),
        ('{"api_token": "x"}', "is damaged; remove it"),
        ("\x00\x01", "is damaged; remove it"),
    ],
)
def test_a_damaged_secrets_file(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "responder.db.secrets"
    path.write_text(content)
    path.chmod(0o600)
    done = serve(tmp_path)
    assert done.returncode == 2, done.stderr
    assert "responder.db.secrets" in done.stderr
    assert said in done.stderr
    assert path.read_text() == content


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660])
def test_a_secrets_file_that_others_can_read(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "responder.db.secrets"
    path.write_text(
        json.dumps(dict.fromkeys(("sentry_client_secret", "api_token", "secret_key"), "x"))
    )
    path.chmod(mode)
    done = serve(tmp_path)
    assert done.returncode == 2, done.stderr
    assert "can be read by others; run: chmod 600" in done.stderr


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = serve(tmp_path, RESPONDER_PORT=port)
    assert done.returncode == 2
    assert f"can't listen on 127.0.0.1:{port}" in done.stderr
    assert "Set RESPONDER_PORT to a free port" in done.stderr


@pytest.fixture(scope="module")
def rotating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("rotation")
    with Service(
        f"sqlite:///{folder}/r.db", RESPONDER_SENTRY_CLIENT_SECRET="the-new-one, the-old-one"
    ) as service:
        yield service


@pytest.mark.parametrize(
    ("secret", "status"),
    [
        ("the-new-one", 202),
        ("the-old-one", 202),
        (" the-old-one", 401),
        ("the-new-one, the-old-one", 401),
        ("", 401),
    ],
)
def test_while_a_secret_is_changed_both_are_accepted(
    rotating: Service, secret: str, status: int
) -> None:
    body = json.dumps(credit_failure()).encode()
    headers = {"Sentry-Hook-Resource": "event_alert", "Sentry-Hook-Signature": sign(body, secret)}
    answer = rotating.http.post("/webhooks/sentry", content=body, headers=headers)
    assert answer.status_code == status
