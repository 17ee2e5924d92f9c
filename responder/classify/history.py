"""What has happened so far, as much of it as the next decisions need. A value in memory.

The service loads it from the store for each batch of deliveries; a backtest begins with an
empty one and lets it grow. Both decide with the same code.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from responder.classify.noise import Snoozed
from responder.classify.severity import Severity
from responder.receive.alert import Alert

MOST_OPEN = 5  # open incidents of one area before new environments join the first

Counter = tuple[str, str]  # an area or area/family, and an environment

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Counted:
    """Where one event was counted, the area first. While only an issue tells of it, no id."""

    event_id: str
    counters: tuple[Counter, ...]
    minute: int

    @property
    def area(self) -> str:
        """The area it was counted in."""
        return self.counters[0][0]

    @property
    def environment(self) -> str:
        """The environment it was counted in."""
        return self.counters[0][1]


@dataclass(slots=True)
class OpenIncident:
    """An incident that alerts can join. `key` is its id, or a number below 0 until it has one.

    `subjects` is what it is about, as far as alerts to decide ask for it, `joined` the
    environments of those that joined it since it was put here.
    """

    key: int
    area: str
    environment: str
    severity: Severity
    opened_at: datetime
    subjects: set[str] = field(default_factory=set)
    joined: set[str] = field(default_factory=set)


@dataclass
class History:
    """Counts by minute, events counted, open incidents and what they are about, snoozes."""

    alerts: dict[Counter, dict[int, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    outcomes: dict[Counter, dict[int, tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    events: dict[str, Counted] = field(default_factory=dict)
    moments: dict[str, Counted] = field(default_factory=dict)
    open: dict[str, list[OpenIncident]] = field(default_factory=lambda: defaultdict(list))
    subjects: dict[str, int] = field(default_factory=dict)  # the newest incident of each
    snoozes: list[Snoozed] = field(default_factory=list)
    opened: int = 0  # incidents that have no id yet

    def known(self, alert: Alert) -> Counted | None:
        """Where this event has been counted already; None if it has not.

        One event may come through two alert rules, and as issue, error and event_alert. An
        issue carries no event's id, but the time of the event that made it. It stands for one
        event: the next one of the same millisecond is another.
        """
        at = self.moments.get(moment_of(alert))
        if not alert.event_id:
            return at
        found = self.events.get(alert.event_id)
        return at if found is None and at is not None and not at.event_id else found

    def count(self, alert: Alert, counters: tuple[Counter, ...], minute: int) -> None:
        """Count an alert in its own minute."""
        for counter in counters:
            self.alerts[counter][minute] += 1
        self.remember(alert.event_id, moment_of(alert), counters, minute)

    def remember(
        self, event_id: str, moment: str, counters: tuple[Counter, ...], minute: int
    ) -> None:
        """Know an event again. Without counters it is one that was known by its moment."""
        at = self.moments.get(moment)
        only_issue = at is not None and not at.event_id
        if counters:
            counted = Counted(event_id, counters, minute)
        elif at is not None and only_issue and event_id:
            counted = replace(at, event_id=event_id)
        else:
            return
        if event_id:
            self.events[event_id] = counted
        if moment and (at is None or (only_issue and event_id)):
            self.moments[moment] = counted

    def unsettled(self, counted: Counted) -> bool:
        """Whether an event still counts, for no incident that it led to has been resolved."""
        return self.alerts[counted.counters[0]].get(counted.minute, 0) > 0

    def take_back(self, counted: Counted) -> None:
        """Count an event no longer where it was counted, for more is known about it."""
        for counter in counted.counters:
            self.alerts[counter][counted.minute] -= 1

    def add_outcome(self, counter: Counter, minute: int, attempts: int, failures: int) -> None:
        """Add what was tried and what failed in a minute."""
        before = self.outcomes[counter].get(minute, (0, 0))
        self.outcomes[counter][minute] = before[0] + attempts, before[1] + failures

    def joinable(self, area: str, alert: Alert) -> OpenIncident | None:
        """The open incident that an alert belongs to.

        One of its environment; or the one its issue is in, for some of Sentry's resources
        carry no environment; or one opened by such; or, once an area has many open, the first,
        for whoever writes events names the environment, and a hundred incidents of one trouble
        help nobody.
        """
        open_ = self.open[area]
        for incident in open_:
            if incident.environment == alert.environment:
                return incident
        for incident in open_:
            if self.is_about(incident, alert):
                return incident
        for incident in open_:
            if not incident.environment:
                return incident
        if open_ and (not alert.environment or len(open_) >= MOST_OPEN):
            return open_[0]
        return None

    def about(self, alert: Alert) -> int | None:
        """The newest incident that is about the same issue or metric alert, open or not."""
        found = (self.subjects.get(subject) for subject in subjects_of(alert))
        return next((key for key in found if key is not None), None)

    def is_about(self, incident: OpenIncident, alert: Alert) -> bool:
        """Whether the alert's issue or metric alert is in the incident already."""
        return any(
            subject in incident.subjects or self.subjects.get(subject) == incident.key
            for subject in subjects_of(alert)
        )

    def add_subjects(self, incident: OpenIncident, alert: Alert) -> None:
        """The incident is about what the alert is about."""
        for subject in subjects_of(alert):
            incident.subjects.add(subject)
            self.subjects[subject] = incident.key

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
                if settles(counter, incident, taken):
                    del counts[counter]


def settles(counter: Counter, incident: OpenIncident, taken: set[str]) -> bool:
    """Whether resolving an incident settles a counter: of its own environment, or a joined one.

    Environments with an open incident of their own, which are `taken`, keep what they counted.
    """
    name, of = counter
    mine = of == incident.environment or (of in incident.joined and of not in taken)
    return name.partition("/")[0] == incident.area and mine


def subjects_of(alert: Alert) -> tuple[str, ...]:
    """What in the source the alert is about."""
    if alert.metric is not None and alert.metric.id:
        return (f"metric:{alert.metric.id}",)
    return (f"issue:{alert.issue_id}",) if alert.issue_id else ()


def moment_of(alert: Alert) -> str:
    """An event's issue and time, to the millisecond: what an issue has of its first event."""
    if not alert.issue_id or alert.occurred_at is None:
        return ""
    return f"{alert.issue_id}@{(alert.occurred_at - _EPOCH) // timedelta(milliseconds=1)}"
