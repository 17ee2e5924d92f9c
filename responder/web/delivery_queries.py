"""Deliveries and what was decided about them: the same for the API and the pages."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from responder.receive import redact
from responder.store.tables import Decision, Delivery
from responder.web import schema
from responder.web.queries import PAGE, page_of

UNDECIDED = "undecided"  # where an outcome is asked for: those that have none


def deliveries(
    session: Session, *, before: int | None, outcome: str | None = None, rule: str | None = None
) -> schema.Page[schema.Delivery]:
    """Deliveries with what was decided, newest first, from just below the id `before`.

    Args:
        outcome: only those that came to this, or `undecided`.
        rule: only those that this rule of noise kept quiet, such as `ignore:network`.
    """
    query = (
        select(Delivery, Decision)
        .join(Decision, col(Decision.delivery_id) == col(Delivery.id), isouter=True)
        .options(defer(col(Delivery.body)))  # type: ignore[arg-type]  # it is one, beneath
        .order_by(col(Delivery.id).desc())
        .limit(PAGE + 1)
    )
    if outcome == UNDECIDED:
        query = query.where(col(Delivery.decided_at).is_(None))
    elif outcome:
        query = query.where(Decision.outcome == outcome)
    if rule:
        query = query.where(Decision.suppressed_by == rule)
    if before:
        query = query.where(col(Delivery.id) < before)
    rows = session.exec(query).all()
    return page_of([_line(delivery, decision) for delivery, decision in rows])


def delivery(
    session: Session, delivery_id: int, *, hide: Iterable[str] = ()
) -> schema.DeliveryDetail:
    """One delivery with all that explains what was decided.

    Args:
        hide: names of keys whose values are not shown, besides those that never are.

    Raises:
        LookupError: there is none of that id.
    """
    row = session.get(Delivery, delivery_id)
    if row is None:
        raise LookupError(f"there is no delivery {delivery_id}")
    decision = session.get(Decision, delivery_id)
    explanation = decision.explanation if decision else None
    body = redact.body(row.body, hide)
    return schema.DeliveryDetail(
        **_line(row, decision).model_dump(),
        explanation=schema.Explanation.model_validate(explanation) if explanation else None,
        headers={name: str(shown) for name, shown in _headers(row, hide).items()},
        payload=body.value if isinstance(body.value, dict) else str(body.value),
        payload_notes=list(body.notes),
        size=len(row.body),
    )


def _headers(row: Delivery, hide: Iterable[str]) -> dict[str, object]:
    shown = redact.payload(dict(row.headers), hide).value
    return shown if isinstance(shown, dict) else {}


def _line(row: Delivery, decision: Decision | None) -> schema.Delivery:
    assert row.id is not None
    return schema.Delivery(
        id=row.id,
        source=row.source,
        resource=row.resource,
        action=row.action,
        origin=row.origin,
        received_at=row.received_at,
        happened_at=decision.happened_at if decision else None,
        decided_at=row.decided_at,
        replay_of=row.replay_of,
        suppressed_by=decision.suppressed_by if decision else None,
        decision=schema.Decision.model_validate(decision, from_attributes=True)
        if decision
        else None,
    )
