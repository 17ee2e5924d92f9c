"""What is known around an incident, as the API answers it and its page shows it."""

from __future__ import annotations

from sqlmodel import Session, and_, col, or_, select

from responder.incident.context import EventFacts, SentryFacts
from responder.incident.lifecycle import IncidentState
from responder.postmortem.follow_ups import unfinished
from responder.store.tables import Incident, IncidentContext, IncidentSubject, PostMortem
from responder.web import schema

SIMILAR = 5


def context(session: Session, incident: Incident) -> schema.IncidentContext:
    """The incident's context. Of incidents from before it was kept, only similar ones."""
    row = session.get(IncidentContext, incident.id) or IncidentContext(incident_id=0)
    return schema.IncidentContext(
        delivery=row.delivery_id,
        event=EventFacts.model_validate(row.event) if row.event else None,
        sentry=SentryFacts.model_validate(row.sentry) if row.sentry else None,
        fetched_at=row.fetched_at,
        trouble=row.error,
        similar=similar(session, incident),
    )


def similar(session: Session, incident: Incident) -> list[schema.SimilarIncident]:
    """Earlier incidents of the area that are resolved and had the same issue or place.

    They are looked up whenever they are shown, so that they tell what is still to be done.
    """
    about = select(IncidentSubject.subject).where(IncidentSubject.incident_id == incident.id)
    same = select(IncidentSubject.incident_id).where(col(IncidentSubject.subject).in_(about))
    rows = session.exec(
        select(Incident, PostMortem)
        .join(PostMortem, col(PostMortem.incident_id) == col(Incident.id), isouter=True)
        .where(
            Incident.area == incident.area,
            Incident.state == IncidentState.RESOLVED,
            col(Incident.id) < incident.id,
            or_(
                col(Incident.id).in_(same),
                and_(Incident.culprit == incident.culprit, Incident.culprit != ""),
            ),
        )
        .order_by(col(Incident.id).desc())
        .limit(SIMILAR)
    )
    return [_line(past, record) for past, record in rows]


def _line(incident: Incident, record: PostMortem | None) -> schema.SimilarIncident:
    assert incident.id is not None
    return schema.SimilarIncident(
        id=incident.id,
        title=incident.title,
        severity=incident.severity,
        opened_at=incident.opened_at,
        resolved_at=incident.resolved_at,
        post_mortem=record.id if record else None,
        post_mortem_title=record.title if record else None,
        follow_ups=unfinished(record.body) if record else [],
    )
