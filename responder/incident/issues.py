"""Which issues of Sentry an incident is about."""

from __future__ import annotations

from sqlmodel import Session, col, func, select

from responder.store.tables import Decision

MOST = 5  # of a storm, the newest stand for the rest


def issues_of(session: Session, incident_id: int) -> list[str]:
    """The ids of the incident's issues, the one last heard of first, at most `MOST`."""
    found = session.exec(
        select(Decision.issue_id)
        .where(Decision.incident_id == incident_id, col(Decision.issue_id).is_not(None))
        .group_by(col(Decision.issue_id))
        .order_by(func.max(Decision.delivery_id).desc())
    )
    numbers = [one for one in found if one and one.isascii() and one.isdigit()]
    return numbers[:MOST]
