"""Steps that talk back to Sentry: comments, assignments, resolutions, and when they can't."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from responder.actions.sentry_assign import SentryAssignParams
from responder.incident.issues import issues_of
from tests.in_process import ANN, Office, folder, office
from tests.service import until
from tests.stand_ins.process import SentryStandIn

PLAYBOOK = """
playbook: credits
title: Credits
area: credits
mode: {mode}
steps:
  - id: tell
{step}
"""
COMMENT = "    action: sentry.comment"
RETRIED = COMMENT + "\n    retry: {attempts: 5, wait: 50ms}"
ISSUE, OTHER = "5100200300", "5100200301"
PAGES = "https://responder.example"


def playbooks(tmp_path: Path, step: str, mode: str = "act") -> Path:
    return folder(tmp_path / "p", credits=PLAYBOOK.format(step=step, mode=mode))


@asynccontextmanager
async def connected(
    sentry: SentryStandIn, where: Path, database: str = "", *, token: str | None = ""
) -> AsyncIterator[Office]:
    """A responder that talks to the stand-in, with its own token unless told another."""
    known = sentry.token if token == "" else token
    more = {
        "sentry_api_url": sentry.api_url,
        "sentry_api_token": SecretStr(known) if known else None,
        "sentry_org": sentry.org,
        "public_url": PAGES,
    }
    async with office(database or f"sqlite:///{where.parent / 'r.db'}", where, more=more) as here:
        yield here


async def told(here: Office, incident: int) -> tuple[str, Any]:
    """What became of the step."""
    step = await here.step_in(incident, "tell", "succeeded", "failed")
    return step.state, step


async def test_each_issue_of_the_incident_gets_one_comment(
    tmp_path: Path, sentry: SentryStandIn, database_url: str
) -> None:
    for issue in (ISSUE, OTHER):
        sentry.issue(issue)
    step = COMMENT + "\n    approval: { by: responders }"
    async with connected(sentry, playbooks(tmp_path, step), database_url) as here:
        incident = await here.opened(title="credit failure: tips", issue_id=ISSUE)
        for issue_id in (OTHER, OTHER, "not-a-number", ""):
            await here.decided(title="credit failure", issue_id=issue_id)
        waiting = await here.step_in(incident, "tell", "waiting")
        assert waiting.summary == "Comment on the incident's issues in Sentry"
        await here.responder.desk.decide(waiting.step_id, ANN, approve=True)
        state, step_done = await told(here, incident)
        assert state == "succeeded"
        link = f"{PAGES}/incidents/{incident}#step-{step_done.step_id}"
        text = f"responder opened an incident: credit failure: tips\n\n{link}"
        assert sentry.comments(ISSUE) == sentry.comments(OTHER) == [text]
        assert step_done.summary == f"issue {OTHER}: commented; issue {ISSUE}: commented"


async def test_a_text_of_the_playbooks_own(tmp_path: Path, sentry: SentryStandIn) -> None:
    sentry.issue(ISSUE)
    step = COMMENT + "\n    text: Credits are paused."
    async with connected(sentry, playbooks(tmp_path, step)) as here:
        incident = await here.opened(issue_id=ISSUE)
        assert (await told(here, incident))[0] == "succeeded"
    (said,) = sentry.comments(ISSUE)
    assert said.startswith(f"Credits are paused.\n\n{PAGES}/incidents/{incident}#step-")


async def test_only_the_five_newest_issues_are_told(tmp_path: Path, sentry: SentryStandIn) -> None:
    step = COMMENT + "\n    approval: { by: responders }"
    async with connected(sentry, playbooks(tmp_path, step)) as here:
        incident = await here.opened(issue_id="100")
        for number in (101, 102, 103, 104, 105, 106, 101):
            await here.decided(title="credit failure", issue_id=str(number))
        store = here.responder.store
        found = await store.read(lambda session: issues_of(session, incident))
    assert found == ["101", "106", "105", "104", "103"]


async def test_a_lost_answer_is_no_second_comment(tmp_path: Path, sentry: SentryStandIn) -> None:
    sentry.issue(ISSUE)
    sentry.fail("comment", "lost")
    async with connected(sentry, playbooks(tmp_path, RETRIED)) as here:
        incident = await here.opened(issue_id=ISSUE)
        state, step = await told(here, incident)
        assert (state, step.attempts) == ("succeeded", 2)
        assert step.summary == f"issue {ISSUE}: commented before"
        ((_, failed),) = await here.told(incident, "step-failed")
        assert "can't be reached" in failed
    assert len(sentry.comments(ISSUE)) == 1


async def test_whoever_goes_on_after_a_crash_looks_first(
    tmp_path: Path, sentry: SentryStandIn
) -> None:
    """It ends in the middle of the step: the comment is there, its answer was not awaited."""
    sentry.issue(ISSUE)
    sentry.fail("comment", "late", seconds=5)
    where = playbooks(tmp_path, COMMENT)
    async with connected(sentry, where) as here:
        incident = await here.opened(issue_id=ISSUE)
        await asyncio.to_thread(until, lambda: sentry.comments(ISSUE), bool)
        assert (await here.step_in(incident, "tell", "running")).attempts == 1
    async with connected(sentry, where) as here:
        state, step = await told(here, incident)
        assert (state, step.attempts) == ("succeeded", 2)
        assert step.summary == f"issue {ISSUE}: commented before"
    assert len(sentry.comments(ISSUE)) == 1


async def test_a_rate_limit_or_a_failure_is_tried_again(
    tmp_path: Path, sentry: SentryStandIn
) -> None:
    sentry.issue(ISSUE)
    sentry.fail("comments", "http", status=429, headers={"Retry-After": "2.1"})
    sentry.fail("comment", "http", status=503)
    async with connected(
        sentry, playbooks(tmp_path, COMMENT + "\n    retry: {attempts: 9, wait: 200ms}")
    ) as here:
        incident = await here.opened(issue_id=ISSUE)
        state, step = await told(here, incident)
        assert (state, step.attempts > 2) == ("succeeded", True)
        errors = [text for _, text in await here.told(incident, "step-failed")]
    assert "less often" in errors[0]
    assert "answered 503" in errors[-1]
    assert len(sentry.comments(ISSUE)) == 1


async def test_one_issue_that_is_gone_fails_the_step_but_not_the_others(
    tmp_path: Path, sentry: SentryStandIn
) -> None:
    sentry.issue(ISSUE)
    step = RETRIED + "\n    approval: { by: responders }"
    async with connected(sentry, playbooks(tmp_path, step)) as here:
        incident = await here.opened(issue_id=ISSUE)
        await here.decided(title="credit failure", issue_id=OTHER)
        waiting = await here.step_in(incident, "tell", "waiting")
        await here.responder.desk.decide(waiting.step_id, ANN, approve=True)
        state, failed = await told(here, incident)
        assert (state, failed.attempts) == ("failed", 1)
        assert failed.error.startswith("done for 1 of 2 issues: Sentry answered 404")
    assert len(sentry.comments(ISSUE)) == 1


async def test_without_a_token_sentry_is_not_told_and_the_step_says_so(
    tmp_path: Path, sentry: SentryStandIn
) -> None:
    sentry.issue(ISSUE)
    async with connected(sentry, playbooks(tmp_path, RETRIED), token=None) as here:
        incident = await here.opened(issue_id=ISSUE)
        state, step = await told(here, incident)
        assert (state, step.attempts) == ("failed", 1)
        assert step.error == "no RESPONDER_SENTRY_API_TOKEN is set, so Sentry was not told"
    assert sentry.calls() == []


async def test_a_wrong_token_is_told_in_the_incident_and_never_shown(
    tmp_path: Path, sentry: SentryStandIn
) -> None:
    sentry.issue(ISSUE)
    async with connected(sentry, playbooks(tmp_path, COMMENT), token="hush-hush") as here:
        incident = await here.opened(issue_id=ISSUE)
        state, step = await told(here, incident)
        assert state == "failed"
        assert "set RESPONDER_SENTRY_API_TOKEN" in step.error
        assert "hush" not in (await here.incident(incident)).model_dump_json()


async def test_an_incident_without_issues_has_nothing_to_tell(
    tmp_path: Path, sentry: SentryStandIn
) -> None:
    async with connected(sentry, playbooks(tmp_path, COMMENT)) as here:
        incident = await here.opened(issue_id="../../organizations/other")
        state, step = await told(here, incident)
        assert state == "succeeded"
        assert step.summary.startswith("no Sentry issue belongs to this incident")
    assert sentry.calls("comment") == []


async def test_in_shadow_sentry_is_not_told(tmp_path: Path, sentry: SentryStandIn) -> None:
    async with connected(sentry, playbooks(tmp_path, COMMENT, "shadow")) as here:
        incident = await here.opened(issue_id=ISSUE)
        step = await here.step_in(incident, "tell", "skipped")
        assert step.summary == "shadow: would comment on the incident's issues in Sentry"
    assert sentry.calls("comment") == []


async def test_issues_are_assigned(tmp_path: Path, sentry: SentryStandIn) -> None:
    sentry.issue(ISSUE)
    step = '    action: sentry.assign\n    to: "team:2"'
    async with connected(sentry, playbooks(tmp_path, step)) as here:
        incident = await here.opened(issue_id=ISSUE)
        state, done = await told(here, incident)
        assert (state, done.summary) == ("succeeded", f"issue {ISSUE}: assigned to team:2")
    assert sentry.updates(ISSUE) == [{"assignedTo": "team:2"}]


@pytest.mark.parametrize("to", ["user:1", "team:22", "ann@kulti.example"])
def test_whom_issues_can_be_assigned_to(to: str) -> None:
    assert SentryAssignParams(to=to).to == to


@pytest.mark.parametrize("to", ["", "ann", "team:", "team:x", "user:1 ", "a b@c", "group:1"])
def test_whom_they_cannot(to: str) -> None:
    with pytest.raises(ValidationError):
        SentryAssignParams(to=to)


@pytest.mark.parametrize(
    ("more", "sent", "said"),
    [
        ("", "resolved", "resolved"),
        ("\n    in_release: next", "resolvedInNextRelease", "resolved in the next release"),
    ],
)
async def test_issues_are_resolved(
    more: str, sent: str, said: str, tmp_path: Path, sentry: SentryStandIn
) -> None:
    sentry.issue(ISSUE)
    step = f"    action: sentry.resolve{more}"
    async with connected(sentry, playbooks(tmp_path, step)) as here:
        incident = await here.opened(issue_id=ISSUE)
        state, done = await told(here, incident)
        assert (state, done.summary) == ("succeeded", f"issue {ISSUE}: {said}")
    assert sentry.updates(ISSUE) == [{"status": sent}]
    assert sentry.issue(ISSUE)["status"] == "resolved"
