"""What people do to steps: approve, deny, retry, skip, tick; and what they can't."""

from __future__ import annotations

import asyncio
import threading
from datetime import datetime
from pathlib import Path

import pytest
from sqlmodel import Session

from responder.actions.base import Done
from responder.actions.chat_incident import ChatIncident
from responder.chat.views import items_of
from responder.incident.lifecycle import NotAllowed
from responder.people.roles import Forbidden, Person, Role
from responder.playbook.run import RunState
from responder.playbook.runner import Runner
from responder.store.tables import Incident, Run
from responder.switches.base import Reading, SwitchError, SwitchState
from tests.in_process import ANN, BEN, Office, folder, office

EVE = Person("eve", Role.VIEWER)
ADA = Person("ada", Role.ADMIN)
HEAD = "playbook: credits\ntitle: Credits\narea: credits\nsteps:\n"
HOLD = "  - { id: stop, action: switch.hold, switch: tips, needs: [] }\n"
REVIEW = "  - { id: review, action: chat.checklist, items: [one, two], needs: [] }\n"
RESUME = "  - { id: resume, action: switch.release, switch: tips, approval: { count: 2 } }\n"
# No database is configured, so this check fails at once.
CHECK = "  - { id: check, action: sql.report, database: app, query: select 1, needs: [] }\n"
AFTER = "  - { id: after, action: chat.incident, needs: [check] }\n"
DATABASES = "databases:\n  app: { url_from: APP_DATABASE_URL }\n"


def playbooks(where: Path, *steps: str) -> Path:
    return folder(where / "p", databases=DATABASES, credits=HEAD + "".join(steps))


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'r.db'}"


async def test_two_approvals_take_two_people(tmp_path: Path, database_url: str) -> None:
    async with office(database_url, playbooks(tmp_path, HOLD, RESUME)) as here:
        desk = here.responder.desk
        incident = await here.opened()
        resume = (await here.step_in(incident, "resume", "waiting")).step_id
        with pytest.raises(Forbidden, match="eve is a viewer"):
            await desk.decide(resume, EVE, approve=True)
        await desk.decide(resume, ANN, approve=True)
        with pytest.raises(NotAllowed, match="you have decided on this already"):
            await desk.decide(resume, ANN, approve=True)
        with pytest.raises(NotAllowed, match="you have decided on this already"):
            await desk.decide(resume, ANN, approve=False)
        assert (await here.step_in(incident, "resume", "waiting")).asks_approval
        assert (await here.switch()).state == "paused"
        await desk.decide(resume, BEN, approve=True, reason="checked twice")
        await here.step_in(incident, "resume", "succeeded")
        assert (await here.switch()).state == "running"
        await here.run_in(incident, "succeeded")
        assert (await here.incident(incident)).state == "mitigated"
        assert await here.told(incident, "approval") == [
            ("ann", "Resume: approved"),
            ("ben", "Resume: approved: checked twice"),
        ]


async def test_only_what_waits_can_be_approved(tmp_path: Path, sqlite: str) -> None:
    async with office(sqlite, playbooks(tmp_path, HOLD, REVIEW, RESUME)) as here:
        desk = here.responder.desk
        incident = await here.opened()
        review = (await here.step_in(incident, "review", "waiting")).step_id
        steps = {step.id: step for step in (await here.run_in(incident, "waiting")).steps}
        assert steps["resume"].state == "pending"
        for name in ("stop", "review", "resume"):
            with pytest.raises(NotAllowed, match="does not wait for an approval"):
                await desk.decide(steps[name].step_id, ANN, approve=True)
        with pytest.raises(LookupError, match="there is no step 999"):
            await desk.decide(999, ANN, approve=True)
        assert (await here.step_in(incident, "review", "waiting")).step_id == review
        assert await here.told(incident, "approval") == []


async def test_an_approval_for_admins_takes_an_admin(tmp_path: Path, sqlite: str) -> None:
    resume = RESUME.replace("count: 2", "by: admins")
    async with office(sqlite, playbooks(tmp_path, HOLD, resume)) as here:
        incident = await here.opened()
        step = (await here.step_in(incident, "resume", "waiting")).step_id
        with pytest.raises(Forbidden, match="this takes an admin"):
            await here.responder.desk.decide(step, ANN, approve=True)
        await here.responder.desk.decide(step, ADA, approve=True)
        await here.step_in(incident, "resume", "succeeded")


async def test_a_denied_step_blocks_and_a_retry_asks_everybody_anew(
    tmp_path: Path, database_url: str
) -> None:
    async with office(database_url, playbooks(tmp_path, HOLD, RESUME)) as here:
        desk = here.responder.desk
        incident = await here.opened()
        resume = (await here.step_in(incident, "resume", "waiting")).step_id
        await desk.decide(resume, ANN, approve=True)
        await desk.decide(resume, BEN, approve=False, reason="balances are odd")
        await here.run_in(incident, "blocked")
        failed = await here.step_in(incident, "resume", "failed")
        assert failed.error == "denied by ben: balances are odd"
        assert (await here.switch()).state == "paused"
        assert "mend and retry resume" in (await here.incident(incident)).waiting_for

        await desk.retry(resume, ANN)
        await here.step_in(incident, "resume", "waiting")
        await desk.decide(resume, BEN, approve=True)
        assert (await here.step_in(incident, "resume", "waiting")).asks_approval
        await desk.decide(resume, ANN, approve=True)  # her first yes was about something else
        await here.step_in(incident, "resume", "succeeded")
        assert ("ben", "Resume: denied: balances are odd") in await here.told(incident, "approval")
        assert await here.told(incident, "retried") == [("ann", "Resume: tried again")]


async def test_a_failed_step_blocks_until_it_is_skipped_with_a_reason(
    tmp_path: Path, sqlite: str
) -> None:
    async with office(sqlite, playbooks(tmp_path, CHECK, AFTER)) as here:
        desk = here.responder.desk
        incident = await here.opened()
        check = await here.step_in(incident, "check", "failed")
        assert check.error is not None
        assert "set APP_DATABASE_URL" in check.error
        await here.run_in(incident, "blocked")
        assert (await here.step_in(incident, "after", "pending")).attempts == 0
        for reason in ("", "  \n"):
            with pytest.raises(NotAllowed, match="say why"):
                await desk.skip(check.step_id, ANN, reason)
        with pytest.raises(Forbidden):
            await desk.skip(check.step_id, EVE, "no database here")
        await here.step_in(incident, "check", "failed")
        await desk.skip(check.step_id, ANN, "no database here")
        await here.step_in(incident, "after", "succeeded")
        await here.run_in(incident, "succeeded")
        skipped = await here.step_in(incident, "check", "skipped")
        assert skipped.summary == "skipped by ann: no database here"
        assert skipped.error is None
        assert await here.told(incident, "skipped") == [("ann", "Check: skipped: no database here")]
        for act in (desk.skip(check.step_id, ANN, "again"), desk.retry(check.step_id, ANN)):
            with pytest.raises(NotAllowed, match="Check is skipped"):
                await act


async def test_a_retry_tries_again(tmp_path: Path, sqlite: str) -> None:
    async with office(sqlite, playbooks(tmp_path, CHECK, AFTER)) as here:
        incident = await here.opened()
        check = await here.step_in(incident, "check", "failed")
        await here.run_in(incident, "blocked")
        with pytest.raises(Forbidden):
            await here.responder.desk.retry(check.step_id, EVE)
        await here.responder.desk.retry(check.step_id, BEN)
        await here.run_in(incident, "blocked")
        assert len(await here.told(incident, "step-failed")) == 2
        assert await here.told(incident, "retried") == [("ben", "Check: tried again")]


async def test_a_checklist_is_ticked_unticked_and_completed(
    tmp_path: Path, database_url: str
) -> None:
    async with office(database_url, playbooks(tmp_path, REVIEW)) as here:
        desk = here.responder.desk
        incident = await here.opened()
        review = await here.step_in(incident, "review", "waiting")
        one, two = (item.id for item in review.checklist)
        both = (one, two)
        with pytest.raises(Forbidden):
            await desk.tick(review.step_id, EVE, shown=both, done=both)
        assert await desk.tick(review.step_id, ANN, shown=both, done=(one,)) == (
            "1 of 2 items left"
        )
        # BEN saw only the second item; that the first is not in `done` says nothing.
        await desk.tick(review.step_id, BEN, shown=(two,), done=())
        await desk.tick(review.step_id, BEN, shown=both, done=())
        now = await here.step_in(incident, "review", "waiting")
        assert [item.done_by for item in now.checklist] == [None, None]
        await desk.tick(review.step_id, BEN, shown=both, done=(two,))
        said = await desk.tick(review.step_id, ANN, shown=both, done=both)
        assert said == "The checklist is complete"
        done = await here.step_in(incident, "review", "succeeded")
        assert [item.done_by for item in done.checklist] == ["ann", "ben"]
        assert done.summary == "all 2 items checked"
        await here.run_in(incident, "succeeded")
        assert await here.told(incident, "ticked") == [
            ("ann", "Checked: one"),
            ("ben", "Unchecked: one"),
            ("ben", "Checked: two"),
            ("ann", "Checked: one"),
        ]


async def test_ticking_is_no_way_around_an_approval(tmp_path: Path, sqlite: str) -> None:
    async with office(sqlite, playbooks(tmp_path, HOLD, RESUME)) as here:
        incident = await here.opened()
        resume = await here.step_in(incident, "resume", "waiting")
        with pytest.raises(NotAllowed, match="has no checklist"):
            await here.responder.desk.tick(resume.step_id, ANN, shown=(), done=())
        assert (await here.step_in(incident, "resume", "waiting", "succeeded")).state == "waiting"


async def test_a_checklist_that_was_approved_asks_no_more(tmp_path: Path, sqlite: str) -> None:
    review = REVIEW.replace(" needs: [] }", " needs: [], approval: {} }")
    async with office(sqlite, playbooks(tmp_path, review)) as here:
        desk = here.responder.desk
        incident = await here.opened()
        step = await here.step_in(incident, "review", "waiting")
        assert step.asks_approval
        await desk.decide(step.step_id, ANN, approve=True)
        await here.until(lambda s: items_of(s, step.step_id), bool)
        step = await here.step_in(incident, "review", "waiting")
        assert [item.text for item in step.checklist] == ["one", "two"]
        with pytest.raises(NotAllowed, match="does not wait for an approval"):
            await desk.decide(step.step_id, BEN, approve=False)


async def test_the_first_to_acknowledge_is_named_to_the_second(
    tmp_path: Path, database_url: str
) -> None:
    async with office(database_url, playbooks(tmp_path, REVIEW)) as here:
        desk = here.responder.desk
        incident = await here.opened()
        with pytest.raises(Forbidden):
            await desk.acknowledge(incident, EVE)
        assert await desk.acknowledge(incident, ANN) == f"Incident {incident} is yours"
        assert await desk.acknowledge(incident, BEN) == (
            f"Incident {incident} was acknowledged by ann already"
        )
        found = await here.incident(incident)
        assert (found.state, found.acknowledged_by) == ("acknowledged", "ann")
        ((actor, text),) = await here.told(incident, "acknowledged")
        assert actor == "ann"
        assert text.startswith("Acknowledged after ")


async def test_of_many_who_acknowledge_at_once_one_is_first(
    tmp_path: Path, database_url: str
) -> None:
    async with office(database_url, playbooks(tmp_path, REVIEW)) as here:
        incident = await here.opened()
        people = [Person(f"p{n}", Role.RESPONDER) for n in range(12)]
        said = await asyncio.gather(
            *(here.responder.desk.acknowledge(incident, person) for person in people)
        )
        assert sum(line.endswith("is yours") for line in said) == 1
        assert len(await here.told(incident, "acknowledged")) == 1


async def test_an_incident_with_a_hold_is_not_resolved(tmp_path: Path, database_url: str) -> None:
    async with office(database_url, playbooks(tmp_path, HOLD, RESUME)) as here:
        desk = here.responder.desk
        incident = await here.opened()
        resume = await here.step_in(incident, "resume", "waiting")
        with pytest.raises(NotAllowed, match="tips is still paused for this incident"):
            await desk.resolve(incident, ANN)
        assert (await here.incident(incident)).state == "open"
        await desk.skip(resume.step_id, ANN, "it is stuck")
        await here.run_in(incident, "succeeded")
        assert (await here.incident(incident)).state == "open"  # it still keeps its hold
        with pytest.raises(NotAllowed, match="tips is still paused"):
            await desk.resolve(incident, ANN)

        await desk.release("tips", BEN, "the app is mended", incident)
        assert ("ben", "tips: this incident's hold released by hand: the app is mended") in (
            await here.told(incident, "released")
        )
        await desk.resolve(incident, ANN)
        found = await here.incident(incident)
        assert (found.state, found.resolved_by) == ("resolved", "ann")
        assert found.post_mortem is not None
        for act in (
            desk.resolve(incident, ANN),
            desk.acknowledge(incident, ANN),
            desk.escalate(incident, ANN),
            desk.retry(resume.step_id, ANN),
        ):
            with pytest.raises(NotAllowed, match="resolved already"):
                await act


async def test_nothing_starts_once_the_incident_is_resolved(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()

    async def slow(self: ChatIncident, context: object, params: object) -> Done:
        await go_on.wait()
        return Done("told")

    monkeypatch.setattr(ChatIncident, "run", slow)
    announce = "  - { id: announce, action: chat.incident }\n"
    stop = HOLD.replace(", needs: []", "")
    async with office(database_url, playbooks(tmp_path, announce, stop, RESUME)) as here:
        incident = await here.opened()
        await here.step_in(incident, "announce", "running")
        await here.responder.desk.resolve(incident, ANN)
        go_on.set()
        await here.run_in(incident, "succeeded")
        assert (await here.step_in(incident, "announce", "succeeded")).summary == "told"
        stop_step = await here.step_in(incident, "stop", "skipped")
        assert stop_step.attempts == 0
        assert stop_step.summary == "not started: the incident was resolved first"
        assert (await here.switch()).holds == []


async def test_escalating_names_the_contacts_and_counts(tmp_path: Path, sqlite: str) -> None:
    contacts = "contacts:\n  - { name: On call, reach: +1 555 0100, escalation: true }\n"
    where = playbooks(tmp_path, REVIEW)
    (where / "contacts.yaml").write_text(contacts)
    async with office(sqlite, where) as here:
        incident = await here.opened()
        said = await here.responder.desk.escalate(incident, ANN, "nobody answers")
        assert said == "Escalated; turn to On call (+1 555 0100): nobody answers"
        await here.responder.desk.escalate(incident, BEN)
        assert [actor for actor, _ in await here.told(incident, "escalated")] == ["ann", "ben"]
        row = await here.until(lambda s: s.get_one(Incident, incident), bool)
        assert row.escalation_level == 2


class Moody:
    """A driver that can't pause until it works, and takes its time when told to."""

    def __init__(self) -> None:
        self.works = False
        self.slow: asyncio.Event | None = None
        self.state = SwitchState.RUNNING

    async def pause(self, *, reason: str, key: str) -> Reading:
        if self.slow:
            await self.slow.wait()
        if not self.works:
            raise SwitchError("nobody answers")
        self.state = SwitchState.PAUSED
        return await self.read()

    async def resume(self, *, reason: str, key: str) -> Reading:
        self.state = SwitchState.RUNNING
        return await self.read()

    async def read(self) -> Reading:
        return Reading(self.state, confirmed=True, detail="as told")


def with_driver(here: Office) -> Moody:
    driver = Moody()
    here.responder.switches._drivers = {"tips": driver, "gifts": driver}  # type: ignore[dict-item]
    return driver


async def test_a_hold_that_failed_escalates_and_a_retry_holds_once(
    tmp_path: Path, sqlite: str
) -> None:
    hold = HOLD.replace("needs", "on_failure: escalate, needs")
    async with office(sqlite, playbooks(tmp_path, hold, RESUME)) as here:
        driver = with_driver(here)
        incident = await here.opened()
        stop = await here.step_in(incident, "stop", "failed")
        assert stop.error == "tips could not be paused: nobody answers"
        ((_, text),) = await here.told(incident, "escalated")
        assert text == "Escalated: Stop failed: tips could not be paused: nobody answers"
        driver.works = True
        await here.responder.desk.retry(stop.step_id, ANN)
        await here.step_in(incident, "stop", "succeeded")
        assert (await driver.read()).state is SwitchState.PAUSED
        assert len((await here.switch()).holds) == 1


async def test_a_hold_released_by_hand_is_placed_again_by_a_retry(
    tmp_path: Path, sqlite: str
) -> None:
    async with office(sqlite, playbooks(tmp_path, HOLD, RESUME)) as here:
        driver = with_driver(here)
        incident = await here.opened()
        stop = await here.step_in(incident, "stop", "failed")
        await here.responder.desk.release("tips", ANN, "to look at it", incident)
        assert (await driver.read()).state is SwitchState.RUNNING
        driver.works = True
        await here.responder.desk.retry(stop.step_id, ANN)
        await here.step_in(incident, "stop", "succeeded")
        assert (await driver.read()).state is SwitchState.PAUSED
        assert len((await here.switch()).holds) == 1


async def test_an_approval_in_the_middle_of_a_look_does_not_leave_the_run_behind(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the runner writes down that the run waits, somebody approves."""
    looked, go_on = threading.Event(), threading.Event()
    let_go = Runner._let_go

    def slow(self: Runner, session: Session, run: Run, state: RunState, now: datetime) -> None:
        if not looked.is_set():
            looked.set()
            go_on.wait(5)
        let_go(self, session, run, state, now)

    monkeypatch.setattr(Runner, "_let_go", slow)
    resume = RESUME.replace("count: 2", "count: 1").replace("tips,", "tips, needs: [],")
    async with office(database_url, playbooks(tmp_path, resume, HOLD)) as here:
        driver = with_driver(here)
        driver.works, driver.slow = True, asyncio.Event()
        incident = await here.opened()
        asked = await here.step_in(incident, "resume", "waiting")
        driver.slow.set()
        assert await asyncio.to_thread(looked.wait, 5)
        deciding = asyncio.create_task(here.responder.desk.decide(asked.step_id, ANN, approve=True))
        await asyncio.wait([deciding], timeout=0.5)
        go_on.set()
        await deciding
        await here.step_in(incident, "resume", "succeeded")
