"""Which steps of a run are due: whatever the graph and whatever comes of the steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.playbook.run import Next, RunState, StepState, StepView, next_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PASSED = (StepState.SUCCEEDED, StepState.SKIPPED)
Steps = tuple[StepView, ...]


@st.composite
def graphs(draw: st.DrawFn) -> Steps:
    """Pending steps, each needing some of those before it."""
    steps: list[StepView] = []
    for number in range(draw(st.integers(1, 8))):
        before = [step.name for step in steps]
        needs = draw(st.lists(st.sampled_from(before), unique=True)) if before else []
        steps.append(
            StepView(
                f"s{number}",
                tuple(needs),
                StepState.PENDING,
                carries_on=draw(st.booleans()),
                asks=draw(st.booleans()),
            )
        )
    return tuple(steps)


def passed(step: StepView) -> bool:
    return step.state in PASSED or (step.state is StepState.FAILED and step.carries_on)


def check(steps: Steps, found: Next) -> None:
    """What must hold of any answer."""
    by_name = {step.name: step for step in steps}
    due = (*found.start, *found.ask)
    assert len(set(due)) == len(due)
    for name in due:
        assert by_name[name].state is StepState.PENDING
        assert all(passed(by_name[need]) for need in by_name[name].needs)
    assert all(by_name[name].asks for name in found.ask)
    assert not any(by_name[name].asks for name in found.start)
    running = [step for step in steps if step.state is StepState.RUNNING]
    match found.state:
        case RunState.RUNNING:
            assert found.start or running or found.wake_at
        case RunState.WAITING:
            assert found.ask or any(step.state is StepState.WAITING for step in steps)
        case RunState.BLOCKED:
            assert any(step.state is StepState.FAILED and not step.carries_on for step in steps)
        case RunState.SUCCEEDED:
            assert all(passed(step) for step in steps)
    if found.state is not RunState.RUNNING:
        assert not found.start
        assert not running
        assert found.wake_at is None


@given(graphs(), st.data())
def test_any_run_played_to_the_end_is_done_blocked_or_waits(
    steps: Steps, data: st.DataObject
) -> None:
    started: list[str] = []
    now = NOW
    for _ in range(200):
        found = next_of(steps, now=now)
        check(steps, found)
        if found.state is not RunState.RUNNING:
            break
        started += found.start
        steps = tuple(
            replace(step, state=StepState.RUNNING)
            if step.name in found.start
            else replace(step, state=StepState.WAITING)
            if step.name in found.ask
            else step
            for step in steps
        )
        running = [step.name for step in steps if step.state is StepState.RUNNING]
        if not running:
            assert found.wake_at is not None
            assert found.wake_at > now
            now = found.wake_at
            continue
        name = data.draw(st.sampled_from(running), "the step that ends")
        outcome = data.draw(st.sampled_from(["succeeded", "failed", "waiting", "again"]))
        steps = tuple(_after(step, outcome, now) if step.name == name else step for step in steps)
        if outcome == "again":
            started.remove(name)
    else:
        pytest.fail("the run never came to rest")
    assert len(set(started)) == len(started)


def _after(step: StepView, outcome: str, now: datetime) -> StepView:
    if outcome == "again":
        return replace(step, state=StepState.PENDING, due_at=now + timedelta(seconds=7))
    return replace(step, state=StepState(outcome))


@given(graphs(), st.data())
def test_in_any_state_at_all_nothing_starts_too_early(steps: Steps, data: st.DataObject) -> None:
    """Not only states a run can reach: `check` holds unless nothing at all can go on."""
    steps = tuple(
        replace(
            step,
            state=data.draw(st.sampled_from(StepState)),
            due_at=data.draw(st.sampled_from([None, NOW, NOW + timedelta(seconds=1)])),
        )
        for step in steps
    )
    found = next_of(steps, now=NOW)
    check(steps, found)
    late = {step.name for step in steps if step.due_at is not None and step.due_at > NOW}
    assert not late & set(found.start)


def chain(*states: StepState, carries_on: bool = False) -> Steps:
    return tuple(
        StepView(f"s{n}", (f"s{n - 1}",) if n else (), state, carries_on=carries_on)
        for n, state in enumerate(states)
    )


def test_a_failed_step_keeps_what_needs_it_back() -> None:
    found = next_of(chain(StepState.FAILED, StepState.PENDING), now=NOW)
    assert found == Next((), (), RunState.BLOCKED, None)


def test_a_step_that_carries_on_lets_others_go_on_after_it_failed() -> None:
    found = next_of(chain(StepState.FAILED, StepState.PENDING, carries_on=True), now=NOW)
    assert found == Next(("s1",), (), RunState.RUNNING, None)
    found = next_of(chain(StepState.FAILED, StepState.SUCCEEDED, carries_on=True), now=NOW)
    assert found.state is RunState.SUCCEEDED


def test_a_failed_step_does_not_stop_what_does_not_need_it() -> None:
    steps = (StepView("a", (), StepState.FAILED), StepView("b", (), StepState.PENDING))
    assert next_of(steps, now=NOW) == Next(("b",), (), RunState.RUNNING, None)


def test_a_skipped_step_counts_as_passed() -> None:
    assert next_of(chain(StepState.SKIPPED, StepState.PENDING), now=NOW).start == ("s1",)


def test_a_timer_holds_a_step_back_until_it_is_due() -> None:
    due = NOW + timedelta(seconds=5)
    steps = (
        StepView("soon", (), StepState.PENDING, due_at=due),
        StepView("late", (), StepState.PENDING, due_at=due + timedelta(seconds=1)),
    )
    assert next_of(steps, now=NOW) == Next((), (), RunState.RUNNING, due)
    assert next_of(steps, now=due).start == ("soon",)


def test_a_question_is_put_only_when_the_step_could_start() -> None:
    steps = (
        StepView("check", (), StepState.RUNNING),
        StepView("resume", ("check",), StepState.PENDING, asks=True),
    )
    assert next_of(steps, now=NOW).ask == ()
    done = (replace(steps[0], state=StepState.SUCCEEDED), steps[1])
    assert next_of(done, now=NOW) == Next((), ("resume",), RunState.WAITING, None)
