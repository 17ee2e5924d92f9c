"""What one delivery means: the decision, with everything that leads to it. Pure.

`judge` takes what has happened so far and adds to it, so that the service, `simulate` and a
backtest decide alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from responder.classify.areas import Area, Areas
from responder.classify.history import Counter, History, OpenIncident, subjects_of
from responder.classify.match import Match, classify
from responder.classify.noise import Noise, Quiet
from responder.classify.objectives import Objective
from responder.classify.severity import Severity
from responder.classify.thresholds import Reading, Threshold, busiest, describe, minute_of, worst
from responder.receive.alert import Alert, Measure, Signal

BY_SENTRY = "Sentry's own"  # the threshold behind a metric alert


class Outcome(StrEnum):
    """What became of a delivery."""

    OPENED = "opened"  # an incident
    JOINED = "joined"  # an open incident
    COUNTED = "counted"  # and the threshold is not reached
    FIRST_SEEN = "first_seen"  # counted, and told in chat as new
    MEASURED = "measured"  # figures, taken into account
    SAME_EVENT = "same_event"  # counted before, by another way
    SUPPRESSED = "suppressed"  # by a rule about noise
    OTHER_ENVIRONMENT = "other_environment"  # one that does not count
    NOTED = "noted"  # on an incident's timeline
    KEPT = "kept"  # nothing is known about it
    TEST = "test"
    NOT_UNDERSTOOD = "not_understood"
    FAILED = "failed"  # a fault of ours


@dataclass(frozen=True)
class Rules:
    """What stands in the playbooks folder, as far as decisions need it.

    `severities` are those of the playbooks that answer an area, where they name one.
    """

    areas: Areas
    noise: Noise = field(default_factory=Noise)
    objectives: Mapping[str, Objective] = field(default_factory=dict)
    severities: Mapping[str, Severity] = field(default_factory=dict)
    roots: tuple[str, ...] = ()

    def severity_of(self, area: str) -> Severity:
        """How bad trouble in an area is, unless a threshold says otherwise."""
        return self.severities.get(area) or self.areas.root[area].severity


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a delivery came. A `replay` is looked at, and not counted again."""

    at: datetime
    replay: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision. `count` and `threshold` are of the reading nearest to a breach.

    `opens` is the incident it opens; `joins` the key of the one it joins, or is about.
    """

    outcome: Outcome
    reason: str
    match: Match | None = None
    happened: datetime | None = None
    counters: tuple[Counter, ...] = ()
    count: int | None = None
    threshold: str | None = None
    readings: tuple[Reading, ...] = ()
    breached: Reading | None = None
    severity: Severity | None = None
    opens: OpenIncident | None = None
    joins: int | None = None
    worsens: bool = False
    quiet: Quiet | None = None

    def explain(self) -> dict[str, object]:
        """What led to it, as JSON: what matched and nearly did, and the counts at the time."""
        match = self.match
        return {
            "matched": match.reason if match else "",
            "nearly": list(match.nearly) if match else [],
            "readings": [
                {
                    "threshold": reading.threshold.describe(),
                    "count": reading.count,
                    "attempts": reading.attempts,
                    "breached": reading.breached,
                    "text": reading.describe(),
                }
                for reading in self.readings
            ],
            "counters": [f"{name} in {where or 'no environment'}" for name, where in self.counters],
            "suppressed_by": self.quiet.rule if self.quiet else None,
        }


def place(alert: Alert, rules: Rules) -> Match | None:
    """The area of an alert; None for what is not about one. Needs no history."""
    if alert.signal is not Signal.FIRING:
        return None
    return classify(alert, rules.areas, rules.roots)


def judge(
    alert: Alert, match: Match | None, arrival: Arrival, history: History, rules: Rules
) -> Verdict:
    """Decide about one alert, whose area `place` found, and remember it in the history."""
    match alert.signal, match:
        case Signal.FIRING, Match() as found:
            return _fired(alert, found, arrival, history, rules)
        case Signal.MEASURED, _:
            return _measured(alert, alert.measure or Measure(), arrival, history, rules)
        case ((Signal.RESOLVED | Signal.NOTE), _):
            return _noted(alert, history)
        case Signal.TEST, _:
            return Verdict(Outcome.TEST, "a test notification; it arrived, and starts nothing")
    what = f"{alert.resource} {alert.action}".strip()
    return Verdict(Outcome.KEPT, f"no rule knows what to do with {what}; kept to be looked at")


def _noted(alert: Alert, history: History) -> Verdict:
    incident = history.about(alert)
    what = f"{alert.resource} {alert.action}"
    if incident is None:
        return Verdict(Outcome.KEPT, f"{what}, about no incident of ours")
    return Verdict(Outcome.NOTED, f"{what}, noted on the timeline", joins=incident)


def _fired(alert: Alert, match: Match, arrival: Arrival, history: History, rules: Rules) -> Verdict:
    area = rules.areas.root[match.area]
    happened = min(alert.occurred_at or arrival.at, arrival.at)
    verdict = Verdict(Outcome.COUNTED, match.reason, match, happened)
    if area.environments is not None and alert.environment not in area.environments:
        reason = f"only {', '.join(area.environments)} counts for {match.area}"
        return replace(verdict, outcome=Outcome.OTHER_ENVIRONMENT, reason=reason)
    quiet = rules.noise.quiets(
        alert, match.area, area, happened=happened, arrived=arrival.at, snoozes=history.snoozes
    )
    if quiet is not None:
        return replace(verdict, outcome=Outcome.SUPPRESSED, reason=quiet.reason, quiet=quiet)
    incident = history.joinable(match.area, alert)
    if not arrival.replay and history.counted(alert):
        return replace(
            verdict,
            outcome=Outcome.SAME_EVENT,
            reason="this event has been counted already",
            joins=incident.key if incident else None,
        )
    verdict = _counted(verdict, alert, area, arrival, history)
    severity = (verdict.breached and verdict.breached.threshold.severity) or rules.severity_of(
        match.area
    )
    if incident is not None:
        return _joined(verdict, alert, incident, severity, history)
    if verdict.breached is not None or alert.metric is not None:
        return _opened(verdict, alert, severity, arrival, history)
    if alert.first_seen and area.first_seen == "open":
        verdict = replace(verdict, reason=f"an issue seen for the first time; {match.reason}")
        return _opened(verdict, alert, severity, arrival, history)
    if alert.first_seen and area.first_seen == "tell":
        return replace(verdict, outcome=Outcome.FIRST_SEEN)
    return verdict


def _counted(
    verdict: Verdict, alert: Alert, area: Area, arrival: Arrival, history: History
) -> Verdict:
    """Count the alert and read every threshold. What Sentry has measured is not counted."""
    assert verdict.match is not None
    assert verdict.happened is not None
    if alert.metric is not None:
        return replace(verdict, threshold=BY_SENTRY)
    name, environment = verdict.match.area, alert.environment
    family = area.family_of(alert.message, alert.title)
    counters: list[Counter] = [(name, environment)]
    to_read: list[tuple[Counter, Threshold]] = []
    if family is not None:
        counters.append((f"{name}/{family[0]}", environment))
        to_read += [(counters[-1], threshold) for threshold in family[1].thresholds]
    to_read += [((name, environment), threshold) for threshold in area.threshold]
    again = 1 if arrival.replay else 0
    if not arrival.replay:
        history.count(alert, tuple(counters), minute_of(verdict.happened))
    happened, now = minute_of(verdict.happened), minute_of(arrival.at)
    readings = [
        _read(history, counter, threshold, happened, now, again) for counter, threshold in to_read
    ]
    breached = next((reading for reading in readings if reading.breached), None)
    shown = breached or readings[0]
    return replace(
        verdict,
        counters=() if arrival.replay else tuple(counters),
        readings=tuple(readings),
        breached=breached,
        count=shown.count if shown.threshold.failure_rate is None else _alerts_in(readings),
        threshold=shown.threshold.describe() if breached else describe(area.threshold),
    )


def _alerts_in(readings: list[Reading]) -> int:
    """How many alerts there are by the first reading that counts alerts, else 1: this one."""
    counts = (one.count for one in readings if one.threshold.failure_rate is None)
    return next(counts, 1)


def _read(
    history: History,
    counter: Counter,
    threshold: Threshold,
    happened: int,
    now: int,
    again: int = 0,
) -> Reading:
    if threshold.failure_rate is not None:
        failures, attempts = worst(history.outcomes.get(counter, {}), threshold, happened, now)
        return Reading(threshold, failures, attempts or None)
    return Reading(
        threshold, busiest(history.alerts.get(counter, {}), threshold, happened, now) + again
    )


def _joined(
    verdict: Verdict, alert: Alert, incident: OpenIncident, severity: Severity, history: History
) -> Verdict:
    for subject in subjects_of(alert):
        history.subjects[subject] = incident.key
    worsens = verdict.breached is not None and severity.rank > incident.severity.rank
    if worsens:
        incident.severity = severity
    return replace(
        verdict, outcome=Outcome.JOINED, joins=incident.key, severity=severity, worsens=worsens
    )


def _opened(
    verdict: Verdict, alert: Alert, severity: Severity, arrival: Arrival, history: History
) -> Verdict:
    assert verdict.match is not None
    incident = OpenIncident(
        history.new_key(), verdict.match.area, alert.environment, severity, arrival.at
    )
    history.add_open(incident)
    for subject in subjects_of(alert):
        history.subjects[subject] = incident.key
    return replace(verdict, outcome=Outcome.OPENED, opens=incident, severity=severity)


def _measured(
    alert: Alert, measure: Measure, arrival: Arrival, history: History, rules: Rules
) -> Verdict:
    happened = min(alert.occurred_at or arrival.at, arrival.at)
    if measure.objective:
        return _objective(alert, measure, happened, arrival, history, rules)
    if measure.area not in rules.areas.root:
        known = ", ".join(rules.areas.root)
        return Verdict(Outcome.KEPT, f"there is no area {measure.area}; there are: {known}")
    area = rules.areas.root[measure.area]
    counter = measure.area, alert.environment
    minute = minute_of(happened)
    if not arrival.replay:
        history.add_outcome(counter, minute, measure.attempts, measure.failures)
    readings = [
        _read(history, counter, threshold, minute, minute_of(arrival.at))
        for threshold in area.threshold
        if threshold.failure_rate is not None
    ]
    breached = next((reading for reading in readings if reading.breached), None)
    said = f"{measure.failures} of {measure.attempts} failed"
    match = Match(measure.area, "", "outcomes", said)
    verdict = Verdict(
        Outcome.MEASURED,
        said,
        match,
        happened,
        readings=tuple(readings),
        breached=breached,
        threshold=(breached or readings[0]).threshold.describe() if readings else None,
        count=None,
    )
    return _by_figures(verdict, alert, arrival, history, rules)


def _objective(
    alert: Alert,
    measure: Measure,
    happened: datetime,
    arrival: Arrival,
    history: History,
    rules: Rules,
) -> Verdict:
    objective = rules.objectives.get(measure.objective)
    if objective is None:
        known = ", ".join(rules.objectives) or "none"
        return Verdict(
            Outcome.KEPT, f"there is no objective {measure.objective}; there are: {known}"
        )
    said = f"{objective.title}: {objective.describe(measure.value)}"
    match = Match(objective.area, "", "objective", said)
    verdict = Verdict(Outcome.MEASURED, said, match, happened)
    if not objective.alarms(measure.value):
        return verdict
    verdict = replace(verdict, threshold=f"{objective.title} {objective.alarm}")
    return _by_figures(verdict, alert, arrival, history, rules, alarm=True)


def _by_figures(
    verdict: Verdict,
    alert: Alert,
    arrival: Arrival,
    history: History,
    rules: Rules,
    *,
    alarm: bool = False,
) -> Verdict:
    """Open an incident if figures say so. They never join one: it would not be one alert more."""
    assert verdict.match is not None
    if verdict.breached is None and not alarm:
        return verdict
    area = rules.areas.root[verdict.match.area]
    if area.environments is not None and alert.environment not in area.environments:
        reason = f"only {', '.join(area.environments)} counts for {verdict.match.area}"
        return replace(verdict, outcome=Outcome.OTHER_ENVIRONMENT, reason=reason)
    quiet = rules.noise.quiets(
        alert,
        verdict.match.area,
        area,
        happened=verdict.happened or arrival.at,
        arrived=arrival.at,
        snoozes=history.snoozes,
    )
    if quiet is not None:
        return replace(verdict, outcome=Outcome.SUPPRESSED, reason=quiet.reason, quiet=quiet)
    reading = verdict.breached
    severity = (reading and reading.threshold.severity) or rules.severity_of(verdict.match.area)
    incident = history.joinable(verdict.match.area, alert)
    if incident is not None:
        worsens = severity.rank > incident.severity.rank
        if worsens:
            incident.severity = severity
        return replace(verdict, joins=incident.key, severity=severity, worsens=worsens)
    said = reading.describe() if reading else verdict.reason
    verdict = replace(verdict, match=replace(verdict.match, reason=said), reason=said)
    return _opened(verdict, alert, severity, arrival, history)
