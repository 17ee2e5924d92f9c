"""Wrong settings: each variable is named, with how to mend it, and the service does not start."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from pydantic import SecretStr

from responder import log
from responder.cli import main
from responder.receive.verify import sign
from responder.settings import Settings
from tests.responder_cli import responder
from tests.service import PLAYBOOKS, Service
from tests.story.test_credit_failure import credit_failure


class Serve(Protocol):
    """`responder serve` in an empty folder; it ends by itself when a setting is wrong."""

    def __call__(self, **environment: str) -> str: ...


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Serve:
    """Serves inside the test, for speed; gives what stood on standard error."""

    def serve(**environment: str) -> str:
        for name in [name for name in os.environ if name.startswith("RESPONDER_")]:
            monkeypatch.delenv(name)
        base = {"RESPONDER_PORT": "0", "RESPONDER_PLAYBOOKS": str(PLAYBOOKS)}
        for name, value in (base | environment).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["responder", "serve"])
        monkeypatch.setattr(log, "configure", lambda *, pretty: None)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        said = capsys.readouterr()
        assert said.out == ""
        return said.err

    return serve


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
    "Sentry's address": (
        {"RESPONDER_SENTRY_API_URL": "sentry.io"},
        ["RESPONDER_SENTRY_API_URL: ", "URL"],
    ),
    "Sentry's organisation": (
        {"RESPONDER_SENTRY_ORG": "../hush"},
        ["RESPONDER_SENTRY_ORG: ", "slug"],
    ),
    "Sentry's token with something else in it": (
        {"RESPONDER_SENTRY_API_TOKEN": "sntrys hush", "RESPONDER_SENTRY_ORG": "kulti"},
        ["RESPONDER_SENTRY_API_TOKEN: ", "copy it once more"],
    ),
    "Sentry's token without its organisation": (
        {"RESPONDER_SENTRY_API_TOKEN": "sntrys_hush"},
        ["RESPONDER_SENTRY_API_TOKEN is set but RESPONDER_SENTRY_ORG is not", "slug"],
    ),
    "the plugin's token is short": (
        {"RESPONDER_SENTRY_PLUGIN_TOKEN": "hush-hush"},
        ["RESPONDER_SENTRY_PLUGIN_TOKEN: ", "24 or more", "openssl rand -hex 32"],
    ),
    "the plugin's token fits no address": (
        {"RESPONDER_SENTRY_PLUGIN_TOKEN": "hush/hush/hush/hush/hush/hush"},
        ["RESPONDER_SENTRY_PLUGIN_TOKEN: ", "letters, digits, - and _"],
    ),
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
def test_a_wrong_value_names_its_variable(wrong: str, refused: Serve) -> None:
    environment, words = WRONG[wrong]
    said = refused(**environment)
    assert "hush" not in said
    for word in words:
        assert word in said


def test_the_process_ends_with_2_and_no_stack_trace(tmp_path: Path) -> None:
    done = responder("serve", cwd=tmp_path, RESPONDER_PORT="http")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("These settings can't be used:\n  RESPONDER_PORT: ")
    assert "Traceback" not in done.stderr


def test_others_may_reach_us_only_with_real_secrets(tmp_path: Path, refused: Serve) -> None:
    given = {"RESPONDER_HOST": "0.0.0.0", "RESPONDER_API_TOKEN": "t"}
    said = refused(**given)
    assert "RESPONDER_SENTRY_CLIENT_SECRET, RESPONDER_SECRET_KEY" in said
    assert "RESPONDER_API_TOKEN" not in said
    assert "127.0.0.1 for local mode" in said
    assert list(tmp_path.iterdir()) == []
    said = refused(**given, RESPONDER_SENTRY_CLIENT_SECRET=" , ", RESPONDER_SECRET_KEY="")
    assert "RESPONDER_SENTRY_CLIENT_SECRET, RESPONDER_SECRET_KEY" in said


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


@pytest.mark.parametrize("url", ["https://de.sentry.io/api/0", "https://de.sentry.io/api/0/"])
def test_sentrys_address_ends_in_one_slash(url: str) -> None:
    assert Settings(sentry_api_url=url).sentry_api_url == "https://de.sentry.io/api/0/"


@pytest.mark.parametrize("blank", ["", " "])
def test_a_blank_sentry_token_is_none(blank: str) -> None:
    assert Settings(sentry_api_token=SecretStr(blank)).sentry_api_token is None


@pytest.mark.parametrize("content", ["", "[]", '{"api_token": "x"}', "\x00\x01"])
def test_a_damaged_secrets_file(content: str, tmp_path: Path, refused: Serve) -> None:
    path = tmp_path / "responder.db.secrets"
    path.write_text(content)
    path.chmod(0o600)
    assert "responder.db.secrets is damaged; remove it" in refused()
    assert path.read_text() == content


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660])
def test_a_secrets_file_that_others_can_read(mode: int, tmp_path: Path, refused: Serve) -> None:
    path = tmp_path / "responder.db.secrets"
    names = ("sentry_client_secret", "api_token", "secret_key")
    path.write_text(json.dumps(dict.fromkeys(names, "x")))
    path.chmod(mode)
    assert "can be read by others; run: chmod 600" in refused()


def test_a_port_that_is_taken(refused: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refused(RESPONDER_PORT=port)
    assert f"can't listen on 127.0.0.1:{port}" in said
    assert "Set RESPONDER_PORT to a free port" in said


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
