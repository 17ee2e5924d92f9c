"""The seam every action meets: how a step does its work, and how it finds out after a crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from responder.databases import Databases
    from responder.receive.sentry_api import SentryApi
    from responder.store.database import Store
    from responder.switches.board import SwitchBoard

P = TypeVar("P", bound=BaseModel, contravariant=True)


@dataclass(frozen=True, slots=True)
class Refers:
    """Marks a parameter that names something in another file, so that lint can look it up."""

    to: Literal["switch", "database"]


SwitchName = Annotated[str, Refers("switch")]
DatabaseName = Annotated[str, Refers("database")]


class ActionParams(BaseModel):
    """Base of every action's parameters: unknown fields are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Done:
    """The step's work is done, and read back where it can be. `evidence` is JSON."""

    summary: str
    evidence: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The step's work is not done, or what it checked is not so.

    `again` says whether trying once more by itself could help: a finding is no fault of ours
    and waits for a person, a network error may pass.
    """

    error: str
    evidence: dict[str, Any] | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Waits:
    """The step goes on when people have done their part."""

    summary: str


Outcome = Done | Failed | Waits


@dataclass(frozen=True, slots=True)
class Tools:
    """What actions may reach out with."""

    store: Store
    switches: SwitchBoard
    databases: Databases
    sentry: SentryApi | None = None  # None: no token is set
    base_url: str = ""  # of our pages


@dataclass(frozen=True, slots=True)
class StepContext:
    """Where a step stands. `key` is the same for every attempt until a person retries it."""

    incident_id: int
    incident_title: str
    run_id: int
    step_id: int
    step: str
    key: str
    attempt: int
    tools: Tools
    now: Callable[[], datetime] = field(repr=False)

    @property
    def page_url(self) -> str:
        """The incident's page, at this step."""
        return f"{self.tools.base_url}/incidents/{self.incident_id}#step-{self.step_id}"


class Action(Protocol[P]):
    """One kind of step.

    `effect` marks actions that change something outside responder: they are what shadow and
    ask modes keep back. Neither method raises for things that can be foreseen; they return
    `Failed`.
    """

    Params: ClassVar[type[BaseModel]]
    effect: ClassVar[bool]

    def intent(self, params: P) -> str:
        """What the step will do, in the plain words an approver reads."""
        ...

    async def run(self, context: StepContext, params: P) -> Outcome: ...

    async def reconcile(self, context: StepContext, params: P) -> Outcome | None:
        """After a crash in mid-step: its outcome if it happened, None to run it again."""
        ...
