"""A storm: very many signed deliveries of five areas at once, over real connections."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from responder.cli import events
from responder.receive.verify import sign
from tests.service import SECRET, Service, until
from tests.stand_ins.process import SlackStandIn

CONNECTIONS = 20
# By area: an error's title, the route it came in by, and the file that failed, if any.
ERRORS = {
    "auth": ("AuthError: token expired", "POST /api/auth/verify", "./lib/auth/session.ts"),
    "credits": ("LedgerError: not atomic", "POST /api/credits/tip", "./lib/credits/service.ts"),
    "database": ("PostgrestError: too slow", "GET /api/sessions", "./lib/supabase/server.ts"),
    "hms": ("Join room error", "POST /api/hms/get-token", None),
    "webhooks": ("WebhookError: no signature", "POST /api/webhooks/hms", None),
}


@dataclass(frozen=True, slots=True)
class Poured:
    """How it went: each answer's status and the seconds it took, and the service's CPU seconds."""

    statuses: list[int]
    seconds: list[float]
    took: float
    cpu: float


def deliveries(number: int) -> list[bytes]:
    """So many deliveries, the areas in turn, each an event of its own."""
    now = datetime.now(UTC)
    kinds = list(ERRORS.values())
    bodies = []
    for index in range(number):
        title, transaction, file = kinds[index % len(kinds)]
        frames = ((file, "run", 8),) if file else ()
        happened = now - timedelta(milliseconds=number - index)
        payload = events.event_alert(title, transaction, now=happened, frames=frames)
        payload["data"]["event"]["issue_id"] = str(5_000_000 + index % 500)
        bodies.append(json.dumps(payload).encode())
    return bodies


def pour(service: Service, bodies: Sequence[bytes], connections: int = CONNECTIONS) -> Poured:
    """Send all of them over some connections, and wait until each is decided."""
    port = int(service.url.rsplit(":", 1)[1])
    requests = [_request(body) for body in bodies]
    before, began = cpu_seconds(service.pid), time.perf_counter()
    answers = asyncio.run(_pour(port, requests, connections))
    until(lambda: undecided(service), lambda left: left == 0, seconds=300)
    return Poured(
        [status for status, _ in answers],
        [seconds for _, seconds in answers],
        time.perf_counter() - began,
        cpu_seconds(service.pid) - before,
    )


def undecided(service: Service) -> int:
    """How many deliveries wait for a decision, by the service's own metric."""
    for line in service.http.get("/metrics").text.splitlines():
        if line.startswith("responder_deliveries_undecided "):
            return int(float(line.split()[1]))
    raise AssertionError("no such metric")


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processor so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _request(body: bytes) -> bytes:
    head = (
        "POST /webhooks/sentry HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Sentry-Hook-Resource: event_alert\r\nSentry-Hook-Signature: {sign(body, SECRET)}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _pour(port: int, requests: list[bytes], connections: int) -> list[tuple[int, float]]:
    waiting = list(reversed(requests))
    answers: list[tuple[int, float]] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while waiting:
            request = waiting.pop()
            began = time.perf_counter()
            writer.write(request)
            status = int((await reader.readline()).split()[1])
            length = 0
            while (line := await reader.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            await reader.readexactly(length)
            answers.append((status, time.perf_counter() - began))
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return answers


def check(service: Service, slack: SlackStandIn, number: int, took: float) -> None:
    """Five incidents, one run each, counts exact, and no flood in chat."""
    incidents = service.get("/incidents")["items"]
    assert sorted(one["area"] for one in incidents) == sorted(ERRORS)
    assert [one["state"] for one in incidents] == ["open"] * len(ERRORS)
    per_area = number // len(ERRORS)
    before = {"auth": 10, "credits": 0, "database": 5, "hms": 50, "webhooks": 50}
    assert {one["area"]: one["alerts"] for one in incidents} == {
        area: per_area - counted for area, counted in before.items()
    }
    for one in incidents:
        timeline = service.get(f"/incidents/{one['id']}")["timeline"]
        assert [entry["kind"] for entry in timeline].count("run") == 1
        assert len(timeline) < 60  # sampled, not one line an alert
    posted = [message["key"] for message in slack.messages()]
    assert len(posted) == len(set(posted))
    assert sum(key.startswith("card:") for key in posted) == len(ERRORS)
    # At most one update of a message each second and a half, whatever the storm.
    updates = len(slack.calls("chat.update"))
    assert updates <= len(posted) * (took / 1.5 + 3), (updates, len(posted), took)
