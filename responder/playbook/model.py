"""A playbook as its author writes it, and the other files beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from responder.classify.durations import Duration
from responder.classify.severity import Severity
from responder.classify.words import Name


class Mode(StrEnum):
    """How far a playbook may go by itself."""

    SHADOW = "shadow"  # record what it would do
    ASK = "ask"  # a person confirms each effect
    ACT = "act"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ApprovalSpec(_Strict):
    """Who must agree before a step runs, and how many of them."""

    by: Literal["responders", "admins"] = "responders"
    count: int = Field(default=1, ge=1, le=10)


class Retry(_Strict):
    """How often a failing step is tried, waiting twice as long each time."""

    attempts: int = Field(default=1, ge=1, le=20)
    wait: Duration = timedelta(seconds=1)


class StepSpec(BaseModel):
    """One step. Fields that are not listed here belong to its action."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: Name
    action: str
    title: str = ""
    needs: tuple[Name, ...] | None = None
    approval: ApprovalSpec | None = None
    retry: Retry = Retry()
    timeout: Duration = timedelta(seconds=30)
    on_failure: Literal["stop", "continue", "escalate"] = "stop"

    @property
    def params(self) -> dict[str, Any]:
        """The action's own fields."""
        return dict(self.model_extra or {})


class Playbook(_Strict):
    """What to do about trouble in one area."""

    playbook: Name
    title: str
    area: Name | None = None
    severity: Severity | None = None
    mode: Mode = Mode.ACT
    steps: tuple[StepSpec, ...] = Field(min_length=1)

    def mistakes(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """What is wrong with the steps as a graph: where, and what to mend."""
        seen: set[str] = set()
        for index, step in enumerate(self.steps):
            if step.id in seen:
                text = f"two steps are called {step.id}; give each its own id"
                yield ("steps", index, "id"), text
            for need in step.needs or ():
                if need not in seen:
                    text = f"step {step.id} needs {need}, which is not a step before it"
                    yield ("steps", index, "needs"), text
            seen.add(step.id)

    @property
    def contains(self) -> bool:
        """Whether it holds anything, so that trouble that comes back must start it again."""
        return any(step.action == "switch.hold" for step in self.steps)

    def needs_of(self, position: int) -> tuple[str, ...]:
        """What the step at that position waits for: by default the step before it."""
        step = self.steps[position]
        if step.needs is not None:
            return step.needs
        return (self.steps[position - 1].id,) if position else ()


class SwitchSpec(BaseModel):
    """A switch and its driver. Fields that are not listed here belong to the driver."""

    model_config = ConfigDict(extra="allow", frozen=True)

    title: str
    driver: str
    until_configured: Literal["builtin"] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The driver's own fields."""
        return dict(self.model_extra or {})


class DatabaseSpec(_Strict):
    """A database of the app; its URL comes from the environment, for it holds a password."""

    url_from: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]


class Contact(_Strict):
    """Somebody to turn to, shown on incidents of the areas named (all when none is)."""

    name: str
    reach: str
    areas: tuple[Name, ...] = ()
    escalation: bool = False
