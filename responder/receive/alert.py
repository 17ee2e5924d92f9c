"""An alert: what one delivery says, in our words, whatever service sent it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Signal(StrEnum):
    """What a delivery asks of us. Only `FIRING` may ever start a playbook's effects."""

    FIRING = "firing"
    RESOLVED = "resolved"
    NOTE = "note"  # worth a timeline entry: assigned, archived, commented
    MEASURED = "measured"  # figures, not an event: how often it was tried, how long it took
    TEST = "test"  # somebody pressed "send test notification"
    UNKNOWN = "unknown"  # a resource or action we have no words for yet


@dataclass(frozen=True, slots=True)
class Frame:
    """One stack frame. `path` is as the source wrote it; classify/culprit.py cleans it.

    `address` is where the code was loaded from, which tells a browser's extension.
    """

    path: str
    function: str | None = None
    line: int | None = None
    in_app: bool = False
    address: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """The rule behind a metric alert: what was measured, over what, and its words.

    `id` is this firing's, `rule_id` the rule's. `value` is what was measured, in the
    aggregate's own unit, where the words say it.
    """

    id: str
    rule: str
    query: str
    aggregate: str
    description: str
    rule_id: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """Figures that were counted or timed elsewhere.

    Of an area: in the alert's minute it was tried `attempts` times, `failures` of them in
    vain. Of an objective: `value`, in the unit of its target.
    """

    area: str = ""
    attempts: int = 0
    failures: int = 0
    objective: str = ""
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Alert:
    """One normalised delivery.

    Identifiers are always strings, times are aware UTC datetimes, and every field a sender
    may leave out has a neutral value. `frames` holds the newest frame first, the exception
    that names the event before its causes.
    """

    source: str
    resource: str
    action: str
    signal: Signal
    title: str = ""
    message: str = ""
    type: str = ""  # of the exception
    level: str = ""
    culprit: str = ""
    transaction: str = ""
    location: str = ""
    route: str = ""
    url: str = ""
    environment: str = ""
    project: str = ""
    release: str = ""
    event_id: str = ""
    issue_id: str = ""
    issue_url: str = ""
    rule: str = ""
    actor: str = ""
    users: int | None = None
    first_seen: bool = False  # the source says that nobody has seen this issue before
    occurred_at: datetime | None = None
    frames: tuple[Frame, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    metric: Metric | None = None
    measure: Measure | None = None
    notes: tuple[str, ...] = ()  # what had to be cut or guessed, for a person to read
