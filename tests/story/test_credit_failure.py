"""The whole story over real HTTP, with a real credits database being written to all the time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from responder.cli import events
from responder.databases import Databases
from responder.switches.install import install
from responder.switches.postgres import PostgresOptions
from tests.service import PLAYBOOKS, Service, until
from tests.stand_ins.process import SlackStandIn
from tests.story.writers import Writers

SWITCH = "credit-transactions"
CHECKS = (
    "no-negative-balance",
    "latest-balance",
    "tips-paired",
    "milestones-once",
    "known-types",
    "balances",
    "totals",
)


@pytest.fixture
def service(database_url: str, credits_url: str, slack: SlackStandIn) -> Iterator[Service]:
    """The service, with Slack and the app's database, the switch installed."""
    asyncio.run(_install(credits_url))
    with Service(
        database_url,
        KULTI_DATABASE_URL=credits_url,
        RESPONDER_SLACK_BOT_TOKEN=slack.token,
        RESPONDER_SLACK_SIGNING_SECRET=slack.signing_secret,
        RESPONDER_SLACK_API_URL=slack.api_url,
    ) as service:
        slack.send_presses_to(f"{service.url}/slack/interactions")
        yield service


async def _install(url: str) -> None:
    """As `responder switches install` does, without another process."""
    databases = Databases({"kulti": url}, {"kulti": "KULTI_DATABASE_URL"})
    await install(databases, SWITCH, PostgresOptions(database="kulti"), PLAYBOOKS)


@pytest.fixture
def writers(credits_url: str) -> Iterator[Writers]:
    writers = Writers(credits_url)
    yield writers
    writers.stop()


def credit_failure() -> events.Payload:
    """A credit error with a stack."""
    return events.event_alert(
        "LedgerError: balance does not follow from the ledger",
        "POST /api/credits/tip",
        now=datetime.now(UTC),
        frames=(("./app/api/credits/tip/route.ts", "POST", 41), ("./lib/credits/s.ts", "tip", 8)),
    )


def paused(service: Service) -> float:
    """Wait until the pause is confirmed; the moment we saw it, by this machine's clock."""
    until(
        lambda: service.get(f"/switches/{SWITCH}"),
        lambda switch: switch["state"] == "paused" and switch["confirmed"],
    )
    return time.time()


def test_stopped_acknowledged_checked_approved_and_resumed(
    service: Service, slack: SlackStandIn, writers: Writers
) -> None:
    writers.start()
    until(lambda: sum(len(seen.committed) for seen in writers.seen), lambda n: n > 50)
    answer = service.send("event_alert", credit_failure())
    assert answer.status_code == 202
    incident = service.decision(answer.json()["id"])["incident_id"]
    confirmed = paused(service)

    time.sleep(0.5)  # plenty for a writer that could still commit
    assert writers.committed_after(confirmed) == []
    assert writers.refused_after(confirmed) > 20
    assert writers.wrong_balances() == []

    until(lambda: [m["key"] for m in slack.messages()], lambda keys: f"card:{incident}" in keys)
    assert slack.press("acknowledge", key=f"card:{incident}")["status"] == 200
    found = until(lambda: service.get(f"/incidents/{incident}"), lambda i: i["acknowledged_at"])
    assert found["state"] == "acknowledged"
    assert found["acknowledged_by"] == "ann"
    until(lambda: str(slack.message(f"card:{incident}")["versions"][-1]), lambda m: "ann" in m)

    for check in CHECKS:
        assert service.step_in(incident, check, "succeeded", "failed")["error"] is None
    review = service.step_in(incident, "review", "waiting")
    checklist = f"checklist:{review['step_id']}"
    until(lambda: [m["key"] for m in slack.messages()], lambda keys: checklist in keys)
    slack.press(f"tick:{review['step_id']}:0", key=checklist, selected="all")
    assert service.step_in(incident, "review", "succeeded")

    resume = service.step_in(incident, "resume", "waiting")
    approval = f"approval:{resume['step_id']}:0"
    until(lambda: [m["key"] for m in slack.messages()], lambda keys: approval in keys)
    assert service.get(f"/switches/{SWITCH}")["state"] == "paused"
    assert slack.press("approve", key=approval)["status"] == 200
    assert service.step_in(incident, "resume", "succeeded")

    resumed = time.time()
    until(lambda: len(writers.committed_after(resumed)), lambda flowing: flowing > 50)
    assert writers.wrong_balances() == []
    until(lambda: service.get(f"/incidents/{incident}")["state"], lambda s: s == "mitigated")
    assert slack.press("resolve", key=f"card:{incident}")["status"] == 200
    found = until(lambda: service.get(f"/incidents/{incident}"), lambda i: i["resolved_at"])
    record = service.get(f"/post-mortems/{found['post_mortem']}")
    assert "Acknowledged after" in record["body"]
    assert "credit\\-transactions" in record["body"] or "credit-transactions" in record["body"]


def test_a_balance_mismatch_keeps_the_resume_blocked_and_names_the_rows(
    service: Service, writers: Writers
) -> None:
    writers.start()
    until(lambda: sum(len(seen.committed) for seen in writers.seen), lambda n: n > 20)
    writers.stop()
    with psycopg.connect(writers.url, autocommit=True) as connection:
        connection.execute(
            "update profiles set credits_balance = credits_balance + 7 where username = 'u3'"
        )
    wrong = str(writers.users[3])
    answer = service.send("event_alert", credit_failure())
    incident = service.decision(answer.json()["id"])["incident_id"]
    paused(service)
    balances = service.step_in(incident, "balances", "failed")
    assert wrong in str(balances["evidence"]["rows"])
    assert wrong in balances["error"]

    review = service.step_in(incident, "review", "waiting")
    ids = [item["id"] for item in review["checklist"]]
    service.post(f"/steps/{review['step_id']}/tick", shown=ids, done=ids).raise_for_status()
    until(lambda: service.get(f"/incidents/{incident}")["run"]["state"], lambda s: s == "blocked")
    resume = service.step(incident, "resume")
    assert resume["state"] == "pending"
    early = service.post(f"/steps/{resume['step_id']}/decide", approve=True)
    assert early.status_code == 409
    early = service.post(f"/incidents/{incident}/resolve")
    assert early.status_code == 409
    assert "still paused" in early.json()["detail"]
    assert service.get(f"/switches/{SWITCH}")["state"] == "paused"

    with psycopg.connect(writers.url, autocommit=True) as connection:
        connection.execute(
            "update profiles set credits_balance = credits_balance - 7 where username = 'u3'"
        )
    for check in CHECKS:
        step = service.step_in(incident, check, "succeeded", "failed")
        if step["state"] == "failed":
            service.post(f"/steps/{step['step_id']}/retry").raise_for_status()
            assert service.step_in(incident, check, "succeeded")
    assert service.step_in(incident, "resume", "waiting")["asks_approval"]
    assert service.get(f"/switches/{SWITCH}")["state"] == "paused"


def test_a_writer_that_hangs_is_named_and_does_not_hold_the_pause_up(
    service: Service, writers: Writers
) -> None:
    hung = psycopg.connect(writers.url, application_name="a-hung-worker")
    hung.execute("select add_credits(%s, 1, 'earned_watching')", [writers.users[0]])
    began = time.monotonic()
    answer = service.send("event_alert", credit_failure())
    incident = service.decision(answer.json()["id"])["incident_id"]
    paused(service)
    assert time.monotonic() - began < 10
    with pytest.raises(psycopg.OperationalError):
        hung.commit()
    stop = service.step_in(incident, "stop", "succeeded")
    assert "a-hung-worker" in str(stop["evidence"]["holdouts"])
    timeline = service.get(f"/incidents/{incident}")["timeline"]
    assert any("a-hung-worker" in entry["text"] for entry in timeline)


def test_a_dead_slack_does_not_delay_the_pause(
    service: Service, slack: SlackStandIn, writers: Writers
) -> None:
    slack.fail("*", "hang", times=50)
    began = time.monotonic()
    service.send("event_alert", credit_failure())
    paused(service)
    assert time.monotonic() - began < 3


def test_many_alerts_are_one_incident_and_one_hold(service: Service) -> None:
    answers: list[int] = []
    payloads = [credit_failure() for _ in range(60)]

    def send(some: list[events.Payload]) -> None:
        answers.extend(service.send("event_alert", payload).status_code for payload in some)

    threads = [threading.Thread(target=send, args=(payloads[n::6],)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [202] * 60
    found = until(
        lambda: service.get("/incidents"),
        lambda page: page["items"] and page["items"][0]["alerts"] == 60,
    )
    assert len(found["items"]) == 1
    until(lambda: len(service.get(f"/switches/{SWITCH}")["holds"]), lambda holds: holds == 1)
