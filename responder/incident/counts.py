"""Counting alerts by area, environment and minute, so that a window is a few rows to add up."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, func, select

from responder.classify.areas import Threshold
from responder.classify.thresholds import minute, window_start
from responder.store.tables import AreaCount


def add(
    session: Session,
    area: str,
    environment: str,
    happened: datetime,
    threshold: Threshold,
    *,
    now: datetime,
) -> int:
    """Count one alert in its own minute.

    Returns:
        How many there are in the threshold's window up to now, this one included.
    """
    row = {
        "area": area,
        "environment": environment,
        "minute": minute(happened),
        "alerts": 1,
    }
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = dialect.insert(AreaCount).values(**row)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["area", "environment", "minute"],
            set_={"alerts": col(AreaCount.alerts) + 1},
        )
    )
    total = session.exec(
        select(func.sum(AreaCount.alerts)).where(
            AreaCount.area == area,
            AreaCount.environment == environment,
            col(AreaCount.minute) > window_start(threshold, now),
        )
    ).one()
    return int(total or 0)
