"""What the quarantine shows: the same for the API and the pages."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, col, select

from responder.receive.quarantine import SIGNATURES, preview, verifies
from responder.receive.source import Source
from responder.store.tables import Refusal
from responder.web import schema

PAGE = 20  # for each comes with its body, to be verified and read


def refusals(
    session: Session, secrets: Sequence[str], source: Source, *, before: int | None
) -> schema.Page[schema.Refusal]:
    """Refusals, newest first, verified with the present secrets."""
    query = select(Refusal).order_by(col(Refusal.id).desc()).limit(PAGE + 1)
    if before:
        query = query.where(col(Refusal.id) < before)
    rows = session.exec(query).all()
    items = [_refusal(row, secrets, source) for row in rows[:PAGE]]
    return schema.Page(items=items, next=str(items[-1].id) if len(rows) > PAGE else None)


def _refusal(row: Refusal, secrets: Sequence[str], source: Source) -> schema.Refusal:
    assert row.id is not None
    alert = preview(row, source)
    return schema.Refusal(
        id=row.id,
        at=row.at,
        times=row.times,
        why=row.why,
        resource=alert.resource if alert else row.resource,
        client=row.client,
        size=row.size,
        headers={name: text for name, text in row.headers.items() if name not in SIGNATURES},
        kept=row.body is not None,
        readable=alert is not None,
        verifies=verifies(row, secrets),
        title=alert.title or alert.message if alert else "",
        culprit=alert.culprit if alert else "",
        delivery_id=row.delivery_id,
        let_in_by=row.let_in_by,
    )
