"""A switch is what it reads back, whatever it answered, and is looked after for as long as held."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.postgres.server import Server
from tests.service import Service, until
from tests.stand_ins.process import SwitchStandIn
from tests.story.test_credit_failure import SWITCH, credit_failure
from tests.story.test_trouble_that_comes_back import done_by_people


@pytest.fixture
def service(tmp_path: Path, playbooks: Path) -> Iterator[Service]:
    with Service(f"sqlite:///{tmp_path}/r.db", playbooks=playbooks) as service:
        yield service


def paused_incident(service: Service) -> int:
    answer = service.send("event_alert", credit_failure())
    incident = int(service.decision(answer.json()["id"])["incident_id"])
    assert service.step_in(incident, "stop", "succeeded")
    return incident


def test_a_switch_resumed_behind_our_back_is_paused_again_and_told(
    service: Service, switch: SwitchStandIn
) -> None:
    incident = paused_incident(service)
    switch.control(state="running")
    until(switch.applied, lambda applied: applied == ["paused", "paused"], seconds=40)
    timeline = until(
        lambda: list(service.get(f"/incidents/{incident}")["timeline"]),
        lambda entries: any(entry["kind"] == "drift" for entry in entries),
    )
    told = next(entry["text"] for entry in timeline if entry["kind"] == "drift")
    assert "was running although a hold stands, and is paused again" in told


def test_a_pause_that_was_answered_but_not_made_is_no_pause(
    service: Service, switch: SwitchStandIn
) -> None:
    switch.control(deaf="paused")
    answer = service.send("event_alert", credit_failure())
    incident = int(service.decision(answer.json()["id"])["incident_id"])
    until(lambda: service.step(incident, "stop"), lambda step: step["attempts"] >= 2)
    assert service.step(incident, "stop")["state"] != "succeeded"
    assert not service.get(f"/switches/{SWITCH}")["confirmed"]
    switch.control(deaf="")
    assert service.step_in(incident, "stop", "succeeded", seconds=40)
    assert service.get(f"/switches/{SWITCH}")["confirmed"]


def test_a_resume_that_was_answered_but_not_made_is_no_resume(
    service: Service, switch: SwitchStandIn
) -> None:
    incident = paused_incident(service)
    switch.control(deaf="running")
    done_by_people(service, incident)
    until(lambda: service.step(incident, "resume"), lambda step: step["attempts"] >= 2)
    early = service.post(f"/incidents/{incident}/resolve")
    assert early.status_code == 409
    assert "under way" in early.json()["detail"]
    assert service.get(f"/incidents/{incident}")["state"] != "mitigated"
    switch.control(deaf="")
    assert service.step_in(incident, "resume", "succeeded", seconds=40)
    assert switch.applied() == ["paused", "running"]


def test_losing_our_own_database_for_a_moment_does_not_lose_the_pause(
    postgres_server: Server, playbooks: Path, switch: SwitchStandIn
) -> None:
    url = postgres_server.fresh_database()
    with Service(url, playbooks=playbooks) as service, psycopg.connect(url) as connection:
        connection.autocommit = True
        for _ in range(3):
            service.send("event_alert", credit_failure())
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        service.send("event_alert", credit_failure())
        (incident,) = until(lambda: [one["id"] for one in service.get("/incidents")["items"]], bool)
        assert service.step_in(incident, "stop", "succeeded", seconds=30)
        assert switch.applied()[-1] == "paused"
        assert len(service.get(f"/switches/{SWITCH}")["holds"]) == 1
