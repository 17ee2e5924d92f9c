"""The seam every chat meets: messages as values, and what people press as commands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step of the run as a reader sees it. `state` is a `StepState` value."""

    name: str
    title: str
    state: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class IncidentCard:
    """The one message about an incident that is kept up to date in place."""

    incident_id: int
    severity: str
    area: str
    state: str
    title: str
    culprit: str
    matched: str
    environment: str
    alerts: int
    users: int | None
    opened_at: datetime
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    resolved_by: str | None
    resolved_at: datetime | None
    paused: tuple[str, ...]  # one line for each standing hold, unconfirmed ones saying so
    steps: tuple[StepLine, ...]
    waiting_for: str
    contacts: tuple[str, ...]
    page_url: str
    issue_url: str
    in_thread = False


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    id: int
    text: str
    done_by: str | None = None
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Checklist:
    """Things only a person can check."""

    incident_id: int
    step_id: int
    title: str
    items: tuple[ChecklistItem, ...]
    page_url: str
    in_thread = True


@dataclass(frozen=True, slots=True)
class Approval:
    """A question to a person: may this step run? `state` is waiting, approved, denied or closed."""

    incident_id: int
    step_id: int
    title: str
    will: str  # what happens on approval, in plain words
    evidence: tuple[StepLine, ...]
    state: str
    decided_by: str | None
    decided_at: datetime | None
    page_url: str
    in_thread = False


@dataclass(frozen=True, slots=True)
class Note:
    """A line of news: in the incident's thread, or by itself if it is about none."""

    incident_id: int | None
    text: str
    page_url: str

    @property
    def in_thread(self) -> bool:
        """Whether it belongs under the incident's card."""
        return self.incident_id is not None


Message = IncidentCard | Checklist | Approval | Note


class ChatError(Exception):
    """The chat did not take a message.

    `retry_after` is in seconds where the chat named a time. `permanent` means that trying
    again as is can't help; the message says what a person must mend. `maybe` means that what
    was asked may have happened all the same; `gone` that the message to update is not there.
    """

    def __init__(
        self,
        text: str,
        *,
        retry_after: float | None = None,
        permanent: bool = False,
        maybe: bool = False,
        gone: bool = False,
    ) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        self.permanent = permanent
        self.maybe = maybe
        self.gone = gone


Ref = dict[str, Any]  # where a chat put a message; its own shape, stored as JSON


class Chat(Protocol):
    """Posts and updates messages. Raises `ChatError`."""

    name: str

    async def post(self, key: str, message: Message, thread: Ref | None) -> Ref: ...

    async def update(self, ref: Ref, message: Message) -> None: ...

    async def find(self, key: str, since: datetime, thread: Ref | None = None) -> Ref | None:
        """The message posted under `key` since then, or None. How a crash is cleared up.

        Looks in the channel, and in `thread` where one is given. Raises `ChatError` when the
        chat can't be asked.
        """
        ...

    async def check(self) -> str:
        """One line saying whether the chat is usable; raises `ChatError` when it is not."""
        ...

    async def close(self) -> None: ...


# What a person can press, whatever the chat. desk.py carries these out.


@dataclass(frozen=True, slots=True)
class Acknowledge:
    incident_id: int


@dataclass(frozen=True, slots=True)
class Escalate:
    incident_id: int


@dataclass(frozen=True, slots=True)
class Resolve:
    incident_id: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Of the items shown, those done now; the others shown are not done."""

    step_id: int
    shown: tuple[int, ...]
    done: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Decide:
    """Approve or deny a step."""

    step_id: int
    approve: bool
    reason: str = ""


Command = Acknowledge | Escalate | Resolve | Tick | Decide
