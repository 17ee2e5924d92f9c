"""The console as a chat: for a first look, and for whoever has no Slack."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rich.console import Console

from responder.chat.base import (
    Approval,
    Checklist,
    ChecklistItem,
    IncidentCard,
    Message,
    Note,
    Ref,
    StepLine,
)
from responder.chat.words import one_line, severity_mark, step_mark

INDENT = "  "
REMEMBERED = 500  # messages whose last state is known, so that only differences are printed


class ConsoleChat:
    """Prints what other chats would show. It has no buttons; the pages and commands do."""

    name = "console"

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._posted = 0
        self._last: dict[int, Message] = {}

    async def post(self, key: str, message: Message, thread: Ref | None) -> Ref:
        """Print a message in full."""
        self._posted += 1
        self._print(self._posted, message, _whole(message))
        return {"console": self._posted}

    async def update(self, ref: Ref, message: Message) -> None:
        """Print what a reader would want to know has changed."""
        number = int(ref["console"])
        before = self._last.get(number)
        self._print(number, message, _changes(before, message) if before else _whole(message))

    async def find(self, key: str, since: datetime, thread: Ref | None = None) -> Ref | None:
        """None: what was printed can't be read back."""
        return None

    async def check(self) -> str:
        """Always usable."""
        return "console: messages are printed; set RESPONDER_SLACK_BOT_TOKEN to post to Slack"

    async def close(self) -> None:
        """Nothing to do."""

    def _print(self, number: int, message: Message, lines: Iterator[str]) -> None:
        self._last[number] = message
        if len(self._last) > REMEMBERED:
            del self._last[min(self._last)]
        for line in lines:
            indent = INDENT if line.startswith(INDENT) else ""
            # Text from outside must not drive the terminal, hence no markup and cleaned lines.
            self._console.print(
                indent + one_line(line), markup=False, highlight=False, emoji=False, soft_wrap=True
            )


def _whole(message: Message) -> Iterator[str]:
    match message:
        case IncidentCard():
            yield from _card(message)
        case Checklist():
            yield f"incident {message.incident_id}, to check: {message.title}"
            yield from (f"{INDENT}{_item(item)}" for item in message.items)
            yield INDENT + message.page_url
        case Approval():
            yield _question(message)
            yield f"{INDENT}on approval: {message.will}"
            yield INDENT + message.page_url
        case Note():
            about = f"incident {message.incident_id}: " if message.incident_id else ""
            yield about + message.text


def _changes(before: Message, after: Message) -> Iterator[str]:
    match before, after:
        case IncidentCard(), IncidentCard():
            yield from _card_changes(before, after)
        case Checklist(), Checklist():
            known = {item.id: _item(item) for item in before.items}
            for item in after.items:
                if known.get(item.id) != _item(item):
                    yield f"incident {after.incident_id}: {_item(item)}"
        case Approval(), Approval() if before.state != after.state:
            yield _question(after)
        case Note(), Note() if before.text != after.text:
            yield from _whole(after)


def _card(card: IncidentCard) -> Iterator[str]:
    yield f"{severity_mark(card.severity)} {card.area}: {card.title}"
    users = "" if card.users is None else f", users: {card.users}"
    yield (
        f"{INDENT}incident {card.incident_id}, {card.state}, {card.environment}, "
        f"alerts: {card.alerts}{users}"
    )
    yield f"{INDENT}culprit: {card.culprit or 'not known'} ({card.matched})"
    yield from (f"{INDENT}paused: {line}" for line in card.paused)
    if card.waiting_for:
        yield f"{INDENT}waiting for {card.waiting_for}"
    yield INDENT + card.page_url


def _card_changes(before: IncidentCard, after: IncidentCard) -> Iterator[str]:
    name = f"incident {after.incident_id}"
    for line in after.paused:
        if line not in before.paused:
            yield f"{name}: paused: {line}"
    for switch in _first_words(before.paused):
        if switch not in _first_words(after.paused):
            yield f"{name}: no longer paused: {switch}"
    known = {step.name: (step.state, step.note) for step in before.steps}
    for step in after.steps:
        if step.state != "pending" and known.get(step.name) != (step.state, step.note):
            yield f"{name}: {_step(step)}"
    if after.state != before.state:
        yield f"{name} {after.state}{_by(_changer(after))}"
    if after.waiting_for and after.waiting_for != before.waiting_for:
        yield f"{name} waits for {after.waiting_for}"


def _first_words(paused: tuple[str, ...]) -> list[str]:
    """The switches' names; the rest of a line changes when a pause is confirmed."""
    return [line.split()[0].rstrip(",") for line in paused if line.split()]


def _changer(card: IncidentCard) -> str | None:
    people = {"acknowledged": card.acknowledged_by, "resolved": card.resolved_by}
    return people.get(card.state)


def _question(message: Approval) -> str:
    word = "asks for approval" if message.state == "waiting" else message.state
    return f"incident {message.incident_id}, {message.title}: {word}{_by(message.decided_by)}"


def _item(item: ChecklistItem) -> str:
    done = item.done_at is not None or item.done_by is not None
    return f"{'☑' if done else '☐'} {item.text}{_by(item.done_by)}"


def _step(step: StepLine) -> str:
    return f"{step_mark(step.state)} · {step.title}" + (f": {step.note}" if step.note else "")


def _by(person: str | None) -> str:
    return f" by {person}" if person else ""
