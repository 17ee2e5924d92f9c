"""What keeps alerts quiet, and how many it kept: the same for the API and the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, case, col, func, select

from responder.classify.noise import Ignore, Maintenance
from responder.classify.noise import Noise as Rules
from responder.store.tables import Decision, Delivery, Snooze
from responder.web import schema

DAY, WEEK = timedelta(days=1), timedelta(days=7)
NEWEST = 3  # alerts shown of each rule
PAST = 20  # snoozes shown that are over


@dataclass(frozen=True, slots=True)
class _Count:
    last_day: int = 0
    last_week: int = 0
    in_all: int = 0


def noise(session: Session, rules: Rules, *, now: datetime) -> schema.Noise:
    """Everything that keeps alerts quiet now or ever did, with how many."""
    counts = _counts(session, now)
    snoozes = _snoozes(session, now)
    gone = [rule for rule in counts if rule not in rules.rules]
    return schema.Noise(
        ignore=[
            *(
                _ignore(session, counts, f"ignore:{name}", rule)
                for name, rule in rules.ignore.items()
            ),
            *(_ignore(session, counts, rule, None) for rule in _of_kind("ignore", gone)),
        ],
        maintenance=[
            *(
                _window(session, counts, f"maintenance:{name}", window, now)
                for name, window in rules.maintenance.items()
            ),
            *(_window(session, counts, rule, None, now) for rule in _of_kind("maintenance", gone)),
        ],
        snoozes=[_snooze(session, counts, row, now) for row in snoozes],
    )


def snooze(session: Session, snooze_id: int, *, now: datetime) -> schema.Snooze:
    """One snooze.

    Raises:
        LookupError: there is none of that id.
    """
    row = session.get(Snooze, snooze_id)
    if row is None:
        raise LookupError(f"there is no snooze {snooze_id}")
    return _snooze(session, _counts(session, now, f"snooze:{snooze_id}"), row, now)


def _counts(session: Session, now: datetime, rule: str | None = None) -> dict[str, _Count]:
    """How many alerts each rule kept quiet; what was replayed was counted before."""
    query = (
        select(
            Decision.suppressed_by,
            func.sum(case((col(Decision.at) > now - DAY, 1), else_=0)),
            func.sum(case((col(Decision.at) > now - WEEK, 1), else_=0)),
            func.count(),
        )
        .join(Delivery, col(Delivery.id) == col(Decision.delivery_id))
        .where(col(Decision.suppressed_by).is_not(None), col(Delivery.replay_of).is_(None))
        .group_by(Decision.suppressed_by)
        .order_by(Decision.suppressed_by)
    )
    if rule is not None:
        query = query.where(Decision.suppressed_by == rule)
    return {name: _Count(*counts) for name, *counts in session.exec(query) if name is not None}


def _newest(session: Session, rule: str) -> list[schema.Quieted]:
    rows = session.exec(
        select(Decision.delivery_id, Decision.at, Decision.title)
        .where(Decision.suppressed_by == rule)
        .order_by(col(Decision.delivery_id).desc())
        .limit(NEWEST)
    )
    return [schema.Quieted(delivery=number, at=at, title=title) for number, at, title in rows]


def _keeper(session: Session, counts: dict[str, _Count], rule: str) -> schema.Keeper:
    count = counts.get(rule, _Count())
    return schema.Keeper(
        rule=rule,
        last_day=count.last_day,
        last_week=count.last_week,
        in_all=count.in_all,
        newest=_newest(session, rule) if count.in_all else [],
    )


def _of_kind(kind: str, rules: Iterable[str]) -> list[str]:
    return [rule for rule in rules if rule.startswith(f"{kind}:")]


def _ignore(
    session: Session, counts: dict[str, _Count], rule: str, written: Ignore | Maintenance | None
) -> schema.IgnoreRule:
    name = rule.partition(":")[2]
    return schema.IgnoreRule(
        **dict(_keeper(session, counts, rule)),
        name=name,
        title=(written and written.title) or name,
        says=written.describe() if written else "",
        in_folder=written is not None,
    )


def _window(
    session: Session,
    counts: dict[str, _Count],
    rule: str,
    written: Maintenance | None,
    now: datetime,
) -> schema.MaintenanceWindow:
    times = written.next(now) if written else None
    return schema.MaintenanceWindow(
        **dict(_ignore(session, counts, rule, written)),
        now=written is not None and written.covers(now),
        starts_at=times[0] if times else None,
        ends_at=times[1] if times else None,
    )


def _snoozes(session: Session, now: datetime) -> list[Snooze]:
    """Those that are active, then the latest others."""
    active = (col(Snooze.until) > now) & col(Snooze.ended_at).is_(None)
    newest = select(Snooze).order_by(col(Snooze.id).desc())
    return [
        *session.exec(newest.where(active)),
        *session.exec(newest.where(~active).limit(PAST)),
    ]


def _snooze(
    session: Session, counts: dict[str, _Count], row: Snooze, now: datetime
) -> schema.Snooze:
    assert row.id is not None
    return schema.Snooze(
        **dict(_keeper(session, counts, f"snooze:{row.id}")),
        id=row.id,
        area=row.area,
        issue_id=row.issue_id,
        since=row.since,
        until=row.until,
        by=row.by,
        reason=row.reason,
        active=row.ended_at is None and row.until > now,
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )
