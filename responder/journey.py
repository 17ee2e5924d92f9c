"""A delivery's journey: from the stored webhook to its one recorded decision.

Out of the request, in the order of arrival: the delivery is normalised to an alert, classified
to an area, counted against its threshold, and when that is breached it opens an incident,
whose playbook starts to run. All of it is one transaction, so a crash leaves the delivery
either undecided, to be taken up again, or decided with everything that follows from it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import Session, col, select

from responder import faults
from responder.chat import outbox
from responder.classify.areas import Area, Match, classify
from responder.classify.thresholds import breached
from responder.incident import counts, records
from responder.playbook.begin import begin, latest, let_act
from responder.playbook.folder import Configuration, Pinned
from responder.playbook.model import Mode
from responder.playbook.run import RunState
from responder.receive.alert import Alert, Signal
from responder.receive.source import NotUnderstood, Source, json_object
from responder.store.database import Store, alone
from responder.store.tables import Decision, Delivery, Incident

log = structlog.get_logger()

BATCH = 20  # small, for webhooks wait behind it where there is one writer
MOST_OPEN = 5  # open incidents of one area before new environments join the first
SAFETY_NET = 1.0  # seconds between looks when nobody woke us


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision before it is a row."""

    outcome: str
    reason: str
    match: Match | None = None
    count: int | None = None
    threshold: str | None = None
    incident_id: int | None = None


class Journey:
    """Decides every delivery, exactly once.

    Args:
        configuration: gives the configuration in force.
        decided: called after each commit, to wake runs and chat.
    """

    def __init__(
        self,
        store: Store,
        sources: Mapping[str, Source],
        configuration: Callable[[], Configuration],
        *,
        now: Callable[[], datetime],
        decided: Callable[[], None],
    ) -> None:
        self._store = store
        self._sources = sources
        self._configuration = configuration
        self._now = now
        self._decided = decided
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look at once; a delivery was stored."""
        self._woken.set()

    async def run(self) -> None:
        """Decide for ever."""
        while True:
            self._woken.clear()
            try:
                decided = BATCH
                while decided == BATCH:
                    decided = await self._store.write(self._batch)
                    if decided:
                        faults.point("delivery.decided")
                        self._decided()
            except Exception:
                log.exception("journey.failed")  # nothing was decided; looked at again below
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAFETY_NET):
                    await self._woken.wait()

    def _batch(self, session: Session) -> int:
        if not alone(session, "journey"):
            return 0  # another replica is at it; two at once would only get in each other's way
        deliveries = session.exec(
            select(Delivery)
            .where(col(Delivery.decided_at).is_(None))
            .order_by(col(Delivery.id))
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        ).all()
        configuration = self._configuration()
        for delivery in deliveries:
            self._decide(session, delivery, configuration)
        return len(deliveries)

    def _decide(self, session: Session, delivery: Delivery, configuration: Configuration) -> None:
        now = self._now()
        try:
            try:
                self._write(session, delivery, configuration, now)
            except IntegrityError:  # another replica was quicker: look again, with what it wrote
                self._write(session, delivery, configuration, now)
        except OperationalError:
            raise  # the database has trouble, not the delivery; all are looked at again
        except Exception as error:
            log.exception("journey.broke", delivery=delivery.id)
            # The alert may be what can't be stored, so nothing of it is in this row.
            reason = _printable(f"{type(error).__name__}: {error}")[:500]
            session.add(_decision(delivery, Verdict("failed", reason), None, now))
        delivery.decided_at = now
        session.add(delivery)
        session.flush()

    def _write(
        self, session: Session, delivery: Delivery, configuration: Configuration, now: datetime
    ) -> None:
        """Write the decision and what follows from it: all of it, or nothing."""
        with session.begin_nested():  # one delivery that breaks us must not keep the others
            alert: Alert | None = None
            try:
                alert = self._alert(delivery)
                verdict = decide(session, delivery, alert, configuration, now=now)
            except NotUnderstood as error:
                verdict = Verdict("not_understood", str(error))
            session.add(_decision(delivery, verdict, alert, now))

    def _alert(self, delivery: Delivery) -> Alert:
        source = self._sources[delivery.source]
        return source.normalise(delivery.resource, json_object(delivery.body))


def _decision(delivery: Delivery, verdict: Verdict, alert: Alert | None, now: datetime) -> Decision:
    assert delivery.id is not None
    match = verdict.match
    return Decision(
        delivery_id=delivery.id,
        at=now,
        outcome=verdict.outcome,
        reason=verdict.reason,
        area=match.area if match else None,
        environment=alert.environment if alert else None,
        path=match.path if match else None,
        found_in=match.found_in if match else None,
        title=alert.title if alert else "",
        event_id=(alert.event_id or None) if alert else None,
        issue_id=(alert.issue_id or None) if alert else None,
        count=verdict.count,
        threshold=verdict.threshold,
        incident_id=verdict.incident_id,
    )


def _printable(text: str) -> str:
    """Without what a database would refuse to store."""
    return "".join(mark if mark.isprintable() else " " for mark in text)


def decide(
    session: Session,
    delivery: Delivery,
    alert: Alert,
    configuration: Configuration,
    *,
    now: datetime,
) -> Verdict:
    """What one alert means, with everything that follows from it written in the session."""
    match alert.signal:
        case Signal.TEST:
            return Verdict("test", "a test notification; it arrived, and starts nothing")
        case Signal.UNKNOWN:
            what = f"{alert.resource} {alert.action}".strip()
            return Verdict("kept", f"no rule knows what to do with {what}; kept to be looked at")
        case Signal.RESOLVED | Signal.NOTE:
            return _noted(session, alert, now=now)
        case Signal.FIRING:
            return _fired(session, delivery, alert, configuration, now=now)


def _noted(session: Session, alert: Alert, *, now: datetime) -> Verdict:
    incident_id = _incident_of_issue(session, alert)
    what = f"{alert.resource} {alert.action}"
    if incident_id is None:
        return Verdict("kept", f"{what}, about no incident of ours")
    text = f"Sentry: {what}" + (alert.actor and f" by {alert.actor}")
    records.note(session, incident_id, at=now, actor=records.RESPONDER, kind="sentry", text=text)
    return Verdict("noted", f"{what}, noted on the timeline", incident_id=incident_id)


def _incident_of_issue(session: Session, alert: Alert) -> int | None:
    if not alert.issue_id:
        return None
    return session.exec(
        select(Decision.incident_id)
        .where(Decision.issue_id == alert.issue_id, col(Decision.incident_id).is_not(None))
        .order_by(col(Decision.delivery_id).desc())
    ).first()


def _fired(
    session: Session,
    delivery: Delivery,
    alert: Alert,
    configuration: Configuration,
    *,
    now: datetime,
) -> Verdict:
    match = classify(alert, configuration.areas)
    area = configuration.areas.root[match.area]
    if area.environments is not None and alert.environment not in area.environments:
        named = ", ".join(area.environments)
        return Verdict("other_environment", f"only {named} counts for {match.area}", match)
    incident = _joinable(session, match.area, alert)
    if delivery.replay_of is None and _seen(session, alert):
        # One event may come through two alert rules, or as error and event_alert: count it once.
        joined = records.incident_id(incident) if incident else None
        return Verdict(
            "same_event", "this event has been counted already", match, incident_id=joined
        )
    happened = min(alert.occurred_at or delivery.received_at, now)
    count = counts.add(session, match.area, alert.environment, happened, area.threshold, now=now)
    verdict = Verdict("counted", match.reason, match, count, area.threshold.describe())
    measured = alert.metric is not None  # Sentry evaluated a threshold of its own
    if incident is None and not measured and not breached(area.threshold, count):
        return verdict
    opening = _opening(alert, match, area, configuration)
    mode, why = _mode(delivery, area, happened, now=now)
    pinned = configuration.playbook_for(match.area)
    if incident is None:
        incident = records.open_new(session, opening, now=now)
        outcome = "opened"
        _start(session, incident, pinned, mode, why, now=now)
    else:
        records.join(session, incident, opening, now=now)
        outcome = "joined"
        if mode is Mode.ACT and pinned is not None:
            _go_on(session, incident, pinned, happened, now=now)
        outbox.refresh(session, records.incident_id(incident))
    return replace(verdict, outcome=outcome, incident_id=records.incident_id(incident))


def _joinable(session: Session, area: str, alert: Alert) -> Incident | None:
    """The open incident that this alert belongs to.

    One of its environment; or the one its issue is in, for some of Sentry's resources carry no
    environment; or, once an area has many open, the first, for whoever writes events names the
    environment, and a hundred incidents of one trouble help nobody.
    """
    open_ = records.open_of_area(session, area)
    for incident in open_:
        if incident.environment == alert.environment:
            return incident
    of_issue = _incident_of_issue(session, alert) if open_ else None
    for incident in open_:
        if incident.id == of_issue:
            return incident
    if open_ and (not alert.environment or len(open_) >= MOST_OPEN):
        return open_[0]
    return None


def _seen(session: Session, alert: Alert) -> bool:
    if not alert.event_id:
        return False
    return (
        session.exec(
            select(Decision.delivery_id).where(
                Decision.event_id == alert.event_id, col(Decision.count).is_not(None)
            )
        ).first()
        is not None
    )


def _opening(
    alert: Alert, match: Match, area: Area, configuration: Configuration
) -> records.Opening:
    pinned = configuration.playbook_for(match.area)
    severity = (pinned.playbook.severity if pinned else None) or area.severity
    return records.Opening(
        area=match.area,
        environment=alert.environment,
        severity=severity,
        title=alert.title or alert.message or f"Trouble in {area.title}",
        culprit=match.path or alert.culprit,
        matched=match.reason,
        users=alert.users,
        issue_url=alert.issue_url,
        first_alert_at=alert.occurred_at,
    )


def _mode(delivery: Delivery, area: Area, happened: datetime, *, now: datetime) -> tuple[Mode, str]:
    """How far this alert lets a playbook go: only a fresh, live one lets it act by itself."""
    if delivery.replay_of is not None:
        return Mode.ASK, "the alert is a replay"
    if now - happened > area.act_within:
        return Mode.ASK, "the alert is too old to act on unasked"
    return Mode.ACT, ""


def _start(
    session: Session,
    incident: Incident,
    pinned: Pinned | None,
    mode: Mode,
    why: str,
    *,
    now: datetime,
) -> None:
    """Start the area's playbook, as far as it and the alert let it go."""
    incident_id = records.incident_id(incident)
    if pinned is None:
        outbox.card(session, incident_id, now=now)
        return
    if pinned.playbook.mode is not Mode.ACT:
        mode, why = pinned.playbook.mode, ""
    begin(session, incident_id, pinned, mode=mode, why=why, now=now)


def _go_on(
    session: Session, incident: Incident, pinned: Pinned, happened: datetime, *, now: datetime
) -> None:
    """A fresh alert joined: see to it that what must be contained is.

    A run that asks only because the alert before was stale may act now; and one that is done
    starts over if it contained anything, for the trouble is back.
    """
    run = latest(session, records.incident_id(incident))
    if run is None or pinned.playbook.mode is not Mode.ACT:
        return
    if run.state == RunState.SUCCEEDED:
        if pinned.playbook.contains and run.finished_at and happened > run.finished_at:
            records.relapse(session, incident, now=now)
            _start(session, incident, pinned, Mode.ACT, "it happened again", now=now)
    elif run.mode == Mode.ASK:
        let_act(session, run, now=now)
