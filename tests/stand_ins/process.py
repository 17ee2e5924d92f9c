"""Starting stand-ins as processes of their own, and talking to them."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

ROOT = Path(__file__).parents[2]
START_SECONDS = 20


class Process:
    """A Python module run as a server on loopback, whose first line of output is its port."""

    def __init__(self, module: str, *arguments: str, env: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=os.environ | (env or {}),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self.port = int(self._first_line())
        except BaseException:
            self.close()
            raise
        self.url = f"http://127.0.0.1:{self.port}"

    def _first_line(self) -> str:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        if not line.strip().isdigit():
            raise RuntimeError(f"{self._process.args!r} did not start: {line!r}")
        return line

    def close(self) -> None:
        """End the process, by its own id."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Controlled(Process):
    """One that is told what to do under `/_control/`. All methods block."""

    def __init__(self, module: str, *arguments: str) -> None:
        super().__init__(module, *arguments)
        self._client = httpx.Client(base_url=f"{self.url}/_control/", trust_env=False)

    def close(self) -> None:
        """End the process."""
        if hasattr(self, "_client"):
            self._client.close()
        super().close()

    def _do(self, act: str, **details: Any) -> Any:
        return self._client.post(act, json=details).raise_for_status().json()


class SlackStandIn(Controlled):
    """Slack, as far as we need it. See `tests/stand_ins/slack.py`.

    As its methods block, an application in the test's own event loop could not answer a press.
    """

    def __init__(self, *, token: str = "xoxb-test", signing_secret: str = "signing-secret") -> None:
        self.token = token
        self.signing_secret = signing_secret
        options = ["--token", token, "--signing-secret", signing_secret]
        super().__init__("tests.stand_ins.slack", *options)
        self.api_url = f"{self.url}/api/"

    def messages(self) -> list[dict[str, Any]]:
        """Every message in the order of posting, each with its `versions`."""
        return list(self._client.get("messages").raise_for_status().json())

    def message(self, key: str) -> dict[str, Any]:
        """The one message with a key."""
        (found,) = (message for message in self.messages() if message["key"] == key)
        return found

    def calls(self, method: str | None = None) -> list[dict[str, Any]]:
        """Every call of the API, or of one of its methods."""
        calls = self._client.get("calls").raise_for_status().json()
        return [call for call in calls if method in (None, call["method"])]

    def replies(self) -> list[dict[str, Any]]:
        """What was sent to the response_urls of presses."""
        return list(self._client.get("replies").raise_for_status().json())

    def press(
        self,
        action_id: str,
        *,
        key: str,
        user: tuple[str, str] = ("U0PERSON", "ann"),
        selected: list[int] | str | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Press a button, or leave exactly the `selected` boxes ticked (`"all"` of them).

        Args:
            more: `url` to send it elsewhere, `secret` or `age` (seconds) to spoil the signature.

        Returns:
            The responder's answer: `status` (None if there was none in time), `body`, `seconds`.

        Raises:
            LookupError: the message shows no such button or option.
        """
        request = {"action_id": action_id, "key": key, "selected": selected, **more}
        request["user"] = {"id": user[0], "name": user[1]}
        answer = self._client.post("press", json=request)
        if answer.status_code == 404:
            raise LookupError(answer.json()["error"])
        return dict(answer.raise_for_status().json())

    def fail(self, method: str, kind: str, *, times: int = 1, **details: Any) -> None:
        """Make coming calls of a method (`*` for any) go wrong; the kinds are `Fault`'s."""
        self._do("fail", method=method, kind=kind, times=times, **details)

    def limit(self, method: str, *, calls: int, seconds: float) -> None:
        """Allow so many calls of a method in so many seconds."""
        self._do("limits", method=method, calls=calls, seconds=seconds)

    def channel(self, name: str, *, is_archived: bool = False, is_member: bool = True) -> None:
        """Add or change a channel; `incidents` is there from the start."""
        self._do("channels", name=name, is_archived=is_archived, is_member=is_member)

    def send_presses_to(self, url: str) -> None:
        """Set the address that interactions go to."""
        self._do("responder", url=url)

    def reset(self) -> None:
        """Forget everything but token, secret and responder."""
        self._do("reset")


class SentryStandIn(Controlled):
    """Sentry's REST API, as far as we need it. See `tests/stand_ins/sentry.py`.

    Endpoints are called issue, latest_event, issues, committers, replays, events, comments,
    comment, update and link; `*` is any of them.
    """

    def __init__(self, *, token: str = "sentry-test-token", org: str = "kulti") -> None:
        self.token = token
        self.org = org
        super().__init__("tests.stand_ins.sentry", "--token", token, "--org", org)
        self.api_url = f"{self.url}/api/0/"

    def issue(self, issue_id: str, **fields: Any) -> dict[str, Any]:
        """Put an issue in, or change fields of the one there; what it is now."""
        return dict(self._do("issue", id=issue_id, **fields))

    def event(self, issue_id: str, event: dict[str, Any]) -> None:
        """Put an event of an issue in; it is the latest one from now on."""
        self._do("event", issue=issue_id, event=event)

    def committers(self, event_id: str, committers: list[Any]) -> None:
        """Say who committed what an event is about; without it the answer is 404."""
        self._do("committers", event=event_id, committers=committers)

    def replays(self, issue_id: str, ids: list[str]) -> None:
        """Say which replays an issue has."""
        self._do("replays", issue=issue_id, ids=ids)

    def table(self, dataset: str, rows: list[dict[str, Any]], query: str | None = None) -> None:
        """Say what a query of a dataset answers, or every query; the newest word counts.

        Of each row only the fields that are asked for are shown.
        """
        self._do("table", dataset=dataset, rows=rows, query=query)

    def comments(self, issue_id: str) -> list[str]:
        """The texts of an issue's comments, the oldest first."""
        return [one["data"]["text"] for one in self._kept(issue_id)["comments"]]

    def updates(self, issue_id: str) -> list[dict[str, Any]]:
        """The body of each update of an issue."""
        return list(self._kept(issue_id)["updates"])

    def links(self, issue_id: str) -> list[dict[str, Any]]:
        """The body of each external issue linked to an issue."""
        return list(self._kept(issue_id)["links"])

    def calls(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        """Every call, or those of one endpoint: its path, query (pairs) and body."""
        calls = self._client.get("calls").raise_for_status().json()
        return [call for call in calls if endpoint in (None, call["endpoint"])]

    def complaints(self) -> list[str]:
        """What was wrong with calls since this was last asked."""
        return list(self._client.get("complaints").raise_for_status().json())

    def fail(self, endpoint: str, kind: str, *, times: int = 1, **details: Any) -> None:
        """Make coming calls of an endpoint go wrong; the kinds are `Fault`'s.

        Args:
            details: `status` and `headers` of an `http`, `seconds` of a `late`.
        """
        self._do("fail", method=endpoint, kind=kind, times=times, **details)

    def limit(
        self, endpoint: str, *, calls: int, seconds: float, retry_after: bool = False
    ) -> None:
        """Allow so many calls of an endpoint in so many seconds.

        With `retry_after`, what is refused is told when to come back by that header too.
        """
        self._do("limit", endpoint=endpoint, calls=calls, seconds=seconds, retry_after=retry_after)

    def page(self, size: int) -> None:
        """Give at most so many items at a time."""
        self._do("page", size=size)

    def reset(self) -> None:
        """Forget everything but the token and the organisation."""
        self._do("reset")

    def _kept(self, issue_id: str) -> dict[str, Any]:
        return dict(self._client.get("issues").raise_for_status().json()[issue_id])


class SwitchStandIn(Process):
    """An app's own HTTP switch. See `tests/stand_ins/switch.py`."""

    def __init__(self) -> None:
        super().__init__("tests.stand_ins.switch")

    def control(self, **what: str) -> None:
        """Change its `state` behind everybody's back, make it `deaf` to one, or `reset` it."""
        httpx.post(f"{self.url}/_control", json=what, trust_env=False).raise_for_status()

    def applied(self) -> list[str]:
        """Each state it was put in, in order."""
        return list(httpx.get(f"{self.url}/_control", trust_env=False).json()["applied"])
