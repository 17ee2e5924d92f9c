"""Post-mortem records in the store. Each function is part of a unit of work."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from responder.incident import records
from responder.postmortem.draft import Facts, Moment
from responder.postmortem.draft import draft as write
from responder.store.tables import Hold, Incident, PostMortem, SwitchRecord


def draft(session: Session, incident: Incident, *, now: datetime) -> PostMortem:
    """Draft the record of an incident that was just resolved."""
    incident_id = records.incident_id(incident)
    record = PostMortem(
        incident_id=incident_id,
        title=incident.title,
        state="draft",
        body=write(_facts(session, incident)),
        created_at=now,
        updated_at=now,
    )
    session.add(record)
    records.note(
        session,
        incident_id,
        at=now,
        actor=records.RESPONDER,
        kind="post-mortem",
        text="Post-mortem drafted from this timeline",
    )
    return record


def _facts(session: Session, incident: Incident) -> Facts:
    incident_id = records.incident_id(incident)
    assert incident.resolved_at is not None
    holds = session.exec(
        select(Hold, SwitchRecord)
        .join(SwitchRecord, col(SwitchRecord.name) == col(Hold.switch), isouter=True)
        .where(Hold.incident_id == incident_id)
        .order_by(col(Hold.since))
    )
    return Facts(
        incident_id=incident_id,
        title=incident.title,
        area=incident.area,
        severity=incident.severity,
        environment=incident.environment,
        culprit=incident.culprit,
        matched=incident.matched,
        alerts=incident.alerts,
        users=incident.users,
        issue_url=incident.issue_url,
        first_alert_at=incident.first_alert_at,
        opened_at=incident.opened_at,
        acknowledged_at=incident.acknowledged_at,
        acknowledged_by=incident.acknowledged_by,
        mitigated_at=incident.mitigated_at,
        resolved_at=incident.resolved_at,
        resolved_by=incident.resolved_by or "",
        paused=[
            (hold.switch, hold.since, hold.released_at, record.refused if record else None)
            for hold, record in holds
        ],
        timeline=[
            Moment(entry.at, entry.actor, entry.text)
            for entry in records.timeline(session, incident_id)
        ],
    )
