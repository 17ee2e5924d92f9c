"""What has happened so far, from the store and back to it. Each function is part of a unit of work.

Read are only the minutes that the windows of these alerts hold, so a decision costs the same
however much came before it.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Table, Update
from sqlmodel import Session, SQLModel, col, or_, select, update

from responder.classify.areas import Areas
from responder.classify.history import Counter, History, OpenIncident, moment_of, subjects_of
from responder.classify.match import Match
from responder.classify.noise import Snoozed
from responder.classify.severity import Severity
from responder.classify.thresholds import minute_of, minute_start
from responder.classify.verdict import Outcome
from responder.receive.alert import Alert
from responder.store.database import insert_into
from responder.store.tables import (
    AlertCount,
    Decision,
    Delivery,
    Incident,
    IncidentSubject,
    OutcomeCount,
    Snooze,
)

T = TypeVar("T")
MANY = 400  # values in one query


@dataclass(frozen=True, slots=True)
class Pending:
    """An alert that is to be decided, as far as the history must know it."""

    alert: Alert
    match: Match | None
    arrived: datetime

    @property
    def happened(self) -> datetime:
        """When, as it is counted."""
        return min(self.alert.occurred_at or self.arrived, self.arrived)

    @property
    def area(self) -> str | None:
        """The area whose counts matter."""
        if self.match is not None:
            return self.match.area
        return self.alert.measure.area if self.alert.measure else None


def load(
    session: Session, pending: Sequence[Pending], areas: Areas
) -> tuple[History, dict[int, Incident]]:
    """All that deciding about these alerts needs, and the open incidents, locked."""
    history = History()
    if not pending:
        return history, {}
    _load_counted(session, [one.alert for one in pending], history)
    counted = [*history.events.values(), *history.moments.values()]
    touched = {one.area for one in pending if one.area is not None}
    touched |= {one.area for one in counted}
    # Figures about an objective may open an incident in whichever area it belongs to.
    touched_all = any(one.alert.measure and one.alert.measure.objective for one in pending)
    incidents = open_of_areas(session, sorted(areas.root if touched_all else touched))
    for incident in incidents.values():
        history.add_open(as_open(incident))
    _load_counts(session, pending, areas, history)
    _load_subjects(session, [one.alert for one in pending], history)
    history.snoozes = snoozes(session, since=min(one.arrived for one in pending))
    return history, incidents


def open_of_areas(session: Session, areas: Sequence[str]) -> dict[int, Incident]:
    """The areas' incidents that are not resolved, by id, locked against other writers."""
    rows = session.exec(
        select(Incident)
        .where(col(Incident.area).in_(areas), col(Incident.open_key).is_not(None))
        .order_by(col(Incident.id))
        .with_for_update()
    )
    return {row.id: row for row in rows if row.id is not None}


def as_open(incident: Incident) -> OpenIncident:
    """An incident as alerts join it."""
    assert incident.id is not None
    return OpenIncident(
        key=incident.id,
        area=incident.area,
        environment=incident.environment,
        severity=Severity(incident.severity),
        opened_at=incident.opened_at,
    )


def snoozes(session: Session, *, since: datetime) -> list[Snoozed]:
    """What was snoozed at that time or is since."""
    rows = session.exec(select(Snooze).where(col(Snooze.until) > since))
    return [
        Snoozed(
            id=row.id or 0,
            area=row.area,
            issue_id=row.issue_id,
            since=row.since,
            until=min(row.until, row.ended_at) if row.ended_at else row.until,
            by=row.by,
        )
        for row in rows
    ]


def _load_counts(
    session: Session, pending: Iterable[Pending], areas: Areas, history: History
) -> None:
    windows: dict[tuple[str, str], list[tuple[datetime, datetime]]] = defaultdict(list)
    names: dict[str, set[str]] = defaultdict(set)  # of counters, by area
    for one in pending:
        if one.area is not None and one.area in areas.root:
            longest = areas.root[one.area].longest
            earliest = one.happened - longest - timedelta(minutes=1)
            windows[one.area, one.alert.environment].append((earliest, one.happened + longest))
    for counted in history.moments.values():
        if not counted.event_id:  # it may be counted elsewhere, once its event comes
            minute = minute_start(counted.minute)
            windows[counted.area, counted.environment].append((minute, minute))
            names[counted.area] |= {name for name, _ in counted.counters}
    for (area, environment), some in windows.items():
        families = areas.root[area].families if area in areas.root else ()
        counters = names[area] | {area, *(f"{area}/{family}" for family in families)}
        for earliest, latest in _merged(some):
            _load_window(session, history, area, counters, environment, earliest, latest)


def _merged(windows: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The same windows without overlaps: one alert from long ago must not read all since."""
    merged: list[tuple[datetime, datetime]] = []
    for earliest, latest in sorted(windows):
        if merged and earliest <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], latest)
        else:
            merged.append((earliest, latest))
    return merged


def _load_window(
    session: Session,
    history: History,
    area: str,
    counters: set[str],
    environment: str,
    earliest: datetime,
    latest: datetime,
) -> None:
    """The counts of an area, of its families, and of what was tried in it."""
    for count in session.exec(
        select(AlertCount).where(
            col(AlertCount.counter).in_(counters),
            AlertCount.environment == environment,
            col(AlertCount.minute).between(earliest, latest),
        )
    ):
        left = max(count.alerts - count.settled, 0)
        history.alerts[count.counter, environment][minute_of(count.minute)] = left
    for row in session.exec(
        select(OutcomeCount).where(
            OutcomeCount.area == area,
            OutcomeCount.environment == environment,
            col(OutcomeCount.minute).between(earliest, latest),
        )
    ):
        history.outcomes[area, environment][minute_of(row.minute)] = (
            row.attempts - row.settled_attempts,
            row.failures - row.settled_failures,
        )


def _load_counted(session: Session, alerts: Sequence[Alert], history: History) -> None:
    """Which of these events were counted before, and where. What a replay was made of is not."""
    events = sorted({alert.event_id for alert in alerts if alert.event_id})
    moments = sorted({moment for alert in alerts if (moment := moment_of(alert))})
    found: dict[int, Decision] = {}
    for some_events, some_moments in zip(
        _chunks(events, moments), _chunks(moments, events), strict=True
    ):
        rows = session.exec(
            select(Decision)
            .join(Delivery, col(Delivery.id) == col(Decision.delivery_id))
            .where(
                or_(
                    col(Decision.event_id).in_(some_events),
                    col(Decision.moment).in_(some_moments),
                ),
                col(Decision.happened_at).is_not(None),
                or_(
                    col(Decision.count).is_not(None),
                    col(Decision.outcome) == Outcome.SAME_EVENT.value,
                ),
                col(Delivery.replay_of).is_(None),
            )
        )
        found |= {row.delivery_id: row for row in rows}
    for _, row in sorted(found.items()):
        assert row.happened_at is not None
        minute = minute_of(row.happened_at)
        history.remember(row.event_id or "", row.moment or "", _counters_of(row), minute)


def _counters_of(row: Decision) -> tuple[Counter, ...]:
    """What a decision was counted in; none if it was known already."""
    listed = (row.explanation or {}).get("counted_in") or ()
    counters = tuple((name, environment) for name, environment in listed)
    if counters or row.outcome == Outcome.SAME_EVENT or row.area is None:
        return counters
    return ((row.area, row.environment or ""),)


def _chunks(values: Sequence[T], others: Sequence[Any]) -> Iterator[Sequence[T]]:
    """Parts of what fits into a query, as many as the longer of the two needs."""
    for start in range(0, max(len(values), len(others)), MANY):
        yield values[start : start + MANY]


def _load_subjects(session: Session, alerts: Iterable[Alert], history: History) -> None:
    subjects = sorted({subject for alert in alerts for subject in subjects_of(alert)})
    for some in _chunks(subjects, ()):
        rows = session.exec(
            select(IncidentSubject)
            .where(col(IncidentSubject.subject).in_(some))
            .order_by(col(IncidentSubject.incident_id))
        )
        open_ = {one.key: one for several in history.open.values() for one in several}
        for row in rows:
            history.subjects[row.subject] = row.incident_id
            if row.incident_id in open_:
                open_[row.incident_id].subjects.add(row.subject)


def save_counts(session: Session, counted: Tally[tuple[Counter, int]]) -> None:
    """Add alerts to the minutes they happened in, or take them back from there."""
    for ((counter, environment), minute), alerts in sorted(counted.items()):
        _add(
            session,
            AlertCount,
            {"counter": counter, "environment": environment, "minute": minute_start(minute)},
            {"alerts": alerts},
        )


def save_outcomes(session: Session, outcomes: dict[tuple[Counter, int], tuple[int, int]]) -> None:
    """Add attempts and failures to the minutes they happened in."""
    for ((area, environment), minute), (attempts, failures) in sorted(outcomes.items()):
        _add(
            session,
            OutcomeCount,
            {"area": area, "environment": environment, "minute": minute_start(minute)},
            {"attempts": attempts, "failures": failures},
        )


def _add(session: Session, kind: type[SQLModel], key: dict[str, Any], more: dict[str, int]) -> None:
    row = insert_into(session, kind).values(**key, **more)
    table: Table = kind.__table__  # type: ignore[attr-defined]
    session.execute(
        row.on_conflict_do_update(
            index_elements=list(key),
            set_={name: table.c[name] + added for name, added in more.items()},
        )
    )


def save_subjects(session: Session, found: Iterable[tuple[str, int]]) -> None:
    """Remember what incidents are about."""
    rows = [
        {"subject": subject, "incident_id": incident_id}
        for subject, incident_id in sorted(set(found))
    ]
    if rows:
        session.execute(insert_into(session, IncidentSubject).on_conflict_do_nothing(), rows)


def environments_of(session: Session, incident: Incident) -> list[str]:
    """Those whose counts are this incident's: its own, and any whose alerts joined it.

    Not those that have an open incident of their own by now.
    """
    joined = set(
        session.exec(
            select(Decision.environment)
            .where(
                Decision.incident_id == incident.id,
                col(Decision.outcome).in_([Outcome.JOINED, Outcome.SAME_EVENT]),
                col(Decision.count).is_not(None),
            )
            .distinct()
        )
    )
    taken = session.exec(
        select(Incident.environment).where(
            Incident.area == incident.area,
            col(Incident.open_key).is_not(None),
            Incident.id != incident.id,
        )
    ).all()
    return sorted(
        {where for where in joined - set(taken) if where is not None} | {incident.environment}
    )


def settle(session: Session, incident: Incident) -> None:
    """What a resolved incident has counted is not counted again by the next one."""
    environments = environments_of(session, incident)
    for statement, counter in _settling():
        session.execute(
            statement.where(
                or_(
                    counter == incident.area,
                    counter.startswith(f"{incident.area}/", autoescape=True),
                ),
                counter.table.c.environment.in_(environments),
            )
        )


def _settling() -> Iterator[tuple[Update, Any]]:
    alerts: Table = AlertCount.__table__  # type: ignore[attr-defined]
    yield (
        update(AlertCount)
        .where(alerts.c.alerts != alerts.c.settled)
        .values(settled=alerts.c.alerts),
        alerts.c.counter,
    )
    outcomes: Table = OutcomeCount.__table__  # type: ignore[attr-defined]
    yield (
        update(OutcomeCount)
        .where(
            or_(
                outcomes.c.attempts != outcomes.c.settled_attempts,
                outcomes.c.failures != outcomes.c.settled_failures,
            )
        )
        .values(settled_attempts=outcomes.c.attempts, settled_failures=outcomes.c.failures),
        outcomes.c.area,
    )
