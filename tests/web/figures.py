"""Figures as if they had been measured for days, for the pages' tests and pictures."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from responder.classify.thresholds import minute_of, minute_start
from responder.store.tables import Decision, Delivery, Measurement, OutcomeCount

_keys = itertools.count()


def delivery(session: Session, at: datetime, origin: str, resource: str = "objective") -> int:
    """A delivery of figures, decided."""
    body = json.dumps({"seeded": next(_keys)}).encode()
    row = Delivery(
        source="outcomes",
        resource=resource,
        action="measured",
        key=f"seeded:{hashlib.sha256(body).hexdigest()}",
        received_at=at,
        body=body,
        origin=origin,
        decided_at=at,
    )
    session.add(row)
    session.flush()
    assert row.id is not None
    decided = Decision(delivery_id=row.id, at=at, outcome="measured", reason="seeded")
    session.add(decided)
    return row.id


def measured(
    session: Session,
    objective: str,
    at: datetime,
    value: float,
    *,
    environment: str = "production",
    origin: str = "polled",
    resource: str = "objective",
) -> int:
    """One reading; its delivery's id."""
    found = delivery(session, at, origin, resource)
    session.add(
        Measurement(
            objective=objective, environment=environment, at=at, value=value, delivery_id=found
        )
    )
    return found


def counted(
    session: Session, area: str, at: datetime, attempts: int, failures: int, **more: Any
) -> None:
    """What was tried and failed in one minute."""
    row = {"environment": "production", **more}
    minute = minute_start(minute_of(at))
    session.add(OutcomeCount(area=area, minute=minute, attempts=attempts, failures=failures, **row))


def lived_in(session: Session, now: datetime) -> None:
    """Some days of an app with its ups and downs."""
    for number in range(7 * 48, 0, -1):
        at = now - number * timedelta(minutes=30) + timedelta(minutes=20)
        wave = math.sin(number / 7.6) + math.sin(number / 2.3) / 3
        measured(session, "page-load", at, 1650 + 260 * wave, origin="polled")
        if number % 2:
            slow = 900 if 60 < number < 70 else 0
            measured(session, "api-response", at, 420 + 60 * wave + slow)
        if number % 12 == 0:
            measured(session, "hms-connection-success", at, 99.6 + 0.3 * wave, origin="posted")
            measured(
                session,
                "hms-connection",
                at,
                3400 + 300 * wave,
                environment="staging",
                origin="posted",
            )
            measured(session, "hms-connection", at, 2600 + 200 * wave, origin="posted")
    measured(
        session,
        "recording-failures",
        now - timedelta(days=3),
        4.2,
        origin="webhook",
        resource="metric_alert",
    )
    measured(
        session,
        "database-query",
        now - timedelta(hours=2),
        84.5,
        origin="webhook",
        resource="metric_alert",
    )
    for number in range(24 * 12):
        at = now - number * timedelta(minutes=5)
        bad = 11 if number < 3 else 0
        counted(session, "hms", at, 120 + number % 17, 2 + number % 3 + bad)
        if not 100 < number < 220:
            counted(session, "webhooks", at, 2, 0)
