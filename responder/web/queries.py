"""What the API answers and the pages show: read once, the same for both."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol, TypeVar

from sqlmodel import Session, col, select

from responder.chat.views import items_of, title_of, waiting_for
from responder.incident import records
from responder.playbook import steps as step_rows
from responder.store.tables import (
    Hold,
    Incident,
    PostMortem,
    Run,
    Step,
    SwitchRecord,
)
from responder.switches.board import standing
from responder.web import around, schema

PAGE = 50
NOT_READ = "not read back since it was asked for"


class _Numbered(Protocol):
    id: int


N = TypeVar("N", bound=_Numbered)


def page_of(found: list[N]) -> schema.Page[N]:
    """The page of what was found, which is one more than fits where there is a next one."""
    items = found[:PAGE]
    return schema.Page(items=items, next=str(items[-1].id) if len(found) > PAGE else None)


def incidents(
    session: Session, *, state: str | None, area: str | None, before: int | None
) -> schema.Page[schema.IncidentLine]:
    """Incidents, newest first, from just below the id `before`."""
    query = select(Incident).order_by(col(Incident.id).desc()).limit(PAGE + 1)
    if state:
        query = query.where(Incident.state == state)
    if area:
        query = query.where(Incident.area == area)
    if before:
        query = query.where(col(Incident.id) < before)
    rows = session.exec(query).all()
    return page_of([_line(row) for row in rows])


def _line(row: Incident) -> schema.IncidentLine:
    return schema.IncidentLine.model_validate(row, from_attributes=True)


def incident(session: Session, incident_id: int) -> schema.IncidentDetail:
    """One incident with its run and timeline.

    Raises:
        LookupError: there is none of that id.
    """
    row = session.get(Incident, incident_id)
    if row is None:
        raise LookupError(f"there is no incident {incident_id}")
    run = session.exec(
        select(Run).where(Run.incident_id == incident_id).order_by(col(Run.id).desc())
    ).first()
    steps = step_rows.of_run(session, run.id) if run and run.id else []
    record = session.exec(
        select(PostMortem.id).where(PostMortem.incident_id == incident_id)
    ).first()
    return schema.IncidentDetail(
        **_line(row).model_dump(),
        waiting_for=waiting_for(row.state, steps),
        holds=records.standing_holds(session, incident_id),
        post_mortem=record,
        run=_run(session, run, steps) if run else None,
        owner=row.owner,
        calm_since=row.calm_since,
        context=around.context(session, row),
        timeline=[
            schema.TimelineEntry.model_validate(entry, from_attributes=True)
            for entry in records.timeline(session, incident_id)
        ],
    )


def _run(session: Session, run: Run, steps: list[Step]) -> schema.Run:
    return schema.Run(
        playbook=run.playbook,
        title=run.title,
        state=run.state,
        mode=run.mode,
        steps=[_step(session, run, step) for step in steps],
    )


def _step(session: Session, run: Run, step: Step) -> schema.Step:
    assert step.id is not None
    plan = step_rows.plan(step, run)
    items = items_of(session, step.id)
    asks = plan.approval is not None and step.state == "waiting" and not items
    return schema.Step(
        id=step.name,
        step_id=step.id,
        title=title_of(step),
        action=plan.spec.action,
        state=step.state,
        needs=list(plan.spec.needs or ()),
        attempts=step.attempts,
        attempts_allowed=plan.spec.retry.attempts,
        started_at=step.started_at,
        finished_at=step.finished_at,
        error=step.error,
        summary=step.summary,
        evidence=step.evidence,
        asks_approval=asks,
        checklist=[schema.ChecklistItem.model_validate(i, from_attributes=True) for i in items],
    )


def switch(session: Session, name: str) -> schema.Switch:
    """One switch with the holds on it."""
    record = session.get(SwitchRecord, name)
    holds = [
        schema.Hold(incident=hold.incident_id, by=hold.by, since=hold.since, reason=hold.reason)
        for hold in standing(session, name)
    ]
    # An app that polls must see a hold as soon as it is wanted, whatever a driver last read.
    state: Literal["running", "paused"] = "paused" if holds else "running"
    if record is None:
        confirmed, detail = not holds, NOT_READ if holds else "never changed"
    elif record.confirmed and record.state != state:  # a reading from before the change
        confirmed, detail = False, NOT_READ
    else:
        confirmed, detail = record.confirmed, record.detail
    return schema.Switch(
        name=name,
        state=state,
        confirmed=confirmed,
        verified_at=record.verified_at if record else None,
        detail=detail,
        refused=record.refused if record else None,
        holds=holds,
    )


def released(session: Session, incident_id: int) -> list[str]:
    """The switches that an incident kept paused and does not any more."""
    rows = session.exec(
        select(Hold.switch)
        .where(Hold.incident_id == incident_id, col(Hold.released_at).is_not(None))
        .distinct()
    )
    return sorted(set(rows) - set(records.standing_holds(session, incident_id)))


def post_mortems(session: Session, *, before: int | None) -> schema.Page[schema.PostMortemLine]:
    """Post-mortems, newest first."""
    query = (
        select(PostMortem, Incident)
        .join(Incident)
        .order_by(col(PostMortem.id).desc())
        .limit(PAGE + 1)
    )
    if before:
        query = query.where(col(PostMortem.id) < before)
    rows = session.exec(query).all()
    return page_of([_post_mortem_line(record, about) for record, about in rows])


def post_mortem(session: Session, record_id: int) -> schema.PostMortem:
    """One post-mortem with its text.

    Raises:
        LookupError: there is none of that id.
    """
    record = session.get(PostMortem, record_id)
    if record is None:
        raise LookupError(f"there is no post-mortem {record_id}")
    about = session.get_one(Incident, record.incident_id)
    return schema.PostMortem(**_post_mortem_line(record, about).model_dump(), body=record.body)


def _post_mortem_line(record: PostMortem, about: Incident) -> schema.PostMortemLine:
    assert record.id is not None
    created: datetime = record.created_at
    return schema.PostMortemLine(
        id=record.id,
        incident=record.incident_id,
        title=record.title,
        area=about.area,
        severity=about.severity,
        state=record.state,
        revision=record.revision,
        created_at=created,
        updated_at=record.updated_at,
    )
