"""What follows from decisions, written in one go: rows, incidents, runs, what chat shows."""

from __future__ import annotations

from collections import Counter as Tally
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, insert, update

from responder.chat import outbox
from responder.classify.areas import Area
from responder.classify.history import Counter, moment_of, subjects_of
from responder.classify.objectives import of_metric
from responder.classify.thresholds import minute_of
from responder.classify.verdict import Outcome, Verdict
from responder.incident import history, records
from responder.playbook.begin import begin, latest, let_act
from responder.playbook.folder import Configuration, Pinned
from responder.playbook.model import Mode
from responder.playbook.run import RunState
from responder.receive.alert import Alert, Signal
from responder.store.tables import Decision, Delivery, Incident, IncidentContext, Measurement

# What came in these ways is not known to be from the source and new, so a person is asked first.
ASK_FIRST = {
    "replay": "the alert is a replay",
    "plugin": "the alert came unsigned, by the legacy plugin",
    "let_in_unverified": "the alert was let in by hand, and nothing proves where it came from",
}
NOT_COUNTED = (Outcome.SUPPRESSED, Outcome.OTHER_ENVIRONMENT)  # figures of an area


@dataclass(frozen=True, slots=True)
class Undecided:
    """A delivery with the decision that is not written yet. `alert` is None if unreadable."""

    delivery: Delivery
    alert: Alert | None
    verdict: Verdict


class Consequences:
    """Collects what decisions of one batch lead to; `finish` writes what can wait till then.

    Args:
        incidents: the open ones that alerts may join, locked, by id.
    """

    def __init__(
        self,
        session: Session,
        configuration: Configuration,
        incidents: dict[int, Incident],
        *,
        now: datetime,
    ) -> None:
        self._session = session
        self._configuration = configuration
        self._incidents = incidents
        self._now = now
        self._ids: dict[int, int] = {}  # of incidents opened here, by their key
        self._decisions: list[dict[str, Any]] = []
        self._measurements: list[dict[str, Any]] = []
        self._counted: Tally[tuple[Counter, int]] = Tally()
        self._outcomes: dict[tuple[Counter, int], tuple[int, int]] = {}
        self._subjects: set[tuple[str, int]] = set()
        self._changed: set[int] = set()
        self._fresh: dict[int, datetime] = {}  # incidents that alerts joined which may act

    def add(self, item: Undecided) -> None:
        """Do what one decision asks for."""
        verdict, alert = item.verdict, item.alert
        incident_id: int | None = None
        if alert is not None:
            incident_id = self._incident(item, alert)
            self._count(verdict, alert, item.delivery)
            self._read_metric(alert, item.delivery)
            if incident_id is not None and verdict.outcome in (Outcome.OPENED, Outcome.JOINED):
                self._subjects |= {(subject, incident_id) for subject in subjects_of(alert)}
        self._decisions.append(_decision(item, incident_id, self._now))

    def finish(self) -> None:
        """Write the rest. The decisions come last: they name incidents."""
        session = self._session
        session.flush()
        for incident_id, happened in self._fresh.items():
            self._go_on(self._incidents[incident_id], happened)
        for incident_id in sorted(self._changed):
            outbox.counted(session, incident_id, now=self._now)
        history.save_counts(session, self._counted)
        history.save_outcomes(session, self._outcomes)
        history.save_subjects(session, self._subjects)
        if self._measurements:
            session.execute(insert(Measurement), self._measurements)
        if self._decisions:
            session.execute(insert(Decision), self._decisions)
            ids = [decision["delivery_id"] for decision in self._decisions]
            session.execute(
                update(Delivery).where(col(Delivery.id).in_(ids)).values(decided_at=self._now)
            )

    def _incident(self, item: Undecided, alert: Alert) -> int | None:
        verdict = item.verdict
        if verdict.opens is not None:
            return self._opened(item, alert)
        if verdict.joins is None:
            if verdict.outcome is Outcome.FIRST_SEEN:
                self._tell(verdict, alert)
            return None
        incident_id = self._ids.get(verdict.joins, verdict.joins)
        incident = self._incidents.get(incident_id)
        if verdict.outcome is Outcome.NOTED:
            self._note(incident_id, alert)
        if incident is None:
            return incident_id
        if verdict.outcome is Outcome.JOINED:
            records.join(
                self._session,
                incident,
                self._opening(verdict, alert),
                replay_of=item.delivery.replay_of,
                now=self._now,
            )
            self._changed.add(incident_id)
            self._freshen(item, incident_id, verdict.happened)
        if verdict.outcome is Outcome.SAME_EVENT:  # which may have come unsigned before
            self._freshen(item, incident_id, incident.opened_at)
        if verdict.worsens and verdict.severity is not None:
            why = verdict.breached.describe() if verdict.breached else verdict.reason
            records.worsen(self._session, incident, verdict.severity, why=why, now=self._now)
            self._changed.add(incident_id)
        return incident_id

    def _freshen(self, item: Undecided, incident_id: int, happened: datetime | None) -> None:
        """Note that an incident's run may act, for what happened then."""
        mode, _ = self._mode(item)
        if mode is Mode.ACT and happened is not None:
            before = self._fresh.get(incident_id, happened)
            self._fresh[incident_id] = max(before, happened)

    def _opened(self, item: Undecided, alert: Alert) -> int:
        verdict = item.verdict
        assert verdict.opens is not None
        incident = records.open_new(self._session, self._opening(verdict, alert), now=self._now)
        incident_id = records.incident_id(incident)
        self._ids[verdict.opens.key] = incident_id
        self._incidents[incident_id] = incident
        self._session.add(
            IncidentContext(incident_id=incident_id, delivery_id=item.delivery.id, due_at=self._now)
        )
        mode, why = self._mode(item)
        self._start(incident, self._configuration.playbook_for(incident.area), mode, why)
        return incident_id

    def _opening(self, verdict: Verdict, alert: Alert) -> records.Opening:
        assert verdict.match is not None
        assert verdict.severity is not None
        match, area = verdict.match, self._area(verdict)
        figures = alert.signal is Signal.MEASURED
        title = "" if figures else alert.title or alert.message
        return records.Opening(
            area=match.area,
            environment=verdict.opens.environment if verdict.opens else alert.environment,
            severity=verdict.severity,
            title=title or (verdict.reason if figures else f"Trouble in {area.title}"),
            culprit=match.path or alert.culprit,
            matched=verdict.reason,
            users=alert.users,
            issue_url=alert.issue_url,
            owner=self._configuration.owners.of(match.path),
            first_alert_at=verdict.happened,
            alerts=0 if figures else 1,
        )

    def _area(self, verdict: Verdict) -> Area:
        assert verdict.match is not None
        return self._configuration.areas.root[verdict.match.area]

    def _mode(self, item: Undecided) -> tuple[Mode, str]:
        """How far an alert lets a playbook go: only a fresh, live one lets it act by itself."""
        if item.delivery.origin in ASK_FIRST:
            return Mode.ASK, ASK_FIRST[item.delivery.origin]
        happened = item.verdict.happened or item.delivery.received_at
        if self._now - happened > self._area(item.verdict).act_within:
            return Mode.ASK, "the alert is too old to act on unasked"
        return Mode.ACT, ""

    def _start(self, incident: Incident, pinned: Pinned | None, mode: Mode, why: str) -> None:
        """Start the area's playbook, as far as it and the alert let it go."""
        incident_id = records.incident_id(incident)
        if pinned is None:
            outbox.card(self._session, incident_id, now=self._now)
            return
        if pinned.playbook.mode is not Mode.ACT:
            mode, why = pinned.playbook.mode, ""
        begin(self._session, incident_id, pinned, mode=mode, why=why, now=self._now)

    def _go_on(self, incident: Incident, happened: datetime) -> None:
        """A fresh alert joined: see to it that what must be contained is.

        A run that asks only because the alert before was stale may act now; and one that is
        done starts over if it contained anything, for the trouble is back.
        """
        pinned = self._configuration.playbook_for(incident.area)
        # Unlocked at first: whoever drives the run locks it before the incident.
        run = latest(self._session, records.incident_id(incident), lock=False)
        if pinned is None or run is None or pinned.playbook.mode is not Mode.ACT:
            return
        if run.state != RunState.SUCCEEDED and run.mode != Mode.ASK:
            return
        self._session.refresh(run, with_for_update=True)
        if run.state == RunState.SUCCEEDED:
            if pinned.playbook.contains and run.finished_at and happened > run.finished_at:
                records.relapse(self._session, incident, now=self._now)
                self._start(incident, pinned, Mode.ACT, "it happened again")
        elif run.mode == Mode.ASK:
            let_act(self._session, run, now=self._now)

    def _note(self, incident_id: int, alert: Alert) -> None:
        what = f"{alert.resource} {alert.action}"
        text = f"Sentry: {what}" + (alert.actor and f" by {alert.actor}")
        records.note(
            self._session,
            incident_id,
            at=self._now,
            actor=records.RESPONDER,
            kind=f"sentry-{alert.signal}",
            text=text,
        )
        self._changed.add(incident_id)

    def _tell(self, verdict: Verdict, alert: Alert) -> None:
        assert verdict.match is not None
        area = self._area(verdict)
        hour = self._now.strftime("%Y-%m-%dT%H")
        link = f" {alert.issue_url}" if alert.issue_url else ""
        outbox.tell(
            self._session,
            f"new:{verdict.match.area}:{hour}",
            f"New in {area.title}, where {area.describe_threshold()} opens an incident:",
            f"• {alert.title or alert.message}{link}",
            now=self._now,
        )

    def _count(self, verdict: Verdict, alert: Alert, delivery: Delivery) -> None:
        if verdict.happened is None:
            return
        minute = minute_of(verdict.happened)
        for counter in verdict.counters:
            self._counted[counter, minute] += 1
        if verdict.moved is not None:
            for counter in verdict.moved.counters:
                self._counted[counter, verdict.moved.minute] -= 1
        measure = alert.measure
        if measure is None or delivery.replay_of is not None:
            return
        if measure.objective:
            self._measured(measure.objective, measure.value, verdict.happened, alert, delivery)
        elif verdict.outcome not in NOT_COUNTED:
            key = (measure.area, alert.environment), minute
            attempts, failures = self._outcomes.get(key, (0, 0))
            self._outcomes[key] = attempts + measure.attempts, failures + measure.failures

    def _read_metric(self, alert: Alert, delivery: Delivery) -> None:
        """Keep what a metric alert says about an objective, whatever was decided about it."""
        if alert.metric is None or delivery.replay_of is not None:
            return
        found = of_metric(alert.metric, self._configuration.objectives)
        if found is not None:
            # Its own times are of when the trouble began; the value is of when it was sent.
            late = delivery.origin != "webhook" and alert.occurred_at
            self._measured(*found, late or delivery.received_at, alert, delivery)

    def _measured(
        self, objective: str, value: float, at: datetime, alert: Alert, delivery: Delivery
    ) -> None:
        self._measurements.append(
            {
                "objective": objective,
                "environment": alert.environment,
                "at": at,
                "value": value,
                "delivery_id": delivery.id,
            }
        )


def _decision(item: Undecided, incident_id: int | None, now: datetime) -> dict[str, Any]:
    verdict, alert = item.verdict, item.alert
    match = verdict.match
    return {
        "delivery_id": item.delivery.id,
        "at": now,
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "area": match.area if match else None,
        "environment": alert.environment if alert else None,
        "path": match.path if match else None,
        "found_in": match.found_in if match else None,
        "title": alert.title if alert else "",
        "happened_at": verdict.happened,
        "event_id": (alert.event_id or None) if alert else None,
        "issue_id": (alert.issue_id or None) if alert else None,
        "moment": (moment_of(alert) or None) if alert else None,
        "count": verdict.count,
        "threshold": verdict.threshold,
        "suppressed_by": verdict.quiet.rule if verdict.quiet else None,
        "explanation": verdict.explain() | {"notes": list(alert.notes) if alert else []},
        "incident_id": incident_id,
    }
