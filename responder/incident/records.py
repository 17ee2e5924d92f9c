"""Incidents and their timelines in the store. Each function is part of a unit of work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, func, select

from responder.incident import history
from responder.incident.lifecycle import IncidentState, NotAllowed, may_follow
from responder.incident.times import duration
from responder.store.tables import Hold, Incident, TimelineEntry

RESPONDER = "responder"  # the actor of what we do ourselves
SENTRY_RESOLVED, WATCH, GOES_ON = "sentry-resolved", "watch", "goes-on"  # kinds of entries
SAMPLED_AFTER = 10  # alerts noted one by one before only every tenth power is


@dataclass(frozen=True, slots=True)
class Opening:
    """What an incident is opened with."""

    area: str
    environment: str
    severity: str
    title: str
    culprit: str
    matched: str
    users: int | None
    issue_url: str
    owner: str
    first_alert_at: datetime | None
    alerts: int = 1  # none where figures opened it


def note(
    session: Session,
    incident_id: int,
    *,
    at: datetime,
    actor: str,
    kind: str,
    text: str,
    evidence: dict[str, Any] | None = None,
) -> None:
    """Append to the incident's timeline."""
    session.add(
        TimelineEntry(
            incident_id=incident_id, at=at, actor=actor, kind=kind, text=text, evidence=evidence
        )
    )


def _tell(
    session: Session, incident: Incident, now: datetime, actor: str, kind: str, text: str
) -> None:
    note(session, incident_id(incident), at=now, actor=actor, kind=kind, text=text)


def find(session: Session, incident_id: int) -> Incident:
    """The incident, locked against other writers until the unit of work ends.

    Raises:
        LookupError: there is none of that id.
    """
    incident = session.exec(
        select(Incident).where(Incident.id == incident_id).with_for_update()
    ).first()
    if incident is None:
        raise LookupError(f"there is no incident {incident_id}")
    return incident


def open_new(session: Session, opening: Opening, *, now: datetime) -> Incident:
    """Open an incident. The database itself refuses a second one of the same environment."""
    incident = Incident(
        open_key=f"{opening.area}/{opening.environment}",
        area=opening.area,
        environment=opening.environment,
        severity=opening.severity,
        state=IncidentState.OPEN,
        title=opening.title,
        culprit=opening.culprit,
        matched=opening.matched,
        alerts=opening.alerts,
        users=opening.users,
        issue_url=opening.issue_url,
        owner=opening.owner,
        opened_at=now,
        first_alert_at=opening.first_alert_at,
    )
    session.add(incident)
    session.flush()
    _tell(session, incident, now, RESPONDER, "opened", f"Opened: {opening.matched}")
    return incident


def join(
    session: Session,
    incident: Incident,
    opening: Opening,
    *,
    replay_of: int | None = None,
    now: datetime,
) -> None:
    """Count one more alert to an open incident; a replay is only noted."""
    if replay_of is not None:
        text = f"Delivery {replay_of} replayed: {opening.title} ({opening.matched})"
        _tell(session, incident, now, RESPONDER, "replayed", text)
        return
    incident.alerts += 1
    if opening.users is not None:
        incident.users = max(incident.users or 0, opening.users)
    calm, happened = incident.calm_since, opening.first_alert_at
    if calm is not None and (happened is None or happened > calm):  # not one that comes late
        text = f"It goes on, after {duration(now - calm)} of quiet"
        watched(session, incident, calm_since=None, text=text, now=now)
    session.add(incident)
    if _worth_a_line(incident.alerts):
        where = ""
        if opening.environment != incident.environment:
            where = f" in {opening.environment or 'no environment named'}"
        _tell(
            session,
            incident,
            now,
            RESPONDER,
            "alert",
            f"Alert {incident.alerts}{where}: {opening.title} ({opening.matched})",
        )


def worsen(session: Session, incident: Incident, severity: str, *, why: str, now: datetime) -> None:
    """It is worse than it was taken for."""
    was, incident.severity = incident.severity, severity
    session.add(incident)
    _tell(
        session,
        incident,
        now,
        RESPONDER,
        "worsened",
        f"Severity raised from {was} to {severity}: {why}",
    )


def watched(
    session: Session, incident: Incident, *, calm_since: datetime | None, text: str, now: datetime
) -> None:
    """It has gone down, or goes on after all. That is told, and changes nothing else."""
    incident.calm_since = calm_since
    session.add(incident)
    _tell(session, incident, now, RESPONDER, WATCH if calm_since else GOES_ON, text)


def relapse(session: Session, incident: Incident, *, now: datetime) -> None:
    """What was thought to be over goes on."""
    incident.state = IncidentState.ACKNOWLEDGED if incident.acknowledged_at else IncidentState.OPEN
    incident.mitigated_at = None
    session.add(incident)
    _tell(
        session,
        incident,
        now,
        RESPONDER,
        "relapsed",
        "It happened again after every step was done: the playbook starts once more",
    )


def _worth_a_line(alerts: int) -> bool:
    """The first few alerts, then the 100th, 1,000th and so on: a storm is not a timeline."""
    if alerts <= SAMPLED_AFTER:
        return True
    while alerts % 10 == 0:
        alerts //= 10
    return alerts == 1


def acknowledge(session: Session, incident: Incident, *, by: str, now: datetime) -> bool:
    """Record who took the incident on. The first one counts; a second changes nothing.

    Returns:
        Whether this was the first.

    Raises:
        NotAllowed: the incident is resolved.
    """
    if incident.state == IncidentState.RESOLVED:
        raise NotAllowed("this incident is resolved already")
    if incident.acknowledged_at is not None:
        return False
    incident.acknowledged_at = now
    incident.acknowledged_by = by
    if incident.state == IncidentState.OPEN:
        incident.state = IncidentState.ACKNOWLEDGED
    session.add(incident)
    took = duration(now - incident.opened_at)
    _tell(session, incident, now, by, "acknowledged", f"Acknowledged after {took}")
    return True


def escalate(session: Session, incident: Incident, *, by: str, text: str, now: datetime) -> None:
    """Raise the incident one level, telling why or to whom.

    Raises:
        NotAllowed: the incident is resolved.
    """
    if incident.state == IncidentState.RESOLVED:
        raise NotAllowed("this incident is resolved already")
    incident.escalation_level += 1
    session.add(incident)
    _tell(session, incident, now, by, "escalated", text)


def mitigate(session: Session, incident: Incident, *, text: str, now: datetime) -> None:
    """Record that the harm is over, if nobody has recorded more than that."""
    if not may_follow(IncidentState(incident.state), IncidentState.MITIGATED):
        return
    incident.state = IncidentState.MITIGATED
    incident.mitigated_at = now
    session.add(incident)
    _tell(session, incident, now, RESPONDER, "mitigated", text)


def resolve(session: Session, incident: Incident, *, by: str, now: datetime) -> None:
    """Close the incident. Check with lifecycle.check_resolve first.

    What it counted is settled: the next incident of its area begins from nothing.
    """
    incident.state = IncidentState.RESOLVED
    incident.resolved_at = now
    incident.resolved_by = by
    incident.open_key = None
    session.add(incident)
    history.settle(session, incident)
    took = duration(now - incident.opened_at)
    _tell(session, incident, now, by, "resolved", f"Resolved after {took}")


def standing_holds(session: Session, incident_id: int) -> list[str]:
    """The switches this incident keeps paused."""
    rows = session.exec(
        select(Hold.switch)
        .where(Hold.incident_id == incident_id, col(Hold.released_at).is_(None))
        .distinct()
    )
    return sorted(rows)


def timeline(session: Session, incident_id: int) -> list[TimelineEntry]:
    """The whole timeline, oldest first."""
    return list(
        session.exec(
            select(TimelineEntry)
            .where(TimelineEntry.incident_id == incident_id)
            .order_by(col(TimelineEntry.at), col(TimelineEntry.id))
        )
    )


def count_open(session: Session) -> int:
    """How many incidents are not resolved."""
    return session.exec(
        select(func.count()).select_from(Incident).where(col(Incident.open_key).is_not(None))
    ).one()


def incident_id(incident: Incident) -> int:
    """The id of a stored incident."""
    assert incident.id is not None
    return incident.id
