"""Counting alerts by area, environment and minute, so that a window is a few rows to add up."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, func, select

from responder.classify.areas import Threshold
from responder.classify.thresholds import minute, window_start
from responder.store.database import insert_into
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
    row = insert_into(session, AreaCount).values(
        area=area, environment=environment, minute=minute(happened), alerts=1
    )
    session.execute(
        row.on_conflict_do_update(
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
