"""What one delivery means: the decision, with everything that leads to it. Pure.

`judge` takes what has happened so far and adds to it, so that the service, `simulate` and a
backtest decide alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from responder.classify.areas import Area, Areas
from responder.classify.history import Counted, Counter, History, OpenIncident, moment_of
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

    `counters` are what it was counted in, `moved` what the same event counts in no longer.
    `opens` is the incident it opens; `joins` the key of the one it joins, or is about.
    """

    outcome: Outcome
    reason: str
    match: Match | None = None
    happened: datetime | None = None
    counters: tuple[Counter, ...] = ()
    moved: Counted | None = None
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
            "counted_in": [list(counter) for counter in self.counters],
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
    known = history.known(alert)
    if known is not None and known.event_id and not alert.event_id:
        alert, match = _as_its_event(alert, match, known, rules)
    area = rules.areas.root[match.area]
    happened = min(alert.occurred_at or arrival.at, arrival.at)
    verdict = Verdict(Outcome.COUNTED, match.reason, match, happened)
    kept_out = _kept_out(verdict, alert, area, arrival, history, rules)
    if kept_out is not None:
        return kept_out
    incident = history.joinable(match.area, alert)
    counters, to_read = _counters(alert, match.area, area)
    if known is not None and not arrival.replay:
        if not _says_more(alert, known, counters, history, rules):
            history.remember(alert.event_id, moment_of(alert), (), minute_of(happened))
            return _same_event(verdict, alert, area, incident, arrival, history, rules)
        if history.unsettled(known):
            history.take_back(known)
            verdict = replace(verdict, moved=known)
    usual = rules.severity_of(match.area)
    if alert.metric is not None:  # what Sentry has measured is not counted
        verdict = replace(verdict, threshold=BY_SENTRY)
    else:
        if not arrival.replay:
            history.count(alert, counters, minute_of(happened))
            verdict = replace(verdict, counters=counters)
        # Of a replay that was never counted the readings tell what it would make of them.
        extra = 1 if arrival.replay and known is None else 0
        readings = _readings(history, to_read, happened, arrival, extra)
        verdict = _judged(verdict, readings, area, usual)
    severity = (verdict.breached and verdict.breached.threshold.severity) or usual
    if incident is not None:
        again = known is not None and not arrival.replay and history.is_about(incident, alert)
        return _joined(verdict, alert, incident, severity, history, again=again)
    if verdict.breached is not None or alert.metric is not None:
        return _opened(verdict, alert, severity, arrival, history)
    return _first_seen(verdict, alert, area, arrival, history, rules)


def _as_its_event(alert: Alert, match: Match, known: Counted, rules: Rules) -> tuple[Alert, Match]:
    """An issue placed where its event was, which told more: it had a stack and an environment."""
    if match.area != known.area and known.area in rules.areas.root:
        reason = f"the event of this issue is about {known.area}; by itself: {match.reason}"
        match = replace(match, area=known.area, path="", reason=reason)
    return replace(alert, environment=alert.environment or known.environment), match


def _says_more(
    alert: Alert, known: Counted, counters: tuple[Counter, ...], history: History, rules: Rules
) -> bool:
    """Whether an event that was counted belongs elsewhere than it was put.

    One known by its issue so far does, where its stack or environment says so; but where that
    is settled with an incident, only another area is news. One that came itself was read well,
    unless it is told now with what makes it worse: nothing must hide that.
    """
    if not alert.event_id or counters == known.counters:
        return False
    area = counters[0][0]
    if known.event_id:
        was = rules.areas.root.get(known.area)
        return was is None or rules.areas.root[area].severity.rank > was.severity.rank
    return area != known.area or history.unsettled(known)


def _same_event(
    verdict: Verdict,
    alert: Alert,
    area: Area,
    incident: OpenIncident | None,
    arrival: Arrival,
    history: History,
    rules: Rules,
) -> Verdict:
    """It counts no more; but that its issue is new may be heard only now."""
    if incident is None and history.about(alert) is None:
        verdict = _first_seen(verdict, alert, area, arrival, history, rules)
        if verdict.outcome is not Outcome.COUNTED:
            return verdict
    return replace(
        verdict,
        outcome=Outcome.SAME_EVENT,
        reason="this event has been counted already",
        joins=incident.key if incident else None,
    )


def _first_seen(
    verdict: Verdict, alert: Alert, area: Area, arrival: Arrival, history: History, rules: Rules
) -> Verdict:
    """What is to be done about an issue nobody has seen before, if that is what it is."""
    assert verdict.match is not None
    usual = rules.severity_of(verdict.match.area)
    if alert.first_seen and area.first_seen == "open":
        verdict = replace(verdict, reason=f"an issue seen for the first time; {verdict.reason}")
        return _opened(verdict, alert, usual, arrival, history)
    if alert.first_seen and area.first_seen == "tell":
        return replace(verdict, outcome=Outcome.FIRST_SEEN)
    return verdict


def _kept_out(
    verdict: Verdict, alert: Alert, area: Area, arrival: Arrival, history: History, rules: Rules
) -> Verdict | None:
    """The decision, if the environment does not count or a rule about noise fits."""
    assert verdict.match is not None
    name = verdict.match.area
    if area.environments is not None and alert.environment not in area.environments:
        reason = f"only {', '.join(area.environments)} counts for {name}"
        return replace(verdict, outcome=Outcome.OTHER_ENVIRONMENT, reason=reason)
    quiet = rules.noise.quiets(
        alert,
        name,
        critical=_is_critical(alert, name, area, rules),
        happened=verdict.happened or arrival.at,
        arrived=arrival.at,
        snoozes=history.snoozes,
    )
    if quiet is None:
        return None
    return replace(verdict, outcome=Outcome.SUPPRESSED, reason=quiet.reason, quiet=quiet)


def _is_critical(alert: Alert, name: str, area: Area, rules: Rules) -> bool:
    """Whether noise must spare it: by its area, the playbook that answers, or its family."""
    family = area.family_of(alert.message, alert.title)
    severities = (area.severity, rules.severity_of(name), family[1].severity if family else None)
    return Severity.CRITICAL in severities


def _counters(
    alert: Alert, name: str, area: Area
) -> tuple[tuple[Counter, ...], list[tuple[Counter, Threshold]]]:
    """What an alert counts in, and the thresholds that are read, each with its counter."""
    counters: tuple[Counter, ...] = ((name, alert.environment),)
    to_read = [(counters[0], threshold) for threshold in area.threshold]
    family = area.family_of(alert.message, alert.title)
    if family is not None:
        counters += ((f"{name}/{family[0]}", alert.environment),)
        to_read = [(counters[1], threshold) for threshold in family[1].thresholds] + to_read
    return counters, to_read


def _readings(
    history: History,
    to_read: Sequence[tuple[Counter, Threshold]],
    happened: datetime,
    arrival: Arrival,
    extra: int = 0,
) -> tuple[Reading, ...]:
    minute, now = minute_of(happened), minute_of(arrival.at)
    return tuple(
        _read(history, counter, threshold, minute, now, extra) for counter, threshold in to_read
    )


def _judged(
    verdict: Verdict, readings: tuple[Reading, ...], area: Area, usual: Severity
) -> Verdict:
    """The verdict with what was read: the most severe breach, or else what is nearest to one."""
    breached = _most_severe(readings, usual)
    shown = breached or max(readings, key=lambda reading: reading.nearness)
    of_area = breached is None and shown.threshold in area.threshold
    counts = [one.count for one in readings if one.threshold.failure_rate is None]
    return replace(
        verdict,
        readings=readings,
        breached=breached,
        count=shown.count if shown.threshold.failure_rate is None else max(counts, default=1),
        threshold=describe(area.threshold) if of_area else shown.threshold.describe(),
    )


def _most_severe(readings: Sequence[Reading], usual: Severity) -> Reading | None:
    """Of the breaches the most severe, the first among equals."""
    breaches = [reading for reading in readings if reading.breached]
    return max(
        breaches, key=lambda reading: (reading.threshold.severity or usual).rank, default=None
    )


def _read(
    history: History, counter: Counter, threshold: Threshold, happened: int, now: int, extra: int
) -> Reading:
    if threshold.failure_rate is not None:
        failures, attempts = worst(history.outcomes.get(counter, {}), threshold, happened, now)
        return Reading(threshold, failures, attempts or None)
    counts = history.alerts.get(counter, {})
    return Reading(threshold, busiest(counts, threshold, happened, now) + extra)


def _joined(
    verdict: Verdict,
    alert: Alert,
    incident: OpenIncident,
    severity: Severity,
    history: History,
    *,
    again: bool,
) -> Verdict:
    """Join an open incident. An event that is in it `again` is not one alert more."""
    history.add_subjects(incident, alert)
    if verdict.count is not None:  # else nothing of it was counted, nor has to be settled
        incident.joined.add(alert.environment)
    verdict = _worsening(verdict, incident, severity, breach=verdict.breached is not None)
    if again:
        reason = "this event is in the incident already"
        return replace(verdict, outcome=Outcome.SAME_EVENT, reason=reason)
    return replace(verdict, outcome=Outcome.JOINED)


def _worsening(
    verdict: Verdict, incident: OpenIncident, severity: Severity, *, breach: bool
) -> Verdict:
    """About an open incident, whose severity a breach raises to its own if that is worse."""
    worsens = breach and severity.rank > incident.severity.rank
    if worsens:
        incident.severity = severity
    return replace(verdict, joins=incident.key, severity=severity, worsens=worsens)


def _opened(
    verdict: Verdict, alert: Alert, severity: Severity, arrival: Arrival, history: History
) -> Verdict:
    assert verdict.match is not None
    incident = OpenIncident(
        history.new_key(), verdict.match.area, alert.environment, severity, arrival.at
    )
    history.add_open(incident)
    history.add_subjects(incident, alert)
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
    said = f"{measure.failures} of {measure.attempts} failed"
    match = Match(measure.area, "", "outcomes", said)
    verdict = Verdict(Outcome.MEASURED, said, match, happened)
    kept_out = _kept_out(verdict, alert, area, arrival, history, rules)
    if kept_out is not None:
        return kept_out
    counter = measure.area, alert.environment
    if not arrival.replay:
        history.add_outcome(counter, minute_of(happened), measure.attempts, measure.failures)
    rates = [(counter, one) for one in area.threshold if one.failure_rate is not None]
    readings = _readings(history, rates, happened, arrival)
    breached = _most_severe(readings, rules.severity_of(measure.area))
    shown = breached or next(iter(readings), None)
    verdict = replace(
        verdict,
        readings=readings,
        breached=breached,
        threshold=shown.threshold.describe() if shown else None,
    )
    return verdict if breached is None else _by_figures(verdict, alert, arrival, history, rules)


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
    area = rules.areas.root[objective.area]
    kept_out = _kept_out(verdict, alert, area, arrival, history, rules)
    return kept_out or _by_figures(verdict, alert, arrival, history, rules)


def _by_figures(
    verdict: Verdict, alert: Alert, arrival: Arrival, history: History, rules: Rules
) -> Verdict:
    """Open an incident, as figures say. They never join one: it would not be one alert more."""
    assert verdict.match is not None
    reading = verdict.breached
    severity = (reading and reading.threshold.severity) or rules.severity_of(verdict.match.area)
    incident = history.joinable(verdict.match.area, alert)
    if incident is not None:
        return _worsening(verdict, incident, severity, breach=True)
    said = reading.describe() if reading else verdict.reason
    verdict = replace(verdict, match=replace(verdict.match, reason=said), reason=said)
    return _opened(verdict, alert, severity, arrival, history)
