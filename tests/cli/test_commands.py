"""The command line: what each command prints, its exit code, and that its help teaches."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from typer.testing import CliRunner, Result

from responder.cli import app, events
from tests.receive.samples import body, resource
from tests.responder_cli import ROOT, responder
from tests.service import PLAYBOOKS, TOKEN, Service, until
from tests.story.test_credit_failure import SWITCH, credit_failure

COMMANDS = (
    "",
    "serve",
    "demo",
    "check",
    "simulate",
    "backtest",
    "incidents",
    "post-mortem",
    "replay",
    "explain",
    "snooze",
    "schema",
    "hold",
    "release",
    "switches",
    "switches list",
    "switches install",
    "switches uninstall",
    "sign-in",
    "db",
    "db upgrade",
)
GROUPS = ("", "switches", "db")
HOSTILE = "Error: [/api/credits/tip] [object Object] \x1b[31m:smile: [bold]<b>x</b>"


class Commands:
    """The command line pointed at a service, running or not, inside the test for speed."""

    def __init__(self, database: str, url: str = "http://127.0.0.1:1") -> None:
        self.environment = {
            "RESPONDER_DATABASE_URL": database,
            "RESPONDER_PORT": url.rpartition(":")[2],
            "RESPONDER_API_TOKEN": TOKEN,
            "RESPONDER_SENTRY_CLIENT_SECRET": "x",
            "RESPONDER_SECRET_KEY": "x",
            "KULTI_DATABASE_URL": "",
            "COLUMNS": "200",
        }

    def __call__(self, *arguments: str, **more: str) -> Result:
        done = CliRunner().invoke(
            app, arguments, env=self.environment | more, prog_name="responder"
        )
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    def json(self, *arguments: str) -> Any:
        """What `--json` printed."""
        done = self(*arguments, "--json")
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)


def shown(*arguments: str) -> Result:
    """A command that needs no settings."""
    return Commands("sqlite:///nowhere.db")(*arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("commands")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    with Service(f"sqlite:///{folder / 'r.db'}") as service:
        yield service


@pytest.fixture(scope="module")
def run(folder: Path, service: Service) -> Commands:
    """Commands that find the service."""
    return Commands(f"sqlite:///{folder / 'r.db'}", service.url)


@pytest.fixture
def alone(tmp_path: Path) -> Commands:
    """Commands that find a database and no service."""
    run = Commands(f"sqlite:///{tmp_path / 'r.db'}")
    assert run("db", "upgrade").exit_code == 0
    return run


@pytest.fixture(scope="module")
def incident(service: Service) -> int:
    """An incident that ended, with a title that would like to be markup."""
    payload = credit_failure()
    event = payload["data"]["event"]
    event |= {"title": HOSTILE, "environment": "staging", "tags": [["environment", "staging"]]}
    number: int = service.decision(service.send("event_alert", payload).json()["id"])["incident_id"]
    service.step_in(number, "stop", "succeeded")
    service.post(f"/switches/{SWITCH}/release", reason="r", incident=number).raise_for_status()
    service.post(f"/incidents/{number}/resolve").raise_for_status()
    return number


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_with_an_example(command: str) -> None:
    done = shown(*command.split(), "--help")
    assert done.exit_code == 0, done.stderr
    assert f"responder {command}".strip() in done.stdout
    if command not in GROUPS:
        assert "Example: " in done.stdout
        assert re.search(rf"Example: .*responder {command}", done.stdout), done.stdout


def test_every_command_is_in_the_list_above() -> None:
    """A command added without help for it to be tested would be found here."""
    found = set()
    for group in GROUPS:
        text = shown(*group.split(), "--help").stdout
        listed = text.partition("Commands:")[2]
        found |= {f"{group} {name}".strip() for name in re.findall(r"^  ([a-z-]+)", listed, re.M)}
    assert found == {command for command in COMMANDS if command}


def test_the_version() -> None:
    done = responder("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"responder \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        ("incidents",),
        ("post-mortem",),
        ("post-mortem", "1"),
        ("replay", "1"),
        ("explain", "1"),
        ("snooze", "--list"),
        ("switches", "list"),
        ("demo",),
    ],
    ids=" ".join,
)
def test_with_no_service_it_says_how_to_start_one(
    arguments: tuple[str, ...], alone: Commands
) -> None:
    done = alone(*arguments)
    assert done.exit_code == 3
    assert done.stdout == ""
    assert "no responder answers at http://127.0.0.1:1; start it with `make run`" in done.stderr


def test_incidents_are_listed_as_they_are_called(run: Commands, incident: int) -> None:
    done = run("incidents")
    assert done.exit_code == 0, done.stderr
    assert "[/api/credits/tip] [object Object]" in done.stdout
    assert ":smile: [bold]<b>x</b>" in done.stdout
    assert "\x1b" not in done.stdout
    items = run.json("incidents", "--state", "resolved")["items"]
    assert incident in [item["id"] for item in items]
    assert run.json("incidents", "--area", "hms") == {"items": [], "next": None}
    assert run("incidents", "--area", "hms").stdout == "None is in the area hms.\n"
    assert run("incidents", "--state", "mitigated").stdout == "None is mitigated.\n"
    both = run("incidents", "--state", "mitigated", "--area", "hms")
    assert both.stdout == "None is mitigated in the area hms.\n"
    bogus = run("incidents", "--state", "bogus")
    assert bogus.exit_code == 2
    for state in ("open", "acknowledged", "mitigated", "resolved"):
        assert f"'{state}'" in bogus.stderr


def test_a_post_mortem_is_markdown_on_the_output(run: Commands, incident: int) -> None:
    listed = run.json("post-mortem")["items"]
    (record,) = (one for one in listed if one["incident"] == incident)
    table = run("post-mortem").stdout
    assert "[object Object]" in table
    assert "\x1b" not in table
    done = run("post-mortem", str(record["id"]))
    assert done.stdout.startswith("# Error: ")
    assert "\x1b" not in done.stdout
    assert run.json("post-mortem", str(record["id"]))["body"] in done.stdout
    missing = run("post-mortem", "999")
    assert (missing.exit_code, missing.stderr) == (1, "there is no post-mortem 999\n")


def test_a_replay_says_which_delivery_it_is(run: Commands, service: Service, incident: int) -> None:
    first = service.get("/deliveries")["items"][-1]["id"]
    done = run("replay", str(first))
    assert done.exit_code == 0, done.stderr
    number = int(re.fullmatch(r"Sent through again as delivery (\d+)\n", done.stdout)[1])  # type: ignore[index]
    assert service.get(f"/deliveries/{number}")["replay_of"] == first
    assert run.json("replay", str(first))["id"] == number + 1
    missing = run("replay", "999")
    assert (missing.exit_code, missing.stderr) == (1, "there is no delivery 999\n")
    for odd in ("-5", "0", str(2**70), "x"):
        refused = run("replay", "--", odd)
        assert refused.exit_code == 2
        assert "number" in refused.stderr
        assert "Not Found" not in refused.stderr


def test_switches_are_held_and_released_through_the_service(
    run: Commands, service: Service
) -> None:
    done = run("hold", SWITCH, "--reason", "odd [balances]")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(f"{SWITCH} is paused: ")
    assert done.stderr == ""
    listed = run("switches", "list").stdout
    assert f"{SWITCH}: paused" in listed
    assert re.search(r"  held by \S+ \(api\) \(by hand\) since .*: odd \[balances\]", listed)
    assert run.json("switches", "list")["items"][0]["state"] == "paused"
    assert service.get(f"/switches/{SWITCH}")["holds"][0]["reason"] == "odd [balances]"
    answer = run.json("release", SWITCH, "--reason", "checked")
    assert answer["state"] == "running"
    assert run("hold", "lamp", "--reason", "r").exit_code == 1
    assert run("hold", SWITCH).exit_code == 2  # it takes a reason


def test_releasing_what_nobody_holds_says_so(run: Commands, service: Service) -> None:
    done = run("release", SWITCH, "--reason", "r")
    assert done.exit_code == 0, done.stderr
    assert f"Nothing to release: no hold placed by hand is on {SWITCH}." in done.stdout
    other = service.decision(service.send("event_alert", credit_failure()).json()["id"])
    number = str(other["incident_id"])
    service.step_in(int(number), "stop", "succeeded")
    done = run("release", SWITCH, "--reason", "r")
    assert "Nothing to release" in done.stdout
    assert f"{SWITCH} is paused: " in done.stdout
    assert f"(incident {number})" in done.stdout, "who holds it is told"
    assert "--incident" in done.stdout
    done = run("release", SWITCH, "--reason", "r", "--incident", number)
    assert "Nothing" not in done.stdout
    assert f"{SWITCH} is running: " in done.stdout
    service.post(f"/incidents/{number}/resolve").raise_for_status()


def test_with_the_service_down_a_switch_in_the_database_is_really_held(
    alone: Commands, credits_url: str
) -> None:
    alone.environment["KULTI_DATABASE_URL"] = credits_url
    assert alone("switches", "install", SWITCH, "--yes").exit_code == 0
    done = alone("hold", SWITCH, "--reason", "odd balances")
    assert done.exit_code == 0, done.stderr
    assert "Doing it from here instead." in done.stderr
    assert done.stdout.startswith(f"{SWITCH} is paused: public.credit_transactions refuses")
    with psycopg.connect(credits_url) as connection, pytest.raises(psycopg.Error, match="paused"):
        connection.execute("insert into credit_transactions (user_id) values (null)")
    done = alone("release", SWITCH, "--reason", "checked", "--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["state"], answer["confirmed"], answer["holds"]) == ("running", True, [])


def test_with_the_service_down_a_switch_that_the_app_polls_is_only_recorded(
    alone: Commands,
) -> None:
    done = alone("hold", SWITCH, "--reason", "odd balances")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert "recorded, but the app can't see it until the service runs" in done.stderr
    with Service(alone.environment["RESPONDER_DATABASE_URL"]) as service:
        found = service.get(f"/switches/{SWITCH}")
        assert [hold["reason"] for hold in found["holds"]] == ["odd balances"]
        assert found["state"] == "paused"
    done = alone("release", SWITCH, "--reason", "checked", "--json")
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert (answer["state"], answer["confirmed"]) == ("running", False)
    with Service(alone.environment["RESPONDER_DATABASE_URL"]) as service:
        assert service.get(f"/switches/{SWITCH}")["holds"] == []


@pytest.mark.parametrize(
    "command",
    [
        ("hold", SWITCH, "--reason", "r"),
        ("release", SWITCH, "--reason", "r"),
        ("switches", "list"),
        ("incidents",),
        ("sign-in",),
        ("demo",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("token", ["", "x"], ids=["no-token", "token"])
def test_in_the_wrong_folder_nothing_is_made_up(
    command: tuple[str, ...], token: str, tmp_path: Path
) -> None:
    done = responder(
        *command,
        cwd=tmp_path,
        RESPONDER_PORT="1",
        RESPONDER_API_TOKEN=token,
        RESPONDER_PLAYBOOKS=str(PLAYBOOKS),
    )
    assert list(tmp_path.iterdir()) == []
    assert done.stdout == ""
    if token and command[0] in ("switches", "incidents"):
        assert done.returncode == 3  # with a token they need no database, only the service
        return
    assert done.returncode == 2, done.stderr
    assert (
        f"no responder.db in {tmp_path}: run this where the service runs, "
        "or set RESPONDER_DATABASE_URL" in done.stderr
    )


def test_a_database_without_its_secrets_is_told(tmp_path: Path) -> None:
    here = {"RESPONDER_PLAYBOOKS": str(PLAYBOOKS), "RESPONDER_PORT": "1"}
    assert responder("db", "upgrade", cwd=tmp_path, **here).returncode == 0
    before = set(tmp_path.iterdir())
    for token in ("", "x"):
        done = responder(
            "hold", SWITCH, "--reason", "r", cwd=tmp_path, RESPONDER_API_TOKEN=token, **here
        )
        assert done.returncode == 2
        assert f"no responder.db.secrets in {tmp_path}: " in done.stderr
        assert "RESPONDER_SECRET_KEY" in done.stderr
    assert set(tmp_path.iterdir()) == before


@pytest.fixture
def somebody_else() -> Iterator[str]:
    """Another web server at the address, which says yes to everything, in HTML."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<!doctype html><p>Hello")

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_somebody_else_at_the_address_is_not_taken_for_the_service(
    alone: Commands, somebody_else: str
) -> None:
    alone.environment["RESPONDER_PORT"] = somebody_else.rpartition(":")[2]
    done = alone("incidents")
    assert done.exit_code == 3
    assert f"what answers at {somebody_else} is not responder" in done.stderr
    done = alone("hold", SWITCH, "--reason", "r")
    assert "is not responder" in done.stderr
    assert "recorded, but" in done.stderr, "containment goes on from here"


def test_a_host_that_is_nowhere_is_told_as_such(alone: Commands) -> None:
    alone.environment["RESPONDER_HOST"] = "no-such-host.invalid"
    done = alone("incidents")
    assert done.exit_code == 3
    assert "the host no-such-host.invalid can't be found; check RESPONDER_HOST" in done.stderr
    serving = responder("serve", RESPONDER_HOST="no-such-host.invalid")
    assert serving.returncode == 2
    assert "Set RESPONDER_HOST to an address of this machine" in serving.stderr
    assert "another responder" not in serving.stderr


@pytest.mark.parametrize("name", ["", "  ", "\x1b\u200b"])
def test_a_link_is_for_somebody(name: str, alone: Commands) -> None:
    done = alone("sign-in", "--as", name)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "say who signs in" in done.stderr


def test_with_the_service_down_what_is_not_there_is_told(alone: Commands) -> None:
    for verb in ("hold", "release"):
        done = alone(verb, "lamp", "--reason", "r")
        assert done.exit_code == 1
        assert f"there is no switch lamp; there are: {SWITCH}" in done.stderr
        assert "recorded" not in done.stderr
    done = alone("release", SWITCH, "--reason", "r", "--incident", "999")
    assert done.exit_code == 1
    assert "there is no incident 999" in done.stderr
    assert alone("release", SWITCH, "--reason", "r", "--incident", "-1").exit_code == 2


def test_a_database_that_does_not_answer_does_not_lose_the_release(alone: Commands) -> None:
    unreachable = "postgresql://127.0.0.1:1/none"
    done = alone("release", SWITCH, "--reason", "r", KULTI_DATABASE_URL=unreachable)
    assert done.exit_code == 1
    assert "The release is recorded, but: " in done.stderr


@pytest.fixture
def payloads(tmp_path: Path) -> dict[str, Path]:
    """Webhook bodies in files."""
    now = datetime.now(UTC)
    made = {
        "credits": credit_failure(),
        "hms": events.metric_alert("HMS failures", "", "failure_rate()", "0.08", now=now),
        "other": events.issue_created("TypeError: x", "GET /discover", now=now),
    }
    paths = {name: tmp_path / f"{name}.json" for name in made}
    for name, payload in made.items():
        paths[name].write_text(json.dumps(payload))
    return paths


def test_simulate_says_what_would_happen(payloads: dict[str, Path]) -> None:
    done = shown("simulate", str(payloads["credits"]))
    assert done.exit_code == 0, done.stderr
    assert f"{payloads['credits']}: firing" in done.stdout
    assert re.search(r"area +credits$", done.stdout, re.M)
    assert f"step       stop: switch.hold: Pause {SWITCH}" in done.stdout


def test_simulate_for_scripts(payloads: dict[str, Path]) -> None:
    one = json.loads(shown("simulate", "--json", str(payloads["credits"])).stdout)
    assert set(one) >= {
        *("area", "path", "found_in", "reason", "threshold", "playbook", "steps"),
    }
    assert (one["area"], one["found_in"]) == ("credits", "frame")
    assert one["path"].startswith(("lib/credits/", "app/api/credits/"))
    assert one["playbook"] == "credit-system-errors"
    assert one["steps"][0] == {
        "id": "stop",
        "action": "switch.hold",
        "intent": f"Pause {SWITCH}",
    }
    files = [str(path) for path in payloads.values()]
    several = json.loads(shown("simulate", "--json", *files).stdout)
    assert [(found["file"], found["area"]) for found in several] == [
        (files[0], "credits"),
        (files[1], "hms"),
        (files[2], "default"),
    ]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("event_alert.test", "a test notification"),
        ("issue.resolved", "something is over"),
        ("comment", "no alert"),
        ("unknown", "no rule knows"),
    ],
)
def test_simulate_starts_nothing_for_what_is_no_alert(name: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "body.json"
    path.write_bytes(body(name))
    arguments = ("simulate", "--resource", resource(name), str(path))
    found = json.loads(shown(*arguments, "--json").stdout)
    assert (found["starts"], found["playbook"], found["steps"]) == (False, None, [])
    printed = shown(*arguments).stdout
    assert f"  {found['outlook']}\n" in printed
    assert found["outlook"].startswith("would start nothing: ")
    assert says in found["outlook"]
    assert "step " not in printed


def test_simulate_says_when_it_would_start(payloads: dict[str, Path], tmp_path: Path) -> None:
    def outlook(*arguments: str) -> tuple[bool, str, bool]:
        found = json.loads(shown("simulate", "--json", *arguments).stdout)
        return found["starts"], found["outlook"], bool(found["steps"])

    assert outlook(str(payloads["credits"])) == (True, "starts at once", True)
    assert outlook(str(payloads["hms"])) == (True, "starts at once", True), "Sentry measured it"
    assert outlook(str(payloads["other"])) == (True, "starts at once", True), "a new issue"
    known = events.event_alert("RangeError: too far", "GET /discover", now=datetime.now(UTC))
    (tmp_path / "known.json").write_text(json.dumps(known))
    starts, later, steps = outlook(str(tmp_path / "known.json"))
    assert (starts, steps) == (False, True)
    assert later.startswith("starts once there is too much: more than 50 in 1 hour")
    assert f"  {later}\n" in shown("simulate", str(tmp_path / "known.json")).stdout

    shutil.copytree(PLAYBOOKS, tmp_path / "playbooks")
    areas = tmp_path / "playbooks" / "areas.yaml"
    areas.write_text(areas.read_text().replace("# environments: [prod", "environments: [prod"))
    elsewhere = credit_failure()
    elsewhere["data"]["event"] |= {"environment": "staging", "tags": []}
    (tmp_path / "staging.json").write_text(json.dumps(elsewhere))
    only = ("--playbooks", str(tmp_path / "playbooks"), str(tmp_path / "staging.json"))
    assert outlook(*only) == (
        False,
        "would start nothing: only production counts for credits",
        False,
    )


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\xff"])
def test_simulate_names_a_file_it_can_not_read(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "payload.json"
    if content is not None:
        path.write_bytes(content)
    done = shown("simulate", str(path))
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"{path}: ")


def test_installing_a_switch_asks_first(alone: Commands) -> None:
    done = alone("switches", "install", SWITCH)
    assert done.exit_code == 1  # nobody answered
    assert "credit_transactions" in done.stdout
    assert "This runs in the database kulti" in done.stderr
    done = alone("switches", "install", SWITCH, "--yes")
    assert done.exit_code == 1
    assert "KULTI_DATABASE_URL" in done.stderr
    done = alone("switches", "install", "lamp", "--yes")
    assert done.exit_code == 1
    assert f"there is no switch lamp; switches.yaml has: {SWITCH}" in done.stderr


def test_the_demo_tells_the_whole_story_and_leaves_a_post_mortem(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'r.db'}"
    with Service(
        database,
        RESPONDER_SENTRY_CLIENT_SECRET="",
        RESPONDER_API_TOKEN="",
        RESPONDER_SECRET_KEY="",
    ) as service:
        until(lambda: (tmp_path / "r.db.secrets").exists(), bool)
        done = responder(
            "demo", RESPONDER_DATABASE_URL=database, RESPONDER_PORT=service.url.rpartition(":")[2]
        )
    assert done.returncode == 0, done.stdout + done.stderr
    told = " ".join(done.stdout.split())
    for line in (
        "refused with 401; it starts nothing, and is kept apart",
        "credit transactions are paused,",
        "sent twice: 200",
        "joined incident 1",
        "auth: ",
        "hms: opened incident",
        "database: ",
        "webhooks: opened incident",
        "performance: opened incident",
        "default: ",
        "Incident 1 is yours",
        "approved by Rosa (demo)",
        "Incident 1 is resolved; its post-mortem is drafted",
        f"{service.url}/post-mortems/1",
    ):
        assert line in told


def test_the_demo_with_a_real_database_shows_transactions_stop_and_flow_again() -> None:
    done = responder("demo", "--app")
    assert done.returncode == 0, done.stdout + done.stderr
    told = " ".join(done.stdout.split())
    assert re.search(r"[1-9]\d* transactions got through before the webhook", told)
    assert re.search(r"the last one \d+ ms after it arrived; [1-9]\d* refused since", told)
    assert re.search(r"transactions flow again: [1-9]\d* since the resume", told)
    assert "balances that differ from their ledger: 0 of 20" in told
    assert "responder demo --app --keep" in told
    assert "/incidents/1" not in told, "pages that are gone already"
    assert "sign-in" not in told


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_can_be_kept_to_look_at_its_pages(ended_by: signal.Signals) -> None:
    command = [sys.executable, "-m", "responder", "demo", "--app", "--keep"]
    told = ""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told += line
            if "press Ctrl-C to end" in line:
                break
        link = re.search(r"http://\S+/sign-in\?token=\S+", told)
        page = re.search(r"http://\S+/incidents/1", told)
        try:
            assert link, told
            assert page, told
            assert httpx.get(link[0], trust_env=False).status_code == 200
        finally:
            process.send_signal(ended_by)
        assert process.wait(30) == 0
