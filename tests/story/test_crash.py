"""kill -9 at every named place from the webhook to the pause: nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import httpx
import pytest

from responder import faults
from tests.service import Service, until
from tests.stand_ins.process import SlackStandIn, SwitchStandIn
from tests.story.test_credit_failure import SWITCH, credit_failure


def environment(slack: SlackStandIn) -> dict[str, str]:
    return {
        "RESPONDER_SLACK_BOT_TOKEN": slack.token,
        "RESPONDER_SLACK_SIGNING_SECRET": slack.signing_secret,
        "RESPONDER_SLACK_API_URL": slack.api_url,
    }


@pytest.mark.parametrize("point", sorted(faults.POINTS))
def test_killed_there_and_started_again_it_pauses_once(
    point: str, database_url: str, playbooks: Path, switch: SwitchStandIn, slack: SlackStandIn
) -> None:
    service = Service(
        database_url, playbooks=playbooks, RESPONDER_CRASH_AT=point, **environment(slack)
    )
    try:
        payload = credit_failure()
        sender = threading.Thread(target=_send, args=(service, payload))
        sender.start()
        assert service.wait(20) == -9
        sender.join()
        service.start(RESPONDER_CRASH_AT="")

        found = until(lambda: service.get("/incidents"), lambda page: len(page["items"]) > 0)
        (incident,) = (one["id"] for one in found["items"])
        stop = service.step_in(incident, "stop", "succeeded", "failed")
        assert stop["state"] == "succeeded"
        until(lambda: [m["key"] for m in slack.messages()], lambda k: f"card:{incident}" in k)

        assert switch.applied() == ["paused"]
        assert len(service.get(f"/switches/{SWITCH}")["holds"]) == 1
        cards = [m for m in slack.messages() if m["key"] == f"card:{incident}"]
        assert len(cards) == 1
        decisions = service.get("/deliveries")["items"]
        assert [one["decision"]["outcome"] for one in decisions] == ["opened"]
        assert service.send("event_alert", payload).json() == {
            "id": decisions[0]["id"],
            "duplicate": True,
        }
    finally:
        service.close()


def test_a_restart_never_lifts_a_pause(
    database_url: str, playbooks: Path, switch: SwitchStandIn
) -> None:
    with Service(database_url, playbooks=playbooks) as service:
        answer = service.send("event_alert", credit_failure())
        incident = service.decision(answer.json()["id"])["incident_id"]
        assert service.step_in(incident, "stop", "succeeded")
        for _ in range(2):
            service.kill()
            service.start()
            assert service.get(f"/switches/{SWITCH}")["state"] == "paused"
        assert switch.applied() == ["paused"]


def _send(service: Service, payload: object) -> None:
    # Killed before it could answer, and Sentry would not know either.
    with contextlib.suppress(httpx.HTTPError):
        service.send("event_alert", payload)
