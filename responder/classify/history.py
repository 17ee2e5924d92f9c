"""What has happened so far, as much of it as the next decisions need. A value in memory.

The service loads it from the store for each batch of deliveries; a backtest begins with an
empty one and lets it grow. Both decide with the same code.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from responder.classify.noise import Snoozed
from responder.classify.severity import Severity
from responder.receive.alert import Alert

MOST_OPEN = 5  # open incidents of one area before new environments join the first

Counter = tuple[str, str]  # an area or area/family, and an environment


@dataclass(slots=True)
class OpenIncident:
    """An incident that alerts can join. `key` is its id, or a number below 0 until it has one."""

    key: int
    area: str
    environment: str
    severity: Severity
    opened_at: datetime


@dataclass
class History:
    """Counts by minute, events counted, open incidents and what they are about, snoozes."""

    alerts: dict[Counter, dict[int, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    outcomes: dict[Counter, dict[int, tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    events: set[str] = field(default_factory=set)
    moments: dict[str, bool] = field(default_factory=dict)  # whether an issue stands for it
    open: dict[str, list[OpenIncident]] = field(default_factory=lambda: defaultdict(list))
    subjects: dict[str, int] = field(default_factory=dict)  # the newest incident of each
    snoozes: list[Snoozed] = field(default_factory=list)
    opened: int = 0  # incidents that have no id yet

    def counted(self, alert: Alert) -> bool:
        """Whether this event has been counted already.

        One event may come through two alert rules, and as issue, error and event_alert. An
        issue carries no event's id, but the time of the event that made it.
        """
        moment = moment_of(alert)
        if alert.event_id:
            return alert.event_id in self.events or self.moments.get(moment, False)
        return bool(moment) and moment in self.moments

    def count(self, alert: Alert, counters: tuple[Counter, ...], minute: int) -> None:
        """Count an alert in its own minute."""
        for counter in counters:
            self.alerts[counter][minute] += 1
        if alert.event_id:
            self.events.add(alert.event_id)
        moment = moment_of(alert)
        if moment:
            self.moments.setdefault(moment, not alert.event_id)

    def add_outcome(self, counter: Counter, minute: int, attempts: int, failures: int) -> None:
        """Add what was tried and what failed in a minute."""
        before = self.outcomes[counter].get(minute, (0, 0))
        self.outcomes[counter][minute] = before[0] + attempts, before[1] + failures

    def joinable(self, area: str, alert: Alert) -> OpenIncident | None:
        """The open incident that an alert belongs to.

        One of its environment; or the one its issue is in, for some of Sentry's resources
        carry no environment; or, once an area has many open, the first, for whoever writes
        events names the environment, and a hundred incidents of one trouble help nobody.
        """
        open_ = self.open[area]
        for incident in open_:
            if incident.environment == alert.environment:
                return incident
        about = {self.subjects.get(subject) for subject in subjects_of(alert)}
        for incident in open_:
            if incident.key in about:
                return incident
        if open_ and (not alert.environment or len(open_) >= MOST_OPEN):
            return open_[0]
        return None

    def about(self, alert: Alert) -> int | None:
        """The newest incident that is about the same issue or metric alert, open or not."""
        found = (self.subjects.get(subject) for subject in subjects_of(alert))
        return next((key for key in found if key is not None), None)

    def new_key(self) -> int:
        """A key for an incident that has no id yet."""
        self.opened += 1
        return -self.opened

    def add_open(self, incident: OpenIncident) -> None:
        """An incident that is open from now on."""
        self.open[incident.area].append(incident)

    def resolve(self, incident: OpenIncident) -> None:
        """It is over, and what it counted is settled: the next one begins from nothing."""
        open_ = self.open[incident.area]
        open_.remove(incident)
        taken = {one.environment for one in open_}
        for counts in (self.alerts, self.outcomes):
            for counter in list(counts):
                if settles(counter, incident.area, incident.environment, taken):
                    del counts[counter]


def settles(counter: Counter, area: str, environment: str, taken: set[str]) -> bool:
    """Whether resolving an incident settles a counter.

    Environments without an incident of their own have joined this one.
    """
    name, of = counter
    return name.partition("/")[0] == area and (of == environment or of not in taken)


def subjects_of(alert: Alert) -> tuple[str, ...]:
    """What in the source the alert is about."""
    if alert.metric is not None and alert.metric.id:
        return (f"metric:{alert.metric.id}",)
    return (f"issue:{alert.issue_id}",) if alert.issue_id else ()


def moment_of(alert: Alert) -> str:
    """An event's issue and time, to the millisecond: what an issue has of its first event."""
    if not alert.issue_id or alert.occurred_at is None:
        return ""
    return f"{alert.issue_id}@{int(alert.occurred_at.timestamp() * 1000)}"
