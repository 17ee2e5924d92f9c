"""A lived-in service for the browser: a real credits app with a fault in it, and its incident."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.service import PLAYBOOKS
from tests.web.site import Site

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
)
SWITCH = "credit-transactions"
PEOPLE = ("ada", "grace", "katherine", "mary", "rosalind")


def chromium() -> str:
    """The installed browser; without one the test is skipped, but never in CI."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        message = f"no browser is installed; looked for {', '.join(CHROMIUMS)}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """An installed Chromium, driven by Playwright."""
    path = chromium()
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield running
        finally:
            running.close()


def prepare(credits_url: str, *, broken: bool) -> None:
    """Put the switch and some life into the credits app; `broken` balances do not add up."""
    # As a process of its own, for Playwright has this thread's event loop.
    installed = subprocess.run(
        [sys.executable, "-m", "responder", "switches", "install", SWITCH, "--yes"],
        env=os.environ | {"KULTI_DATABASE_URL": credits_url, "RESPONDER_PLAYBOOKS": str(PLAYBOOKS)},
        capture_output=True,
        text=True,
    )
    assert installed.returncode == 0, installed.stderr
    with psycopg.connect(credits_url, autocommit=True) as connection:
        for name in PEOPLE:
            user = connection.execute(
                "insert into profiles (username) values (%s) returning id", [name]
            ).fetchone()
            assert user
            for amount, kind in ((120, "earned_watching"), (40, "earned_chatting")):
                connection.execute("select add_credits(%s, %s, %s)", [user[0], amount, kind])
        if broken:
            connection.execute(
                "update profiles set credits_balance = credits_balance + 25"
                " where username in ('ada', 'mary')"
            )


def mend(credits_url: str) -> None:
    """Set the balances right again."""
    with psycopg.connect(credits_url, autocommit=True) as connection:
        connection.execute(
            "update profiles set credits_balance = credits_balance - 25"
            " where username in ('ada', 'mary')"
        )


@contextlib.contextmanager
def site_with(database_url: str, credits_url: str) -> Iterator[Site]:
    """The service watching that app."""
    with Site(database_url, KULTI_DATABASE_URL=credits_url) as site:
        yield site
