"""A backtest: stored deliveries through other rules, offline and without side effects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, func, select

from responder.classify.backtest import Comparison, Past, Recorded, Rehearsal
from responder.incident import history
from responder.playbook.folder import Configuration
from responder.receive.alert import Alert
from responder.receive.source import NotUnderstood, Source, json_object
from responder.store.database import Store
from responder.store.tables import Backtest, Decision, Delivery, Incident, IncidentSubject

CHUNK = 1000  # deliveries read at once

Progress = Callable[[int, int], None]  # how many are done, of how many


async def backtest(
    store: Store,
    sources: Mapping[str, Source],
    configuration: Configuration,
    *,
    since: datetime,
    now: datetime,
    progress: Progress = lambda done, of: None,
) -> dict[str, Any]:
    """Judge what came since a time by the configuration, as of then, and compare.

    What came in the longest window before is judged too, so that counts begin as they were.
    """
    longest = max(area.longest for area in configuration.areas.root.values())
    started = since - longest
    past = await store.read(lambda session: _past(session, started))
    subjects = await store.read(lambda session: _subjects(session, started))
    snoozes = await store.read(lambda session: history.snoozes(session, since=started))
    total = await store.read(lambda session: _count(session, started))
    rehearsal = Rehearsal(
        configuration.rules, past, started=started, snoozes=snoozes, subjects=subjects
    )
    comparison, done = Comparison(), 0
    async for recorded in _recorded(store, sources, started):
        verdict = rehearsal.judge(recorded)
        if recorded.arrived >= since:
            comparison.add(recorded, verdict)
        done += 1
        if done % CHUNK == 0 or done == total:
            progress(done, total)
    result: dict[str, Any] = comparison.result(
        rehearsal.incidents.values(), past, since=since, until=now
    )
    return result


def keep(session: Session, result: dict[str, Any], folder: str, *, now: datetime) -> int:
    """Store a result for the pages to show; its id."""
    row = Backtest(
        at=now,
        since=datetime.fromisoformat(result["since"]),
        folder=folder,
        deliveries=result["deliveries"],
        result=result,
    )
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id


def _past(session: Session, started: datetime) -> dict[int, Past]:
    rows = session.exec(
        select(Incident).where(
            (col(Incident.resolved_at).is_(None)) | (col(Incident.resolved_at) > started)
        )
    )
    return {
        row.id: Past(
            id=row.id,
            area=row.area,
            environment=row.environment,
            severity=row.severity,
            title=row.title,
            opened_at=row.opened_at,
            resolved_at=row.resolved_at,
        )
        for row in rows
        if row.id is not None
    }


def _subjects(session: Session, started: datetime) -> dict[str, int]:
    """What incidents from before were about, so that alerts join them as they did."""
    rows = session.exec(
        select(IncidentSubject.subject, func.max(IncidentSubject.incident_id))
        .join(Incident, col(Incident.id) == col(IncidentSubject.incident_id))
        .where(col(Incident.opened_at) < started)
        .group_by(IncidentSubject.subject)
    )
    return dict(rows.all())


def _count(session: Session, started: datetime) -> int:
    return session.exec(
        select(func.count()).select_from(Delivery).where(col(Delivery.received_at) >= started)
    ).one()


async def _recorded(
    store: Store, sources: Mapping[str, Source], started: datetime
) -> AsyncIterator[Recorded]:
    last = 0
    while True:
        chunk = await store.read(
            lambda session, last=last: _chunk(session, sources, started, last)  # type: ignore[misc]
        )
        for recorded in chunk:
            yield recorded
        if not chunk:
            return
        last = chunk[-1].id


def _chunk(
    session: Session, sources: Mapping[str, Source], started: datetime, last: int
) -> list[Recorded]:
    rows = session.execute(
        select(  # type: ignore[call-overload]
            Delivery.id,
            Delivery.source,
            Delivery.resource,
            Delivery.body,
            Delivery.received_at,
            Delivery.replay_of,
            Decision.at,
            Decision.outcome,
            Decision.area,
            Decision.incident_id,
        )
        .join(Decision, col(Decision.delivery_id) == col(Delivery.id))
        .where(col(Delivery.id) > last, col(Delivery.received_at) >= started)
        .order_by(col(Delivery.id))
        .limit(CHUNK)
    ).all()
    return [
        Recorded(
            id=id_,
            alert=_alert(sources, source, resource, body),
            arrived=arrived,
            decided=decided,
            replay=replay_of is not None,
            outcome=outcome,
            area=area,
            incident=incident,
        )
        for (
            id_,
            source,
            resource,
            body,
            arrived,
            replay_of,
            decided,
            outcome,
            area,
            incident,
        ) in rows
    ]


def _alert(sources: Mapping[str, Source], source: str, resource: str, body: bytes) -> Alert | None:
    try:
        return sources[source].normalise(resource, json_object(body))
    except (NotUnderstood, KeyError):  # or from a source that is not installed here
        return None
