"""Telling people that the trouble of an incident has gone down, or goes on after all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlmodel import Session, col, func, select

from responder.chat import outbox
from responder.classify.areas import Area
from responder.classify.thresholds import minute_of
from responder.classify.verdict import Outcome
from responder.incident import history, records, watch
from responder.incident.watch import Watched
from responder.playbook.folder import Configuration
from responder.store.database import Store
from responder.store.tables import (
    AlertCount,
    Decision,
    Delivery,
    Incident,
    OutcomeCount,
    TimelineEntry,
)

log = structlog.get_logger()

EVERY = timedelta(seconds=30)
METRIC = "metric_alert"


class Watching:
    """Looks at every open incident.

    Args:
        configuration: gives the configuration in force.
        changed: called when chat should show something new.
    """

    def __init__(
        self,
        store: Store,
        configuration: Callable[[], Configuration],
        *,
        now: Callable[[], datetime],
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._configuration = configuration
        self._now = now
        self._changed = changed

    async def look(self) -> None:
        """Look once. It writes on timelines, and resolves and releases nothing."""
        now = self._now()
        areas = self._configuration().rules.areas.root
        told = False
        for incident_id in await self._store.read(lambda session: _changing(session, areas, now)):
            told |= await self._store.write(
                lambda session, incident_id=incident_id: _tell(session, incident_id, areas, now)  # type: ignore[misc]
            )
        if told:
            self._changed()


def _changing(session: Session, areas: dict[str, Area], now: datetime) -> list[int]:
    """The open incidents of which something is to be told."""
    rows = session.exec(select(Incident).where(col(Incident.open_key).is_not(None)))
    return [
        records.incident_id(incident)
        for incident in rows
        if incident.area in areas and _news(session, incident, areas[incident.area], now)
    ]


def _tell(session: Session, incident_id: int, areas: dict[str, Area], now: datetime) -> bool:
    """Look again with the incident locked: alerts or another replica may have come between."""
    incident = records.find(session, incident_id)
    if incident.open_key is None or incident.area not in areas:
        return False
    news = _news(session, incident, areas[incident.area], now)
    if news is None:
        return False
    calm_since, text = news
    records.watched(session, incident, calm_since=calm_since, text=text, now=now)
    outbox.refresh(session, incident_id)
    return True


def _news(
    session: Session, incident: Incident, area: Area, now: datetime
) -> tuple[datetime | None, str] | None:
    """Since when it is calm now, or None for not any more, and the words; None if all is told."""
    watched = _watched(session, incident, area, now)
    if incident.calm_since is not None:
        text = watch.goes_on(watched, area, now=now)
        return (None, text) if text else None
    calm = watch.calmed(watched, area, now=now)
    return (calm.since, calm.text) if calm else None


def _watched(session: Session, incident: Incident, area: Area, now: datetime) -> Watched:
    heard = session.exec(
        select(
            Decision.outcome,
            Delivery.resource,
            func.max(Decision.at),
            func.max(Decision.happened_at),
        )
        .join(Delivery, col(Delivery.id) == col(Decision.delivery_id))
        .where(
            Decision.incident_id == incident.id,
            col(Decision.outcome).in_([Outcome.OPENED, Outcome.JOINED, Outcome.MEASURED]),
        )
        .group_by(Decision.outcome, Delivery.resource)
    ).all()
    alerts = [row for row in heard if row[0] != Outcome.MEASURED]
    last_heard = max((at for _, _, at, _ in alerts), default=incident.opened_at)
    metric_heard = max((at for _, resource, at, _ in alerts if resource == METRIC), default=None)
    resolved = _notes(session, incident, records.SENTRY_RESOLVED)
    said = [(at, text) for at, text in resolved if at > last_heard]
    over = [at for at, text in resolved if METRIC in text]
    goes_on = _notes(session, incident, records.GOES_ON)
    counts, outcomes = _counts(session, incident, area, now)
    return Watched(
        area=incident.area,
        since=max([incident.opened_at, *(at for at, _ in goes_on)]),
        last_alert=max((at for *_, at in alerts if at), default=None),
        breach=max((at for outcome, *_, at in heard if at and outcome == "measured"), default=None),
        alerts=counts,
        outcomes=outcomes,
        said=said[-1][1] if said else "",
        firing=metric_heard is not None and not any(at > metric_heard for at in over),
    )


def _notes(session: Session, incident: Incident, kind: str) -> list[tuple[datetime, str]]:
    """Entries of the timeline, the oldest first."""
    return list(
        session.exec(
            select(TimelineEntry.at, TimelineEntry.text)
            .where(TimelineEntry.incident_id == incident.id, TimelineEntry.kind == kind)
            .order_by(col(TimelineEntry.id))
        )
    )


def _counts(
    session: Session, incident: Incident, area: Area, now: datetime
) -> tuple[dict[str, dict[int, int]], dict[int, tuple[int, int]]]:
    """What is counted in the area, in the environments whose alerts go to this incident."""
    earliest = now - max(area.longest, watch.QUIET) - timedelta(minutes=2)
    environments = history.environments_of(session, incident)
    alerts: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for count in session.exec(
        select(AlertCount).where(
            col(AlertCount.counter).in_(
                [incident.area, *(f"{incident.area}/{family}" for family in area.families)]
            ),
            col(AlertCount.environment).in_(environments),
            col(AlertCount.minute) >= earliest,
        )
    ):
        alerts[count.counter][minute_of(count.minute)] += max(count.alerts - count.settled, 0)
    outcomes: dict[int, tuple[int, int]] = {}
    for row in session.exec(
        select(OutcomeCount).where(
            OutcomeCount.area == incident.area,
            col(OutcomeCount.environment).in_(environments),
            col(OutcomeCount.minute) >= earliest,
        )
    ):
        attempts, failures = outcomes.get(minute_of(row.minute), (0, 0))
        outcomes[minute_of(row.minute)] = (
            attempts + row.attempts - row.settled_attempts,
            failures + row.failures - row.settled_failures,
        )
    return alerts, outcomes
