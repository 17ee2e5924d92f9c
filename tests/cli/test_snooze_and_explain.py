"""`responder snooze` and `responder explain`, as a user types them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from responder.cli.events import event_alert
from tests.cli.test_commands import Commands
from tests.service import Service
from tests.story.test_credit_failure import credit_failure

NETWORK = "TypeError: Failed to fetch \x1b[31m[b]"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("snooze")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    with Service(f"sqlite:///{folder / 'r.db'}") as service:
        yield service


@pytest.fixture(scope="module")
def run(folder: Path, service: Service) -> Commands:
    return Commands(f"sqlite:///{folder / 'r.db'}", service.url)


def sent(service: Service, title: str, transaction: str = "GET /discover") -> int:
    payload = event_alert(title, transaction, now=datetime.now(UTC))
    payload["data"]["event"]["user"] |= {"email": "ann@kulti.club"}
    number: int = service.send("event_alert", payload).json()["id"]
    service.decision(number)
    return number


def test_an_area_is_snoozed_listed_and_ended(run: Commands, service: Service) -> None:
    done = run("snooze", "default", "--for", "2h", "--reason", "a [drill]")
    assert done.exit_code == 0, done.stderr
    assert "the area default is snoozed until 2" in done.stdout
    assert "(api): a [drill]" in done.stdout
    sent(service, "TypeError: x is undefined")
    (listed,) = run.json("snooze", "--list")["items"]
    assert (listed["area"], listed["active"], listed["in_all"]) == ("default", True, 1)
    number = str(listed["id"])
    assert f"{number}: the area default is snoozed" in run("snooze", "--list").stdout
    assert "kept quiet: 1" in run("snooze", "--list").stdout
    assert run.json("snooze", "--end", number)["active"] is False
    again = run("snooze", "--end", number)
    assert again.exit_code == 1
    assert again.stderr.startswith(f"snooze {number} was ended by ")
    assert "is ended by" in run("snooze", "--list").stdout


def test_an_issue_is_snoozed(run: Commands, service: Service) -> None:
    number = sent(service, "TypeError: y is undefined")
    issue = service.get(f"/deliveries/{number}")["payload"]["data"]["event"]["issue_id"]
    done = run.json("snooze", "--issue", issue, "--for", "3d", "--reason", "known")
    assert (done["issue_id"], done["area"]) == (issue, None)
    unknown = run("snooze", "--issue", "1", "--for", "1h", "--reason", "r")
    assert unknown.exit_code == 1
    assert "no alert about an issue 1 has come" in unknown.stderr
    assert run("snooze", "--end", str(done["id"])).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "say one of: an AREA, --issue ID, --list, --end ID"),
        (("default", "--list"), 2, "say one of"),
        (("default", "--issue", "1"), 2, "say one of"),
        (("default", "--reason", "r"), 2, "say how long"),
        (("default", "--for", "2h"), 2, "say why"),
        (("default", "--for", "2 hours", "--reason", "r"), 2, "write a duration with its unit"),
        (("lamp", "--for", "2h", "--reason", "r"), 1, "there is no area lamp; there are: "),
        (("default", "--for", "8d", "--reason", "r"), 1, "is too long"),
        (("credits", "--for", "5h", "--reason", "r"), 1, "4 h at most"),
        (("--end", "999"), 1, "there is no snooze 999"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(
    arguments: tuple[str, ...], code: int, words: str, run: Commands
) -> None:
    done = run("snooze", *arguments)
    assert done.exit_code == code
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert done.stdout == ""


def test_a_decision_is_explained(run: Commands, service: Service) -> None:
    number = str(service.send("event_alert", credit_failure()).json()["id"])
    decision = service.decision(int(number))
    done = run("explain", number)
    assert done.exit_code == 0, done.stderr
    for words in (
        f"Delivery {number}: sentry event_alert.triggered, signed webhook\n",
        "outcome        ◆ opened an incident\n",
        f"incident       {decision['incident_id']}\n",
        "rule that won  frame ",
        "breached       1, where any error is too much\n",
        "counted to     credits in production\n",
        "header         sentry-hook-resource: event_alert\n",
        '"triggered_rule": ',
    ):
        assert words in done.stdout
    brief = run("explain", number, "--no-payload").stdout
    assert done.stdout.startswith(brief)
    assert "triggered_rule" not in brief
    found = run.json("explain", number)
    assert found == service.get(f"/deliveries/{number}")
    assert found["explanation"]["readings"][0]["breached"] is True


def test_what_kept_it_quiet_is_explained_with_nothing_private(
    run: Commands, service: Service
) -> None:
    number = str(sent(service, NETWORK))
    done = run("explain", number)
    assert "kept quiet by  ignore:network\n" in done.stdout
    assert "title          TypeError: Failed to fetch [31m[b]\n" in done.stdout
    assert "payload        1 value was removed\n" in done.stdout
    assert "ann@" not in done.stdout
    assert "\x1b" not in done.stdout
    missing = run("explain", "999")
    assert (missing.exit_code, missing.stderr) == (1, "there is no delivery 999\n")
