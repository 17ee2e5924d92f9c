"""Which steps of a run are due. Pure: the rows' states in, what to do next out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class StepState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"  # for people: an approval, a checklist
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class RunState(StrEnum):
    RUNNING = "running"  # something is under way or due
    WAITING = "waiting"  # for people
    BLOCKED = "blocked"  # a step failed and a person must retry or skip it
    SUCCEEDED = "succeeded"


@dataclass(frozen=True, slots=True)
class StepView:
    """As much of a step as decides what is due."""

    name: str
    needs: tuple[str, ...]
    state: StepState
    carries_on: bool = False  # others go on although this one failed
    asks: bool = False  # it needs an approval it has not got
    due_at: datetime | None = None  # not before then


@dataclass(frozen=True, slots=True)
class Next:
    """What to do now. `wake_at` is when the next timer of the run is due."""

    start: tuple[str, ...]
    ask: tuple[str, ...]
    state: RunState
    wake_at: datetime | None


def next_of(steps: Sequence[StepView], *, now: datetime) -> Next:
    """Decide which steps start, which ask for approval, and how the run stands after that."""
    passed = {step.name for step in steps if _passed(step)}
    ready = [
        step
        for step in steps
        if step.state is StepState.PENDING and all(need in passed for need in step.needs)
    ]
    ask = tuple(step.name for step in ready if step.asks)
    timed = [step for step in ready if not step.asks]
    start = tuple(step.name for step in timed if step.due_at is None or step.due_at <= now)
    later = [step.due_at for step in timed if step.due_at is not None and step.due_at > now]
    return Next(
        start, ask, _state(steps, bool(start or later), bool(ask)), min(later, default=None)
    )


def _passed(step: StepView) -> bool:
    if step.state in (StepState.SUCCEEDED, StepState.SKIPPED):
        return True
    return step.state is StepState.FAILED and step.carries_on


def _state(steps: Sequence[StepView], busy: bool, asking: bool) -> RunState:
    states = {step.state for step in steps}
    if busy or StepState.RUNNING in states:
        return RunState.RUNNING
    if all(_passed(step) for step in steps):
        return RunState.SUCCEEDED
    if any(step.state is StepState.FAILED and not step.carries_on for step in steps):
        return RunState.BLOCKED
    assert asking or StepState.WAITING in states, "a run with nothing to do must wait for someone"
    return RunState.WAITING
