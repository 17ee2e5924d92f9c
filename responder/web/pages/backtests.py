"""Backtests: what rules would have made of what came, as a timeline beside what was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select
from starlette.responses import Response

from responder.store.tables import Backtest
from responder.web.visit import Pages, Visit

_TIMES = frozenset({"since", "until", "opened_at", "closed_at"})
KEPT = 30  # listed; older ones can still be opened by their number
WIDTH, NARROWEST = 1000.0, 3.0  # of a lane, and of a bar in it


@dataclass(frozen=True, slots=True)
class Bar:
    """An incident on a lane, in the lane's own units, with what a pointer shows of it."""

    x: float
    width: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One area: what was, and what would have been."""

    area: str
    was: tuple[Bar, ...]
    would: tuple[Bar, ...]


async def _backtests(visit: Visit) -> Response:
    def work(session: Session) -> list[Backtest]:
        newest = select(Backtest).order_by(col(Backtest.id).desc()).limit(KEPT)
        return list(session.exec(newest))

    return visit.show("backtests.html", backtests=await visit.read(work))


async def _backtest(visit: Visit) -> Response:
    number = visit.id
    row = await visit.read(lambda session: session.get(Backtest, number))
    if row is None:
        raise LookupError(f"there is no backtest {number}")
    result = row.result
    return visit.show(
        "backtest.html",
        backtest=row,
        result=_with_times(result),
        lanes=lanes(result),
        width=WIDTH,
    )


def lanes(result: Mapping[str, Any]) -> list[Lane]:
    """The timeline of a result, an area a lane."""
    since, until = (datetime.fromisoformat(result[name]) for name in ("since", "until"))
    kinds = {
        **{_key(one): "new" for one in result["opens"]},
        **{_key(one): "gone" for one in result["gone"]},
        **{_key(one): "moved" for one in result["moved"]},
    }
    was, would = result["timeline"]["was"], result["timeline"]["would"]
    areas = dict.fromkeys(one["area"] for one in (*was, *would))
    return [
        Lane(
            area,
            tuple(_bars((one for one in was if one["area"] == area), kinds, since, until)),
            tuple(_bars((one for one in would if one["area"] == area), kinds, since, until)),
        )
        for area in sorted(areas)
    ]


def _key(one: Mapping[str, Any]) -> tuple[str, str, str]:
    return one["area"], one["opened_at"], one["title"]


def _bars(
    incidents: Iterable[Mapping[str, Any]],
    kinds: Mapping[tuple[str, str, str], str],
    since: datetime,
    until: datetime,
) -> Iterable[Bar]:
    span = max((until - since).total_seconds(), 1.0)
    for one in incidents:
        opened = max(datetime.fromisoformat(one["opened_at"]), since)
        closed = datetime.fromisoformat(one["closed_at"]) if one["closed_at"] else until
        x = (opened - since).total_seconds() / span * WIDTH
        width = max((closed - opened).total_seconds() / span * WIDTH, NARROWEST)
        kind = kinds.get(_key(one), "same")
        x = min(x, WIDTH - NARROWEST)
        title = f"{opened:%d %b %H:%M} {one['title']}"
        yield Bar(round(x, 1), round(min(width, WIDTH - x), 1), kind, title)


def _with_times(value: Any) -> Any:
    """The result with its times as times, which templates show as people read them."""
    if isinstance(value, dict):
        return {
            key: _with_times(datetime.fromisoformat(part) if part and key in _TIMES else part)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [_with_times(part) for part in value]
    return value


PAGES: Pages = (("/backtests", _backtests), ("/backtests/{id:number}", _backtest))
