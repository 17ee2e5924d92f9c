"""Chat messages may be late or repeat, but never vanish, and never hold anything else up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import Service, until
from tests.stand_ins.process import SlackStandIn
from tests.story.test_credit_failure import credit_failure


@pytest.fixture
def service(tmp_path: Path, slack: SlackStandIn) -> Iterator[Service]:
    with Service(
        f"sqlite:///{tmp_path}/r.db",
        RESPONDER_SLACK_BOT_TOKEN=slack.token,
        RESPONDER_SLACK_SIGNING_SECRET=slack.signing_secret,
        RESPONDER_SLACK_API_URL=slack.api_url,
    ) as service:
        slack.send_presses_to(f"{service.url}/slack/interactions")
        yield service


def open_incident(service: Service) -> int:
    answer = service.send("event_alert", credit_failure())
    return int(service.decision(answer.json()["id"])["incident_id"])


def cards(slack: SlackStandIn, incident: int) -> list[object]:
    return [m for m in slack.messages() if m["key"] == f"card:{incident}"]


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        ("http", {"status": 503}),
        ("garbled", {}),
        ("lost", {}),
        ("error", {"error": "internal_error"}),
    ],
)
def test_a_passing_fault_delays_the_card_and_shows_it_once(
    service: Service, slack: SlackStandIn, kind: str, details: dict[str, object]
) -> None:
    slack.fail("chat.postMessage", kind, times=2, **details)
    incident = open_incident(service)
    until(lambda: cards(slack, incident), bool)
    until(lambda: len(slack.messages()), lambda n: n >= 2)  # the checklist came after it
    assert len(cards(slack, incident)) == 1
    kinds = [entry["kind"] for entry in service.get(f"/incidents/{incident}")["timeline"]]
    assert "chat-failed" in kinds


def test_a_rate_limit_is_obeyed(service: Service, slack: SlackStandIn) -> None:
    slack.limit("chat.postMessage", calls=1, seconds=3)
    incident = open_incident(service)
    until(lambda: len(slack.messages()), lambda n: n >= 2, seconds=20)
    assert len(cards(slack, incident)) == 1
    calls = slack.calls("chat.postMessage")
    assert len(calls) <= 6  # and not one for each beat of our own clock


def test_a_permanent_refusal_is_told_and_mended(service: Service, slack: SlackStandIn) -> None:
    slack.channel("incidents", is_archived=True)
    incident = open_incident(service)
    told = until(
        lambda: [
            entry["text"]
            for entry in service.get(f"/incidents/{incident}")["timeline"]
            if entry["kind"] == "chat-failed"
        ],
        bool,
    )
    assert "archived" in told[0]
    assert "unarchive it" in told[0]
    assert service.step_in(incident, "stop", "succeeded")


def test_a_deleted_card_is_posted_anew(service: Service, slack: SlackStandIn) -> None:
    incident = open_incident(service)
    until(lambda: cards(slack, incident), bool)
    time.sleep(2)
    slack.reset()
    service.post(f"/incidents/{incident}/acknowledge", by="Rosa").raise_for_status()
    until(lambda: cards(slack, incident), bool)
    until(lambda: str(cards(slack, incident)), lambda shown: "Rosa" in shown)
