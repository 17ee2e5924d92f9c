"""Presses are believed only when Slack signed them just now, and count once."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.service import Service
from tests.story.test_credit_failure import credit_failure

SIGNING = "the-signing-secret"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("slack")
    with Service(
        f"sqlite:///{folder}/r.db",
        RESPONDER_SLACK_BOT_TOKEN="xoxb-test",
        RESPONDER_SLACK_SIGNING_SECRET=SIGNING,
        RESPONDER_SLACK_API_URL="http://127.0.0.1:9/api/",
    ) as service:
        yield service


def press(service: Service, incident: int, *, at: int | None = None, secret: str = SIGNING) -> int:
    """Press Escalate at a time, by default now; the status of the answer."""
    payload = {
        "type": "block_actions",
        "user": {"id": "U1", "username": "ann"},
        "team": {"id": "T1"},
        "actions": [{"action_id": "escalate", "value": str(incident), "type": "button"}],
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    return send(service, body, str(at or int(time.time())), secret)


def send(service: Service, body: bytes, timestamp: str, secret: str = SIGNING) -> int:
    base = f"v0:{timestamp}:".encode() + body
    signature = "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": signature,
    }
    answer = service.http.post("/slack/interactions", content=body, headers=headers)
    return answer.status_code


def escalations(service: Service, incident: int) -> int:
    timeline = service.get(f"/incidents/{incident}")["timeline"]
    return sum(entry["kind"] == "escalated" for entry in timeline)


def test_signed_now_and_once(service: Service) -> None:
    answer = service.send("event_alert", credit_failure())
    incident = service.decision(answer.json()["id"])["incident_id"]
    before = escalations(service, incident)
    assert press(service, incident, secret="another") == 401
    assert press(service, incident, at=int(time.time()) - 400) == 401
    assert escalations(service, incident) == before
    now = int(time.time())
    assert press(service, incident, at=now) == 200
    assert press(service, incident, at=now) == 200  # the same bytes: a replay
    assert escalations(service, incident) == before + 1


def test_what_is_no_press_is_refused_in_words(service: Service) -> None:
    now = str(int(time.time()))
    for body in (b"", b"payload=", b"payload=%7B", b"payload=[]", b"x=1"):
        assert send(service, body, now) == 400
    assert service.http.post("/slack/interactions", content=b"").status_code == 401
