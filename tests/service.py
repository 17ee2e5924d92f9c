"""The service as a process of its own, as a user runs it, for tests to talk to and to kill."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from responder.receive.verify import sign

ROOT = Path(__file__).parents[1]
PLAYBOOKS = ROOT / "playbooks"
SECRET = "the-test-secret"
TOKEN = "the-test-token"
START_SECONDS = 30.0

T = TypeVar("T")


class Service:
    """`responder serve` on a free port of loopback.

    Args:
        database_url: our own database.
        environment: more variables, for instance `KULTI_DATABASE_URL`.
    """

    def __init__(
        self, database_url: str, *, playbooks: Path = PLAYBOOKS, **environment: str
    ) -> None:
        self._environment = {
            **{name: value for name, value in os.environ.items() if not _ours(name)},
            "RESPONDER_DATABASE_URL": database_url,
            "RESPONDER_PLAYBOOKS": str(playbooks),
            "RESPONDER_PORT": "0",
            "RESPONDER_SENTRY_CLIENT_SECRET": SECRET,
            "RESPONDER_API_TOKEN": TOKEN,
            "RESPONDER_SECRET_KEY": "the-test-key",
            "RESPONDER_LEASE_SECONDS": "2",
            "RESPONDER_RECONCILE_SECONDS": "2",
            **environment,
        }
        self._process: subprocess.Popen[str] | None = None
        self.output: list[str] = []
        self.start()

    def start(self, **environment: str) -> None:
        """Start, or start again; `environment` is for this life only."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "responder", "serve"],
            env=self._environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, args=(self._process, lines), daemon=True).start()
        deadline = time.monotonic() + START_SECONDS
        while True:
            line = lines.get(timeout=max(deadline - time.monotonic(), 0.1))
            if line is None:
                raise RuntimeError("the service did not start:\n" + "".join(self.output))
            if line.startswith("responder is ready at"):
                self.url = line.split()[-1]
                break
        self.http = httpx.Client(base_url=self.url, timeout=15, trust_env=False)

    def _listen(self, process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.output.append(line)
            lines.put(line)
        lines.put(None)

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def wait(self, seconds: float = 10) -> int:
        """Wait for the process to end by itself; its exit code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def close(self) -> None:
        """End as a deploy ends it."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, resource: str, payload: Any, **headers: str) -> httpx.Response:
        """A delivery, signed as Sentry signs it. `payload` may be the raw bytes."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self.http.post(
            "/webhooks/sentry",
            content=body,
            headers={
                "Content-Type": "application/json",
                "Sentry-Hook-Resource": resource,
                "Sentry-Hook-Signature": sign(body, SECRET),
                **headers,
            },
        )

    def get(self, path: str, **query: str) -> Any:
        """The JSON at a path of the API."""
        return self.api("GET", path, params=query).raise_for_status().json()

    def post(self, path: str, **body: Any) -> httpx.Response:
        """Act through the API."""
        return self.api("POST", path, json=body)

    def api(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Any call of the API."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return self.http.request(method, f"/api/v1{path}", headers=headers, **options)

    def decision(self, delivery: int) -> Any:
        """What became of a delivery, once that is decided."""
        found = until(
            lambda: self.get(f"/deliveries/{delivery}"), lambda d: d["decision"] is not None
        )
        return found["decision"]

    def step(self, incident: int, name: str) -> Any:
        """One step of an incident's run."""
        steps = self.get(f"/incidents/{incident}")["run"]["steps"]
        return next(step for step in steps if step["id"] == name)

    def step_in(self, incident: int, name: str, *states: str, seconds: float = 15) -> Any:
        """One step, once it is in one of these states."""
        return until(
            lambda: self.step(incident, name), lambda s: s["state"] in states, seconds=seconds
        )


def _ours(name: str) -> bool:
    return name.startswith("RESPONDER_") or name == "KULTI_DATABASE_URL"


def until(look: Callable[[], T], good: Callable[[T], bool], *, seconds: float = 15) -> T:
    """Look again and again until what is seen is good; fail showing the last look."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if good(found):
            return found
        assert time.monotonic() < deadline, f"in vain for {seconds} s; last seen: {found}"
        time.sleep(0.02)
