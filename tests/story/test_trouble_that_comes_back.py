"""A pause is never missed because an earlier alert, run or incident stands in the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from responder.cli import events
from tests.service import Service, until

SWITCH = "credit-transactions"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(f"sqlite:///{tmp_path}/r.db") as service:
        yield service


def failure(environment: str = "production", *, age: timedelta = timedelta(0)) -> events.Payload:
    return events.event_alert(
        "Failed to add credits",
        "POST /api/credits/tip",
        now=datetime.now(UTC) - age,
        environment=environment,
    )


def incident_of(service: Service, payload: events.Payload, resource: str = "event_alert") -> int:
    answer = service.send(resource, payload)
    return int(service.decision(answer.json()["id"])["incident_id"])


def done_by_people(service: Service, incident: int) -> None:
    """People do their part, up to approving the resume."""
    for step in until(
        lambda: service.get(f"/incidents/{incident}")["run"]["steps"],
        lambda steps: (
            steps[2]["state"] == "failed" and not any(step["state"] == "running" for step in steps)
        ),
    ):
        if step["state"] == "failed":
            service.post(f"/steps/{step['step_id']}/skip", reason="no database here")
        elif step["checklist"]:
            ids = [item["id"] for item in step["checklist"]]
            service.post(f"/steps/{step['step_id']}/tick", shown=ids, done=ids)
    resume = service.step_in(incident, "resume", "waiting")
    service.post(f"/steps/{resume['step_id']}/decide", approve=True).raise_for_status()


def resumed(service: Service, incident: int) -> None:
    """Everything is done, and credits move again."""
    done_by_people(service, incident)
    until(lambda: service.get(f"/incidents/{incident}")["state"], lambda s: s == "mitigated")
    assert service.get(f"/switches/{SWITCH}")["state"] == "running"


def test_after_the_resume_a_new_failure_pauses_again(service: Service) -> None:
    incident = incident_of(service, failure())
    resumed(service, incident)
    assert incident_of(service, failure()) == incident
    until(lambda: service.get(f"/switches/{SWITCH}")["state"], lambda s: s == "paused")
    found = service.get(f"/incidents/{incident}")
    assert found["state"] == "open"
    assert "relapsed" in [entry["kind"] for entry in found["timeline"]]
    resumed(service, incident)  # and its second run can be brought to its end too


def test_a_failure_from_before_the_resume_that_comes_late_does_not(service: Service) -> None:
    incident = incident_of(service, failure())
    late = failure()
    resumed(service, incident)
    assert incident_of(service, late) == incident
    assert service.get(f"/switches/{SWITCH}")["state"] == "running"
    assert service.get(f"/incidents/{incident}")["state"] == "mitigated"


def test_a_stale_alert_asks_but_a_fresh_one_after_it_acts(service: Service) -> None:
    incident = incident_of(service, failure(age=timedelta(hours=2)))
    assert service.step_in(incident, "stop", "waiting")["asks_approval"]
    assert service.get(f"/switches/{SWITCH}")["state"] == "running"
    assert incident_of(service, failure()) == incident
    assert service.step_in(incident, "stop", "succeeded")
    assert service.get(f"/switches/{SWITCH}")["state"] == "paused"


def test_many_environments_are_a_handful_of_incidents(service: Service) -> None:
    found = {incident_of(service, failure(f"env-{number}")) for number in range(12)}
    assert len(found) == 5


def test_an_issue_without_an_environment_joins_the_incident_of_its_event(
    service: Service,
) -> None:
    incident = incident_of(service, failure())
    issue = events.issue_created(
        "Failed to add credits", "POST /api/credits/tip", now=datetime.now(UTC)
    )
    assert incident_of(service, issue, "issue") == incident
