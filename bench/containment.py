"""From a webhook's arrival to the confirmed pause in a real PostgreSQL, on embedded SQLite.

Beside it stands what the databases alone cost: the same number of durable SQLite transactions,
and the PostgreSQL round trips of setting the flag, waiting for writers and reading back.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
from sqlmodel import Session, text

from bench.figures import HEAD, line
from responder.cli import events
from responder.databases import Databases
from responder.store.database import Store
from responder.switches.base import Reach
from responder.switches.postgres import PostgresDriver, PostgresOptions
from tests.conftest import CREDITS
from tests.postgres.server import server
from tests.responder_cli import responder
from tests.service import Service, until

ROUNDS = 40
SWITCH = "credit-transactions"
TRANSACTIONS = 7  # stored, decided, claimed, begun, hold placed, read-back kept, step finished


def main() -> None:
    """Measure and print."""
    print("\nContainment: webhook to confirmed pause")
    print(HEAD)
    with _credits() as url, tempfile.TemporaryDirectory() as folder:
        responder("switches", "install", SWITCH, "--yes", KULTI_DATABASE_URL=url).check_returncode()
        with Service(f"sqlite:///{folder}/r.db", KULTI_DATABASE_URL=url) as service:
            _round(service)  # warms connections; not counted
            rounds = [_round(service) for _ in range(ROUNDS)]
        print(line("webhook received to pause confirmed", [done for done, _ in rounds]))
        print(line("webhook sent to its 202 (stored)", [stored for _, stored in rounds]))
        print(line(f"bare SQLite: {TRANSACTIONS} durable transactions", _bare_sqlite(folder)))
        print(line("bare PostgreSQL: set, confirm, read back", asyncio.run(_bare_postgres(url))))


def _round(service: Service) -> tuple[float, float]:
    payload = events.event_alert(
        "LedgerError: bench",
        "POST /api/credits/tip",
        now=datetime.now(UTC),
        frames=(("./lib/credits/service.ts", "tip", 8),),
    )
    began = time.perf_counter()
    answer = service.send("event_alert", payload)
    stored = time.perf_counter() - began
    time.sleep(0.3)  # our own looking must not slow down what is measured
    delivery = answer.json()["id"]
    incident = service.decision(delivery)["incident_id"]
    stop = service.step_in(incident, "stop", "succeeded")
    received = service.get(f"/deliveries/{delivery}")["received_at"]
    _undo(service, incident)
    return _span(received, stop["finished_at"]), stored


def _undo(service: Service, incident: int) -> None:
    until(
        lambda: service.get(f"/incidents/{incident}")["run"]["steps"],
        lambda steps: all(s["state"] not in ("running",) for s in steps),
    )
    review = service.step_in(incident, "review", "waiting")
    ids = [item["id"] for item in review["checklist"]]
    service.post(f"/steps/{review['step_id']}/tick", shown=ids, done=ids).raise_for_status()
    resume = service.step_in(incident, "resume", "waiting")
    service.post(f"/steps/{resume['step_id']}/decide", approve=True).raise_for_status()
    service.step_in(incident, "resume", "succeeded")
    service.post(f"/incidents/{incident}/resolve").raise_for_status()


def _bare_sqlite(folder: str) -> list[float]:
    store = Store(f"sqlite:///{folder}/bare.db")

    def insert(session: Session) -> None:
        session.execute(text("insert into t values (1, 'x')"))

    async def measure() -> list[float]:
        await store.write(lambda session: session.execute(text("create table t (a, b)")))
        taken = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for _ in range(TRANSACTIONS):
                await store.write(insert)
            taken.append(time.perf_counter() - began)
        return taken

    try:
        return asyncio.run(measure())
    finally:
        store.close()


async def _bare_postgres(url: str) -> list[float]:
    databases = Databases({"app": url}, {"app": "APP"})
    async with httpx.AsyncClient() as http:
        driver = PostgresDriver(SWITCH, PostgresOptions(database="app"), Reach(databases, http))
        taken = []
        await databases.warm()  # as the service does
        await asyncio.sleep(0.5)
        for number in range(ROUNDS):
            began = time.perf_counter()
            await driver.pause(reason="bench", key=str(number))
            taken.append(time.perf_counter() - began)
            await driver.resume(reason="bench", key=str(number))
    await databases.close()
    return taken


@contextlib.contextmanager
def _credits() -> Iterator[str]:
    for postgres in server():
        url = postgres.fresh_database()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(Path(CREDITS).read_text().encode())
        yield url


def _span(since: str, until_: str) -> float:
    def at(given: Any) -> datetime:
        return datetime.fromisoformat(str(given).replace("Z", "+00:00"))

    return (at(until_) - at(since)).total_seconds()


if __name__ == "__main__":
    main()
