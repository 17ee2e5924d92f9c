"""responder demo: the whole story in a minute, against the running service."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from responder import local
from responder.cli import events
from responder.cli.client import NotRunning, Service, fail
from responder.cli.demo_app import CreditsApp, running_app
from responder.receive.verify import sign

PERSON = "Rosa (demo)"
PATIENCE = 20.0  # seconds any line of the story may take
SWITCH = "credit-transactions"
NO_DATABASE = "the demo runs without the app's database (try --app)"


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog="Example: make run   then, in another terminal: .venv/bin/responder demo")(
        demo
    )


def demo(
    with_app: bool = typer.Option(
        False,
        "--app",
        help="Start a small credits database and a responder of its own, and watch "
        "transactions stop and flow again. Needs `make test` or `make check` once.",
    ),
    keep: bool = typer.Option(False, help="With --app: leave the pages up until Ctrl-C."),
) -> None:
    """Show the whole story: signed Sentry webhooks in, containment, people, post-mortem."""
    console = Console(highlight=False)
    try:
        if not with_app:
            Story(console, Service(), None, stays=True).tell()
            return
        # However it is ended, what it started ends with it; a shell's background job is born
        # deaf to Ctrl-C.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        with running_app(console) as app:
            Story(console, app.service, app, stays=keep).tell()
            if keep:
                console.print("\nThe pages stay up; press Ctrl-C to end.")
                with contextlib.suppress(KeyboardInterrupt):
                    while True:
                        time.sleep(3600)
    except NotRunning as error:
        raise fail(error) from None


@dataclass(frozen=True, slots=True)
class Answer:
    """How the service answered a delivery, and how long it took in milliseconds."""

    status: int
    body: dict[str, Any]
    took: float


class Story:
    """Tells the story line by line; every figure is measured while it is told.

    Args:
        stays: the pages are there after the story, so it is worth telling where.
    """

    def __init__(
        self, console: Console, service: Service, app: CreditsApp | None, *, stays: bool
    ) -> None:
        self._console = console
        self._service = service
        self._app = app
        self._stays = stays
        self._secret = local.secrets_of(service.settings).sentry[0]
        self._http = httpx.Client(base_url=service.address, timeout=10)

    def tell(self) -> None:
        """The whole story."""
        self._service.get("/switches")  # nobody there? say so before the curtain rises
        self._refuse_a_forgery()
        incident = self._credit_failure()
        self._other_areas()
        self._people(incident)
        self._summary(incident)

    def _refuse_a_forgery(self) -> None:
        self._title("A forged webhook")
        payload = self._credit_payload()
        answer = self._send("event_alert", payload, secret="not-the-secret")  # noqa: S106
        self._line(f"refused with {answer.status}; it starts nothing, and is kept apart")

    def _credit_failure(self) -> int:
        self._title("A credit failure, with a stack")
        payload = self._credit_payload()
        answer = self._send("event_alert", payload)
        self._line(f"stored as delivery {answer.body['id']} in {answer.took:.0f} ms")
        delivery = self._decided(answer.body["id"])
        decision = delivery["decision"]
        self._line(f"{decision['outcome']}: {decision['reason']}")
        incident = int(decision["incident_id"])
        switch = self._until(
            lambda: self._service.get(f"/switches/{SWITCH}"),
            lambda found: self._holds(found, incident) and found["confirmed"],
            "the pause to be confirmed",
        )
        step = self._until(
            lambda: self._step(incident, "stop"),
            lambda found: found["finished_at"] is not None,
            "the pause to be written down",
        )
        took = _span(delivery["received_at"], step["finished_at"])
        self._line(f"credit transactions are paused, {took * 1000:.0f} ms after it arrived")
        self._line(switch["detail"])
        if self._app is not None:
            self._app.tell_pause(self._line, _time(delivery["received_at"]))

        again = self._send("event_alert", payload)
        self._line(f"sent twice: {again.status}, it is delivery {again.body['id']} already")

        self._title("The same as a message: no stack, only a transaction")
        message = events.event_alert(
            "Failed to add credits", "POST /api/credits/tip", now=datetime.now(UTC)
        )
        decided = self._decided(self._send("event_alert", message).body["id"])["decision"]
        self._line(f"{decided['outcome']} incident {decided['incident_id']}: {decided['reason']}")
        return incident

    def _other_areas(self) -> None:
        self._title("An alert for each other area")
        now = datetime.now(UTC)
        for resource, payload in (
            (
                "event_alert",
                events.event_alert("Verify OTP error", "POST /api/auth/verify-otp", now=now),
            ),
            (
                "metric_alert",
                events.metric_alert(
                    "HMS connection failure rate",
                    'transaction:"POST /api/hms/get-token"',
                    "failure_rate()",
                    "0.08 failure rate",
                    now=now,
                ),
            ),
            ("error", _as_error(self._database_event(now))),
            (
                "metric_alert",
                events.metric_alert(
                    "Webhook failure rate",
                    'transaction:"POST /api/webhooks/hms"',
                    "failure_rate()",
                    "0.05 failure rate",
                    now=now,
                ),
            ),
            (
                "metric_alert",
                events.metric_alert(
                    "P95 response time",
                    "event.type:transaction",
                    "p95(transaction.duration)",
                    "3400 ms p95",
                    now=now,
                ),
            ),
            (
                "issue",
                events.issue_created("TypeError: x is not a function", "GET /discover", now=now),
            ),
        ):
            decision = self._decided(self._send(resource, payload).body["id"])["decision"]
            what = decision["outcome"]
            if decision["incident_id"]:
                what += f" incident {decision['incident_id']}"
            elif decision["count"]:
                what += f" {decision['count']} (threshold: {decision['threshold']})"
            self._line(f"{decision['area']}: {what}; {decision['reason']}")

    def _people(self, incident: int) -> None:
        self._title("People take over")
        acknowledged = self._service.post(f"/incidents/{incident}/acknowledge", by=PERSON)
        self._line(acknowledged["message"])
        self._tell_checks(self._settled(incident))
        for step in self._steps(incident):
            if step["checklist"]:
                ids = [item["id"] for item in step["checklist"]]
                self._service.post(f"/steps/{step['step_id']}/tick", shown=ids, done=ids, by=PERSON)
                self._line(f"{step['title']}: {len(ids)} items ticked by {PERSON}")
            elif step["state"] == "failed":
                self._service.post(f"/steps/{step['step_id']}/skip", reason=NO_DATABASE, by=PERSON)
        resume = self._until(
            lambda: self._step(incident, "resume"),
            lambda step: bool(step["asks_approval"]),
            "the resume to ask for approval",
        )
        self._line(f"asked: {resume['summary']}")
        self._service.post(f"/steps/{resume['step_id']}/decide", approve=True, by=PERSON)
        done = self._until(
            lambda: self._step(incident, "resume"),
            lambda step: step["state"] == "succeeded",
            "the resume",
        )
        self._line(f"approved by {PERSON}: {done['summary']}")
        if self._app is not None:
            self._app.tell_resume(self._line, _time(done["finished_at"]))
        self._until(
            lambda: self._service.get(f"/incidents/{incident}"),
            lambda found: found["state"] == "mitigated",
            "the incident to be mitigated",
        )
        self._line(self._service.post(f"/incidents/{incident}/resolve", by=PERSON)["message"])

    def _tell_checks(self, checks: list[Any]) -> None:
        said: dict[str, list[str]] = {}
        for step in checks:
            said.setdefault(step["error"] or step["summary"], []).append(step["title"])
        for what, titles in said.items():
            titles_or_count = titles[0] if len(titles) == 1 else f"{len(titles)} checks"
            self._line(f"{titles_or_count}: {what}")
        if any(step["state"] == "failed" for step in checks):
            self._line(f"{PERSON} skips what could not be checked, saying why: {NO_DATABASE}")

    def _summary(self, incident: int) -> None:
        if not self._stays:
            self._title("The end")
            self._line("To look at it all on the pages: responder demo --app --keep")
            return
        self._title("Where to look")
        pages = self._service.settings.base_url
        found = self._service.get(f"/incidents/{incident}")
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 2))
        table.add_row("the incident", f"{pages}/incidents/{incident}")
        table.add_row("its post-mortem", f"{pages}/post-mortems/{found['post_mortem']}")
        table.add_row("every delivery", f"{pages}/deliveries")
        table.add_row("switches", f"{pages}/switches")
        self._console.print(table)
        if self._app is None:
            how = "sign in with the link that `make run` printed, or `responder sign-in`"
        else:
            how = f"sign in: {self._app.sign_in} (once, within 30 minutes)"
        self._console.print(f"  {how}", style="dim", soft_wrap=True)

    def _credit_payload(self) -> events.Payload:
        return events.event_alert(
            "LedgerError: balance_after does not follow from the ledger",
            "POST /api/credits/tip",
            now=datetime.now(UTC),
            frames=(
                ("./node_modules/next/dist/server/app-route.js", "AppRouteRouteModule.do", 5),
                ("./app/api/credits/tip/route.ts", "POST", 41),
                ("./lib/credits/service.ts", "tipUser", 88),
            ),
        )

    def _database_event(self, now: datetime) -> events.Payload:
        return events.event_alert(
            "PostgrestError: canceling statement due to statement timeout",
            "GET /api/sessions",
            now=now,
            frames=(("./lib/supabase/server.ts", "select", 30),),
        )

    def _send(self, resource: str, payload: events.Payload, *, secret: str = "") -> Answer:
        body = json.dumps(payload, separators=(",", ":")).encode()
        began = time.perf_counter()
        try:
            response = self._http.post(
                "/webhooks/sentry",
                content=body,
                headers={
                    "Content-Type": "application/json",
                    "Sentry-Hook-Resource": resource,
                    "Sentry-Hook-Timestamp": str(int(time.time())),
                    "Sentry-Hook-Signature": sign(body, secret or self._secret),
                },
            )
        except httpx.ConnectError:
            raise NotRunning(f"no responder answers at {self._service.address}") from None
        took = (time.perf_counter() - began) * 1000
        return Answer(response.status_code, response.json(), took)

    def _decided(self, delivery: int) -> Any:
        return self._until(
            lambda: self._service.get(f"/deliveries/{delivery}"),
            lambda found: found["decision"] is not None,
            "the decision",
        )

    def _steps(self, incident: int) -> list[Any]:
        return list(self._service.get(f"/incidents/{incident}")["run"]["steps"])

    def _step(self, incident: int, name: str) -> Any:
        return next(step for step in self._steps(incident) if step["id"] == name)

    def _settled(self, incident: int) -> list[Any]:
        """The checks, once none of them is under way."""
        return [
            step
            for step in self._until(
                lambda: self._steps(incident),
                lambda steps: (
                    not any(
                        step["state"] in ("running", "pending")
                        for step in steps
                        if step["action"].startswith("sql.")
                    )
                ),
                "the checks",
            )
            if step["action"].startswith("sql.")
        ]

    def _until(self, look: Callable[[], Any], good: Callable[[Any], bool], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = look()
            if good(found):
                return found
            time.sleep(0.02)
        self._console.print(f"  waited {PATIENCE:.0f} s in vain for {what}", style="bold red")
        raise typer.Exit(1)

    def _holds(self, switch: Any, incident: int) -> bool:
        return any(hold["incident"] == incident for hold in switch["holds"])

    def _title(self, text: str) -> None:
        self._console.print(f"\n{text}", style="bold")

    def _line(self, text: str) -> None:
        self._console.print(Padding(Text(text), (0, 0, 0, 2)))


def _as_error(payload: events.Payload) -> events.Payload:
    """An event alert turned into the `error` resource, which has the same event."""
    return {**payload, "action": "created", "data": {"error": payload["data"]["event"]}}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _span(since: str, until: str) -> float:
    return (_time(until) - _time(since)).total_seconds()
