"""A backtest of 100,000 stored deliveries of the last 30 days, as `responder backtest` runs it."""

from __future__ import annotations

import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlmodel import Session, insert

from responder.receive.sentry import SentrySource
from responder.store.database import Store
from responder.store.migrate import upgrade
from responder.store.tables import Decision, Delivery
from tests.receive.samples import FOLDER
from tests.responder_cli import responder
from tests.story import storm

NUMBER, DAYS = 100_000, 30
CHUNK = 5000


def main() -> None:
    """Fill a database, run the command, print how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/r.db"
        store = Store(url)
        upgrade(store)
        size = _fill(store)
        store.close()
        began = time.perf_counter()
        done = responder("backtest", "--since", "31d", "--json", RESPONDER_DATABASE_URL=url)
        took = time.perf_counter() - began
        done.check_returncode()
    result = json.loads(done.stdout)
    assert result["deliveries"] == NUMBER, result["deliveries"]
    print(f"\nBacktest: {NUMBER:,} stored deliveries ({size / 1e6:.0f} MB of bodies)")
    print(f"{took:.1f} s, {NUMBER / took:,.0f} a second, the whole command")
    print(f"incidents it would have opened: {result['incidents_would_be']}")


def _fill(store: Store) -> int:
    now = datetime.now(UTC)
    size = 0
    for start in range(0, NUMBER, CHUNK):
        deliveries, decisions = [], []
        bodies = storm.deliveries(CHUNK)
        for index, body in enumerate(bodies, start):
            at = now - timedelta(days=DAYS) * ((NUMBER - index) / NUMBER)
            row = _delivery(index + 1, body, at)
            size += len(row["body"])
            deliveries.append(row)
            decisions.append(_decision(index + 1, at))
        with Session(store.engine) as session, session.begin():
            session.execute(insert(Delivery), deliveries)
            session.execute(insert(Decision), decisions)
    return size


_SAMPLE = json.loads((FOLDER / "event_alert.json").read_text())


def _delivery(number: int, body: bytes, at: datetime) -> dict[str, Any]:
    payload = json.loads(body)
    if number % 4 == 0:  # as large as an event with its source context is
        payload = {**_SAMPLE, "data": {"event": {**_SAMPLE["data"]["event"]}}}
        payload["data"]["event"]["event_id"] = f"{number:032x}"
    payload["data"]["event"]["datetime"] = at.isoformat()
    return {
        "id": number,
        "source": SentrySource.name,
        "resource": "event_alert",
        "action": "triggered",
        "key": f"bench:{number}",
        "received_at": at,
        "headers": {},
        "body": json.dumps(payload).encode(),
        "origin": "webhook",
        "decided_at": at,
    }


def _decision(number: int, at: datetime) -> dict[str, Any]:
    return {
        "delivery_id": number,
        "at": at,
        "outcome": "counted",
        "reason": "",
        "area": "default",
        "title": "",
    }


if __name__ == "__main__":
    main()
