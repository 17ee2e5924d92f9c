"""Local mode: no secret is set, so the service makes its own and tells how to come in."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.responder_cli import responder
from tests.service import PLAYBOOKS, Service, until


def without_secrets(folder: Path) -> Service:
    """A service in local mode, its database in that folder."""
    return Service(
        f"sqlite:///{folder / 'r.db'}",
        RESPONDER_SENTRY_CLIENT_SECRET="",
        RESPONDER_API_TOKEN="",
        RESPONDER_SECRET_KEY="",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="module")
def local(folder: Path) -> Iterator[Service]:
    """A service in local mode."""
    with without_secrets(folder) as service:
        wait_for_line(service, "next ")
        yield service


def wait_for_line(service: Service, word: str) -> str:
    """What the service printed, once it has printed the line with that word."""
    return until(lambda: "".join(service.output), lambda printed: word in printed)


def link_of(printed: str) -> str:
    found = re.search(r"https?://\S+/sign-in\?token=\S+", printed)
    assert found, printed
    return found[0]


def sign_in(link: str) -> httpx.Client | None:
    """Follow the link as a browser does: the page, then its button."""
    browser = httpx.Client(base_url=link.partition("/sign-in")[0], trust_env=False, timeout=15)
    page = browser.get(link)
    if page.status_code == 200 and "<form" in page.text:
        token = link.partition("token=")[2]
        page = browser.post("/sign-in", data={"token": token})
    return browser if page.status_code == 303 else None


def test_the_secrets_are_for_the_owner_only(local: Service, folder: Path) -> None:
    path = folder / "r.db.secrets"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = json.loads(path.read_text())
    assert sorted(kept) == ["api_token", "secret_key", "sentry_client_secret"]
    assert len(set(kept.values())) == 3
    assert all(len(secret) >= 32 for secret in kept.values())
    printed = "".join(local.output)
    assert "r.db.secrets" in printed
    assert not any(secret in printed for secret in kept.values())


def test_the_printed_link_signs_in_once(local: Service) -> None:
    link = link_of("".join(local.output))
    assert link.startswith(local.url)
    browser = sign_in(link)
    assert browser is not None
    assert browser.get("/incidents").status_code == 200
    assert sign_in(link) is None


def test_responder_sign_in_prints_another_link(local: Service, folder: Path) -> None:
    done = responder(
        "sign-in",
        "--as",
        "Rosa Okafor",
        RESPONDER_DATABASE_URL=f"sqlite:///{folder / 'r.db'}",
        RESPONDER_PORT=local.url.rpartition(":")[2],
    )
    assert done.returncode == 0, done.stderr
    link = done.stdout.strip()
    assert link == link_of(done.stdout)
    browser = sign_in(link)
    assert browser is not None
    assert "Rosa Okafor" in browser.get("/incidents").text
    assert sign_in(link) is None


def test_the_secrets_are_kept_between_starts(tmp_path: Path) -> None:
    with without_secrets(tmp_path) as service:
        before = (tmp_path / "r.db.secrets").read_text()
        link = link_of(wait_for_line(service, "sign in"))
    with without_secrets(tmp_path) as service:
        assert (tmp_path / "r.db.secrets").read_text() == before
        again = link_of(wait_for_line(service, "sign in"))
        assert again != link
        port = service.url.rpartition(":")[2]
        assert sign_in(re.sub(r":\d+/", f":{port}/", link)) is not None  # it was not used before


def test_a_secret_that_is_set_goes_before_the_kept_one(local: Service, folder: Path) -> None:
    kept = json.loads((folder / "r.db.secrets").read_text())
    header = {"Authorization": f"Bearer {kept['api_token']}"}
    assert local.http.get("/api/v1/switches", headers=header).status_code == 200

    # The command line finds the kept token by itself, and uses one that is set instead.
    def incidents(token: str = "") -> subprocess.CompletedProcess[str]:
        return responder(
            "incidents",
            RESPONDER_DATABASE_URL=f"sqlite:///{folder / 'r.db'}",
            RESPONDER_PORT=local.url.rpartition(":")[2],
            RESPONDER_API_TOKEN=token,
        )

    assert incidents().returncode == 0
    refused = incidents("another")
    assert refused.returncode == 1
    assert (
        f"the service at {local.url} has another token: set RESPONDER_API_TOKEN, "
        "or run this in the service's folder" in refused.stderr
    )


def test_with_every_secret_set_nothing_is_kept_and_no_link_is_printed(tmp_path: Path) -> None:
    with Service(f"sqlite:///{tmp_path / 'r.db'}") as service:
        assert service.http.get("/healthz").status_code == 200
        assert not (tmp_path / "r.db.secrets").exists()
        assert "token=" not in "".join(service.output)


def test_a_folder_that_takes_no_secrets_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(0o500)
    if os.access(closed, os.W_OK):  # root may write anywhere
        closed = tmp_path / "nowhere"
    done = responder(
        "serve",
        RESPONDER_DATABASE_URL=f"sqlite:///{closed / 'r.db'}",
        RESPONDER_PORT="0",
        RESPONDER_PLAYBOOKS=str(PLAYBOOKS),
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"local secrets can't be kept in {closed / 'r.db.secrets'}")
