"""Sentry deliveries in Sentry's own shape, for the demo."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

Payload = dict[str, Any]


def event_alert(
    title: str,
    transaction: str,
    *,
    now: datetime,
    frames: tuple[tuple[str, str, int], ...] = (),
    rule: str = "kulti production: first seen",
    environment: str = "production",
) -> Payload:
    """An issue alert: an exception if it has frames (path, function, line), else a message."""
    event_id = secrets.token_hex(16)
    issue_id = str(6_000_000_000 + secrets.randbelow(900_000_000))
    kind, _, value = title.partition(": ")
    event: Payload = {
        "event_id": event_id,
        "project": 4507712345678901,
        "issue_id": issue_id,
        "platform": "node",
        "level": "error",
        "environment": environment,
        "title": title,
        "culprit": transaction,
        "transaction": transaction,
        "datetime": _iso(now),
        "timestamp": now.timestamp(),
        "tags": [["environment", environment], ["level", "error"], ["transaction", transaction]],
        "user": {"id": f"usr_{secrets.randbelow(9000) + 1000}"},
        "contexts": {},
        "metadata": {"title": title},
        "message": "" if frames else title,
        "url": f"https://sentry.io/api/0/projects/kulti/kulti/events/{event_id}/",
        "web_url": f"https://kulti.sentry.io/issues/{issue_id}/events/{event_id}/",
        "issue_url": f"https://sentry.io/api/0/organizations/kulti/issues/{issue_id}/",
    }
    if frames:
        event["metadata"] = {"type": kind, "value": value, "filename": frames[-1][0]}
        event["location"] = frames[-1][0]
        event["exception"] = {
            "values": [
                {"type": kind, "value": value, "stacktrace": {"frames": [*map(_frame, frames)]}}
            ]
        }
    return _envelope("triggered", {"event": event, "triggered_rule": rule})


def metric_alert(name: str, query: str, aggregate: str, measured: str, *, now: datetime) -> Payload:
    """A metric alert that went critical."""
    number = str(secrets.randbelow(900_000) + 100_000)
    return _envelope(
        "critical",
        {
            "description_title": f"Critical: {name}",
            "description_text": f"{measured} in the last 5 minutes\nFilter: {query}",
            "web_url": f"https://kulti.sentry.io/organizations/kulti/alerts/rules/details/{number}/",
            "metric_alert": {
                "id": number,
                "identifier": number,
                "projects": ["kulti"],
                "status": 20,
                "title": name,
                "date_started": _iso(now),
                "date_detected": _iso(now),
                "alert_rule": {
                    "id": number,
                    "name": name,
                    "query": query,
                    "aggregate": aggregate,
                    "environment": "production",
                    "projects": ["kulti"],
                    "time_window": 5.0,
                    "triggers": [],
                },
            },
        },
    )


def issue_created(title: str, culprit: str, *, now: datetime) -> Payload:
    """An issue seen for the first time."""
    issue_id = str(6_000_000_000 + secrets.randbelow(900_000_000))
    return _envelope(
        "created",
        {
            "issue": {
                "id": issue_id,
                "shortId": "KULTI-4F",
                "title": title,
                "culprit": culprit,
                "level": "error",
                "status": "unresolved",
                "platform": "javascript",
                "project": {"id": "4507712345678901", "slug": "kulti", "name": "kulti"},
                "metadata": {"title": title},
                "count": "1",
                "userCount": 1,
                "firstSeen": _iso(now),
                "lastSeen": _iso(now),
                "web_url": f"https://kulti.sentry.io/issues/{issue_id}/",
            }
        },
    )


def _frame(frame: tuple[str, str, int]) -> Payload:
    path, function, line = frame
    return {
        "filename": path,
        "abs_path": f"webpack://_N_E/{path}",
        "function": function,
        "lineno": line,
        "in_app": "node_modules" not in path,
    }


def _envelope(action: str, data: Payload) -> Payload:
    return {
        "action": action,
        "installation": {"uuid": "5b0f6c1e-7a43-4a0e-9d55-2f6c1d0b8e11"},
        "data": data,
        "actor": {"type": "application", "id": "sentry", "name": "Sentry"},
    }


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
