"""Rules are tried against what came, in the terminal and as a timeline on a page."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

from responder.cli.events import event_alert
from tests.responder_cli import responder
from tests.service import PLAYBOOKS
from tests.web.site import Site, text_of


def edited(where: Path, old: str, new: str) -> Path:
    """The shipped playbooks with one change to the areas."""
    shutil.copytree(PLAYBOOKS, where)
    areas = where / "areas.yaml"
    text = areas.read_text(encoding="utf-8")
    assert old in text
    areas.write_text(text.replace(old, new), encoding="utf-8")
    return where


def test_a_backtest_says_what_would_be_otherwise(site: Site, tmp_path: Path) -> None:
    incident = site.incident()
    for _ in range(3):
        alert = event_alert("Verify OTP error", "POST /api/auth/verify", now=datetime.now(UTC))
        delivery = site.send("event_alert", alert).json()["id"]
    site.decision(delivery)
    url = f"sqlite:///{tmp_path / 'responder.db'}"
    visitor = site.visitor()
    assert "responder backtest --since 30d" in text_of(visitor.get("/backtests"))

    same = responder("backtest", "--since", "1h", "--json", RESPONDER_DATABASE_URL=url)
    assert same.returncode == 0, same.stderr
    found = json.loads(same.stdout)
    assert (found["deliveries"], found["same"]) == (4, 4)
    assert (found["opens"], found["gone"], found["moved"]) == ([], [], [])
    page = visitor.get(f"/backtests/{found['id']}")
    assert "The same incidents would have been opened" in text_of(page)

    eager = edited(tmp_path / "eager", "{ more_than: 10, per: 1h }", "{ more_than: 2, per: 1h }")
    (eager / "credit-system-errors.yaml").unlink()
    areas = eager / "areas.yaml"
    moved = areas.read_text(encoding="utf-8")
    moved = moved.replace(
        "      - lib/credits/**\n      - app/api/credits/**\n", "      - nothing/**\n"
    )
    areas.write_text(moved, encoding="utf-8")
    tried = responder(
        "backtest", "--since", "1h", "--playbooks", str(eager), RESPONDER_DATABASE_URL=url
    )
    assert tried.returncode == 0, tried.stderr
    assert "Would newly open: 1" in tried.stdout
    assert "Would no longer open: 1" in tried.stdout
    number = tried.stdout.rsplit("/backtests/", 1)[1].strip()
    page = visitor.get(f"/backtests/{number}")
    words = text_of(page)
    assert "Would newly open: 1" in words
    assert "Verify OTP error" in words
    assert f"incident #{incident}" in words
    assert 'class="bar-new"' in page.text
    assert 'class="bar-gone"' in page.text
    assert f"/backtests/{number}" in visitor.get("/backtests").text
    assert visitor.get("/backtests/999").status_code == 404
    # Nothing was done: the incident is as it was, and no other is there.
    assert [one["id"] for one in site.get("/incidents")["items"]] == [incident]


def test_odd_times_and_folders_are_told_in_words(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'nowhere.db'}"
    for arguments, says in (
        (("--since", "yesterday"), "write 30d, 12h or 2026-11-01"),
        (("--since", "2999-01-01"), "nothing has come yet since then"),
        (("--since", "30d"), "no nowhere.db"),
    ):
        done = responder("backtest", *arguments, RESPONDER_DATABASE_URL=url)
        assert done.returncode == 2
        assert says in " ".join(done.stderr.replace("│", " ").split())
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "nowhere.db").exists()
