"""Objectives and failure rates with what was measured: the same for the API and the page."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Mapped
from sqlmodel import Session, case, col, func, select

from responder.classify.areas import Area
from responder.classify.objectives import Limit, Objective
from responder.classify.thresholds import Threshold, breached, minute_of, minute_start
from responder.classify.verdict import Outcome
from responder.playbook.folder import Configuration
from responder.store.tables import Decision, Delivery, Measurement, OutcomeCount
from responder.web import schema

DAY, WEEK, MONTH = timedelta(days=1), timedelta(days=7), timedelta(days=30)
FRESH = DAY  # a value that is older says nothing about now
BY_DAY, BY_WEEK = timedelta(minutes=15), timedelta(hours=2)  # what one point stands for
MOST_ENVIRONMENTS = 5  # of one objective or area; whoever measures names them
POST = "figures that the app posts to /api/v1/outcomes"

_COMPARED: Mapping[str, Any] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def objectives(
    session: Session, configuration: Configuration, *, asks: bool, now: datetime
) -> schema.Objectives:
    """Every objective, and every area with a failure rate among its thresholds.

    Args:
        asks: whether Sentry's API is asked for figures.
    """
    areas = configuration.areas.root
    return schema.Objectives(
        items=[
            _objective(session, name, objective, asks, now)
            for name, objective in configuration.objectives.items()
        ],
        rates=[
            rates
            for name, area in areas.items()
            if _rates_of(area)
            for rates in _area(session, name, area, asks, now)
        ],
    )


# Objectives


def _objective(
    session: Session, name: str, objective: Objective, asks: bool, now: datetime
) -> schema.Objective:
    limit = objective.limit
    week = _readings(session, name, limit, now, WEEK, BY_WEEK)
    day = _readings(session, name, limit, now, DAY, BY_DAY)
    measured = [
        _measured(session, name, environment, limit, day[environment], week[environment], now)
        for environment in week or _ever(session, name)
    ]
    measured.sort(key=lambda one: one.at, reverse=True)
    measured = measured[:MOST_ENVIRONMENTS]
    return schema.Objective(
        name=name,
        title=objective.title,
        measure=objective.measure,
        target=objective.target,
        alarm=objective.alarm,
        unit=limit.unit,
        area=objective.area,
        status=_worst([one.status for one in measured]),
        how=list(_how(objective, asks)),
        environments=measured,
        last_incident=_last_incident(session, name, limit, now),
    )


def _worst(statuses: list[schema.Status]) -> schema.Status:
    for status in ("missed", "met"):
        if status in statuses:
            return status
    return "unknown"


def _how(objective: Objective, asks: bool) -> list[str]:
    """From where values can come."""
    ways = [
        f"a metric alert in Sentry with “{words}” in its rule’s name"
        for words in objective.metric_rules
    ]
    if objective.sentry:
        ways.append(_api(asks))
    return [*ways, POST]


def _api(asks: bool) -> str:
    if asks:
        return "Sentry’s API, which is asked and has had nothing to tell"
    return "Sentry’s API, once RESPONDER_SENTRY_API_TOKEN is set"


@dataclass
class _Readings:
    """What was measured in one environment."""

    points: list[schema.Point]
    lowest: float = float("inf")
    highest: float = float("-inf")
    count: int = 0
    met: int = 0

    def trend(self, span: timedelta, each: timedelta) -> schema.Trend:
        return schema.Trend(
            hours=span // timedelta(hours=1),
            minutes=each // timedelta(minutes=1),
            points=self.points,
            lowest=self.lowest if self.points else None,
            highest=self.highest if self.points else None,
            readings=self.count,
        )


def _readings(
    session: Session, name: str, limit: Limit, now: datetime, span: timedelta, each: timedelta
) -> dict[str, _Readings]:
    """By environment, in stretches of time."""
    value, stretch = col(Measurement.value), _stretch(col(Measurement.at), each)
    rows = session.execute(
        sa.select(
            col(Measurement.environment),
            stretch,
            func.count(),
            func.sum(value),
            func.min(value),
            func.max(value),
            func.sum(case((_COMPARED[limit.sign](value, limit.value), 1), else_=0)),
        )
        .where(col(Measurement.objective) == name, col(Measurement.at) > now - span)
        .group_by(Measurement.environment, stretch)
        .order_by(stretch)
    )
    found: dict[str, _Readings] = defaultdict(lambda: _Readings([]))
    for environment, number, count, total, lowest, highest, met in rows:
        one = found[environment]
        one.points.append(schema.Point(at=_middle(number, each), value=total / count))
        one.lowest, one.highest = min(one.lowest, lowest), max(one.highest, highest)
        one.count += count
        one.met += met
    return found


def _stretch(at: Mapped[datetime], each: timedelta) -> sa.ColumnElement[int]:
    """The number of the stretch of time, from 1970 in UTC, that a moment falls in."""
    # As text, for PostgreSQL takes two parameters of one value for different expressions.
    seconds = sa.literal_column(str(int(each.total_seconds())), sa.BigInteger)
    return sa.cast(sa.extract("epoch", at), sa.BigInteger) // seconds


def _middle(number: int, each: timedelta) -> datetime:
    return datetime.fromtimestamp((number + 0.5) * each.total_seconds(), UTC)


def _ever(session: Session, name: str) -> list[str]:
    """The environment that was measured last, however long ago."""
    return list(
        session.exec(
            select(Measurement.environment)
            .where(Measurement.objective == name)
            .order_by(col(Measurement.at).desc())
            .limit(1)
        )
    )


def _measured(
    session: Session,
    name: str,
    environment: str,
    limit: Limit,
    day: _Readings,
    week: _Readings,
    now: datetime,
) -> schema.Measured:
    last, delivery = session.exec(
        select(Measurement, Delivery)
        .join(Delivery, col(Delivery.id) == col(Measurement.delivery_id))
        .where(Measurement.objective == name, Measurement.environment == environment)
        .order_by(col(Measurement.at).desc(), col(Measurement.id).desc())
        .limit(1)
    ).one()
    met: schema.Status = "met" if limit.met_by(last.value) else "missed"
    return schema.Measured(
        environment=environment,
        status=met if now - last.at <= FRESH else "unknown",
        value=last.value,
        at=last.at,
        source=_source(delivery),
        day=day.trend(DAY, BY_DAY),
        week=week.trend(WEEK, BY_WEEK),
        met_share=100 * week.met / week.count if week.count else None,
    )


def _source(delivery: Delivery) -> Literal["metric_alert", "polled", "posted"]:
    if delivery.resource == "metric_alert":
        return "metric_alert"
    return "polled" if delivery.origin == "polled" else "posted"


def _last_incident(session: Session, name: str, limit: Limit, now: datetime) -> int | None:
    """The newest incident that a reading opened, in the last month."""
    value = col(Measurement.value)
    return session.exec(
        select(Decision.incident_id)
        .join(Measurement, col(Measurement.delivery_id) == col(Decision.delivery_id))
        .where(
            Measurement.objective == name,
            col(Measurement.at) > now - MONTH,
            ~_COMPARED[limit.sign](value, limit.value),  # the others open nothing
            Decision.outcome == Outcome.OPENED,
        )
        .order_by(col(Decision.delivery_id).desc())
        .limit(1)
    ).first()


# Failure rates


def _rates_of(area: Area) -> list[Threshold]:
    return [one for one in area.threshold if one.failure_rate is not None]


def _area(
    session: Session, name: str, area: Area, asks: bool, now: datetime
) -> list[schema.AreaRates]:
    """One for each environment; one that knows nothing where nobody has counted."""
    found = _by_environment(session, name, now)
    windows = {one.per: _window(session, name, one, now) for one in _rates_of(area)}
    last = sorted(found, key=lambda environment: found[environment][1], reverse=True)
    return [
        schema.AreaRates(
            area=name,
            title=area.title,
            environment=environment,
            rates=[
                _rate(one, *windows[one.per].get(environment, (0, 0))) for one in _rates_of(area)
            ],
            day=found[environment][0] if found else _Readings([]).trend(DAY, BY_DAY),
            counted_at=found[environment][1] if found else None,
            how=[*([_api(asks)] if area.rate_query else []), POST],
        )
        for environment in (last or [""])[:MOST_ENVIRONMENTS]
    ]


def _by_environment(
    session: Session, name: str, now: datetime
) -> dict[str, tuple[schema.Trend, datetime]]:
    """The day's rates in percent, and the last minute that anybody counted."""
    stretch = _stretch(col(OutcomeCount.minute), BY_DAY)
    rows = session.execute(
        sa.select(
            col(OutcomeCount.environment),
            stretch,
            func.sum(col(OutcomeCount.attempts)),
            func.sum(col(OutcomeCount.failures)),
            func.max(col(OutcomeCount.minute)),
        )
        .where(col(OutcomeCount.area) == name, col(OutcomeCount.minute) > now - DAY)
        .group_by(OutcomeCount.environment, stretch)
        .order_by(stretch)
    )
    points: dict[str, list[schema.Point]] = defaultdict(list)
    last: dict[str, datetime] = {}
    for environment, number, attempts, failures, at in rows:
        last[environment] = at
        if attempts:
            percent = 100 * failures / attempts
            points[environment].append(schema.Point(at=_middle(number, BY_DAY), value=percent))
    found = {}
    for environment, at in last.items():
        values = [point.value for point in points[environment]] or [0.0]
        readings = _Readings(points[environment], min(values), max(values), len(values))
        found[environment] = readings.trend(DAY, BY_DAY), at
    return found


def _window(
    session: Session, name: str, threshold: Threshold, now: datetime
) -> dict[str, tuple[int, int]]:
    """Attempts and failures in the threshold's window up to now, by environment.

    What an incident that is resolved has counted is in it: this is how things are, not what
    would open the next one.
    """
    rows = session.exec(
        select(
            col(OutcomeCount.environment),
            func.sum(col(OutcomeCount.attempts)),
            func.sum(col(OutcomeCount.failures)),
        )
        .where(
            OutcomeCount.area == name,
            col(OutcomeCount.minute) > minute_start(minute_of(now) - threshold.minutes),
        )
        .group_by(OutcomeCount.environment)
    )
    return {environment: (attempts, failures) for environment, attempts, failures in rows}


def _rate(threshold: Threshold, attempts: int, failures: int) -> schema.Rate:
    status: Literal["over", "below", "too_few", "unknown"] = "below"
    if not attempts:
        status = "unknown"
    elif attempts < threshold.at_least:
        status = "too_few"
    elif breached(threshold, failures, attempts):
        status = "over"
    assert threshold.failure_rate is not None
    return schema.Rate(
        threshold=threshold.describe(),
        limit=threshold.failure_rate,
        minutes=threshold.minutes,
        at_least=threshold.at_least,
        attempts=attempts,
        failures=failures,
        percent=100 * failures / attempts if attempts else None,
        status=status,
    )
