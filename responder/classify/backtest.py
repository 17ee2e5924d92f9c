"""What rules would have made of deliveries that came, beside what was decided then. Pure.

Deliveries are judged in their order and as of their own times, by the code that judges live
ones. What people did then is taken as it was: an incident that was really there ends when it
was really resolved. One that was not is taken to be over after a time without alerts.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from responder.classify.history import History, OpenIncident
from responder.classify.noise import Snoozed
from responder.classify.verdict import Arrival, Outcome, Rules, Verdict, judge, place
from responder.receive.alert import Alert

QUIET = timedelta(hours=1)  # without an alert, and an incident nobody had is over
EXAMPLES = 3  # of each kind of difference
MOST_EXAMPLES = 60


@dataclass(frozen=True, slots=True)
class Past:
    """An incident as it really was."""

    id: int
    area: str
    environment: str
    severity: str
    title: str
    opened_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A stored delivery and what was decided about it. `alert` is None if it can't be read."""

    id: int
    alert: Alert | None
    arrived: datetime
    decided: datetime
    replay: bool
    outcome: str
    area: str | None
    incident: int | None


@dataclass(slots=True)
class Supposed:
    """An incident that the rules would have opened. `real` is the one it goes by, if any."""

    key: int
    area: str
    environment: str
    severity: str
    title: str
    opened_by: int
    instead_of: int | None  # the real incident that its first delivery led to
    opened_at: datetime
    last_alert: datetime
    closed_at: datetime | None = None
    alerts: int = 1
    real: int | None = None


class Rehearsal:
    """Judges recorded deliveries by other rules.

    Args:
        past: every real incident that deliveries may lead to, by id.
        started: when the first delivery came; incidents open then are open here.
    """

    def __init__(
        self,
        rules: Rules,
        past: Mapping[int, Past],
        *,
        started: datetime,
        snoozes: Sequence[Snoozed] = (),
        subjects: Mapping[str, int] | None = None,
    ) -> None:
        self._rules = rules
        self._past = past
        self._history = History(snoozes=list(snoozes), subjects=dict(subjects or {}))
        self.incidents: dict[int, Supposed] = {}
        for one in past.values():
            still = one.resolved_at is None or one.resolved_at > started
            if one.opened_at < started and still and one.area in rules.areas.root:
                self._add(_still_open(one, rules), _as_it_was(one))

    def judge(self, recorded: Recorded) -> Verdict | None:
        """What would have been decided; None for what can't be read."""
        self._close(recorded.decided)
        if recorded.alert is None:
            return None
        arrival = Arrival(recorded.arrived, replay=recorded.replay)
        match = place(recorded.alert, self._rules)
        verdict = judge(recorded.alert, match, arrival, self._history, self._rules)
        if verdict.opens is not None:
            self._opened(recorded, verdict)
        elif verdict.outcome is Outcome.JOINED and verdict.joins in self.incidents:
            joined = self.incidents[verdict.joins]
            joined.alerts += 1
            joined.last_alert = recorded.arrived
            joined.real = joined.real or self._really(recorded, joined.area)
        return verdict

    def _add(self, open_: OpenIncident, supposed: Supposed) -> None:
        self._history.add_open(open_)
        self.incidents[supposed.key] = supposed

    def _opened(self, recorded: Recorded, verdict: Verdict) -> None:
        assert verdict.opens is not None
        assert recorded.alert is not None
        opened = verdict.opens
        self.incidents[opened.key] = Supposed(
            key=opened.key,
            area=opened.area,
            environment=opened.environment,
            severity=opened.severity,
            title=recorded.alert.title or recorded.alert.message or verdict.reason,
            opened_by=recorded.id,
            instead_of=recorded.incident,
            opened_at=recorded.arrived,
            last_alert=recorded.arrived,
            real=self._really(recorded, opened.area),
        )

    def _really(self, recorded: Recorded, area: str) -> int | None:
        """The real incident of the same area that a delivery led to."""
        real = self._past.get(recorded.incident or 0)
        return real.id if real is not None and real.area == area else None

    def _close(self, now: datetime) -> None:
        for open_ in [one for several in self._history.open.values() for one in several]:
            supposed = self.incidents[open_.key]
            end = self._end(supposed)
            if end is not None and end <= now:
                supposed.closed_at = end
                self._history.resolve(open_)

    def _end(self, supposed: Supposed) -> datetime | None:
        if supposed.real is not None:
            return self._past[supposed.real].resolved_at
        return supposed.last_alert + QUIET


def _still_open(one: Past, rules: Rules) -> OpenIncident:
    severity = rules.severity_of(one.area)
    return OpenIncident(one.id, one.area, one.environment, severity, one.opened_at)


def _as_it_was(one: Past) -> Supposed:
    return Supposed(
        key=one.id,
        area=one.area,
        environment=one.environment,
        severity=one.severity,
        title=one.title,
        opened_by=0,
        instead_of=one.id,
        opened_at=one.opened_at,
        last_alert=one.opened_at,
        real=one.id,
    )


@dataclass
class Comparison:
    """Collects how what would have been decided differs from what was."""

    deliveries: int = 0
    unreadable: int = 0
    outcomes: Tally[tuple[str, str]] = field(default_factory=Tally)
    areas: Tally[tuple[str, str]] = field(default_factory=Tally)
    examples: list[dict[str, object]] = field(default_factory=list)
    _kinds: Tally[tuple[tuple[str, str], tuple[str, str]]] = field(default_factory=Tally)

    def add(self, recorded: Recorded, verdict: Verdict | None) -> None:
        """Compare one delivery."""
        self.deliveries += 1
        if verdict is None or recorded.alert is None:
            self.unreadable += 1
            return
        area = verdict.match.area if verdict.match else ""
        was = recorded.outcome, recorded.area or ""
        would = verdict.outcome.value, area
        self.outcomes[was[0], would[0]] += 1
        self.areas[was[1], would[1]] += 1
        self._kinds[was, would] += 1
        few = self._kinds[was, would] <= EXAMPLES and len(self.examples) < MOST_EXAMPLES
        if was != would and few:
            self.examples.append(
                {
                    "delivery": recorded.id,
                    "at": recorded.arrived.isoformat(),
                    "title": recorded.alert.title,
                    "was": " in ".join(filter(None, was)),
                    "would": " in ".join(filter(None, would)),
                    "reason": verdict.reason,
                }
            )

    def result(
        self,
        supposed: Iterable[Supposed],
        past: Mapping[int, Past],
        *,
        since: datetime,
        until: datetime,
    ) -> dict[str, object]:
        """Everything as JSON: incidents that would newly open, not open, move, and stay."""
        would = [one for one in supposed if one.opened_at >= since or one.real is not None]
        was = [one for one in past.values() if one.opened_at >= since]
        kept = {one.real for one in would if one.real is not None}
        lost = {one.id for one in was} - kept
        moved = [one for one in would if one.real is None and one.instead_of in lost]
        replaced = {one.instead_of for one in moved}
        gone = [one for one in was if one.id in lost - replaced]
        new = [one for one in would if one.real is None and one.instead_of not in lost]
        earlier = [
            one
            for one in would
            if one.real is not None
            and one.real in past
            and one.opened_at < past[one.real].opened_at - timedelta(minutes=1)
        ]
        return {
            "since": since.isoformat(),
            "until": until.isoformat(),
            "deliveries": self.deliveries,
            "unreadable": self.unreadable,
            "same": sum(n for (was_, would_), n in self.outcomes.items() if was_ == would_),
            "outcomes": _rows(self.outcomes),
            "areas": _rows(self.areas),
            "incidents_were": len(was),
            "incidents_would_be": sum(one.opened_at >= since for one in would),
            "opens": [_line(one) for one in new],
            "gone": [_past_line(one) for one in gone],
            "moved": [
                _line(one) | {"was": past[one.instead_of or 0].area, "real": one.instead_of}
                for one in moved
            ],
            "earlier": [_line(one) for one in earlier],
            "examples": self.examples,
            "timeline": {
                "was": [_past_line(one) for one in was],
                "would": [_line(one) for one in would],
            },
        }


def _rows(tally: Tally[tuple[str, str]]) -> list[dict[str, object]]:
    return [
        {"was": was, "would": would, "deliveries": number}
        for (was, would), number in tally.most_common()
    ]


def _line(one: Supposed) -> dict[str, object]:
    return {
        "area": one.area,
        "environment": one.environment,
        "severity": one.severity,
        "title": one.title,
        "delivery": one.opened_by,
        "opened_at": one.opened_at.isoformat(),
        "closed_at": one.closed_at.isoformat() if one.closed_at else None,
        "alerts": one.alerts,
        "real": one.real,
    }


def _past_line(one: Past) -> dict[str, object]:
    return {
        "area": one.area,
        "environment": one.environment,
        "severity": one.severity,
        "title": one.title,
        "delivery": None,
        "opened_at": one.opened_at.isoformat(),
        "closed_at": one.resolved_at.isoformat() if one.resolved_at else None,
        "real": one.id,
    }
