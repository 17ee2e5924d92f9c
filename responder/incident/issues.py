"""Which issues of Sentry an incident is about."""

from __future__ import annotations

from sqlmodel import Session, and_, col, func, select

from responder.store.tables import Decision, IncidentSubject

MOST = 5  # of a storm, the newest stand for the rest
_PREFIX = "issue:"


def issues_of(session: Session, incident_id: int) -> list[str]:
    """The ids of the incident's issues, the one last heard of first, at most `MOST`."""
    heard = and_(
        col(Decision.incident_id) == IncidentSubject.incident_id,
        col(Decision.issue_id) == func.substr(IncidentSubject.subject, len(_PREFIX) + 1),
    )
    found = session.exec(
        select(IncidentSubject.subject)
        .join(Decision, heard, isouter=True)
        .where(
            IncidentSubject.incident_id == incident_id,
            col(IncidentSubject.subject).startswith(_PREFIX),
        )
        .group_by(IncidentSubject.subject)
        .order_by(func.max(Decision.delivery_id).desc())
    )
    ids = (subject.removeprefix(_PREFIX) for subject in found)
    return [one for one in ids if is_issue(one)][:MOST]


def is_issue(text: str) -> bool:
    """Whether it can be the id of an issue: digits and nothing else."""
    return text.isascii() and text.isdigit()
