"""Figures from Sentry's API: what to ask, about which time, and what the answers say. Pure.

Each question is about a time that is over, and its delivery is named after that time, so that
replicas which ask at once, or one that asks again after a restart, store one answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from responder.receive.fields import items, mapping, text
from responder.receive.outcomes import OutcomesSource

LAG = timedelta(minutes=1)  # what happens reaches Sentry late
FURTHEST = timedelta(minutes=15)  # back; what is older would start nothing
RATE_OVER = timedelta(minutes=1)  # rates are counted by the minute
VALUE_OVER = timedelta(minutes=5)  # fewer would make a percentile of a handful

_COUNT, _RATE = "count()", "failure_rate()"
_MOST = 2**31 - 1
_MILLISECONDS = {
    "nanosecond": 1e-6,
    "microsecond": 1e-3,
    "millisecond": 1.0,
    "second": 1e3,
    "minute": 6e4,
    "hour": 3.6e6,
    "day": 8.64e7,
}


class Unreadable(Exception):
    """Sentry's answer lacks what was asked for; the text says what."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask about one area or objective, from `start` up to `end`.

    `environment` is "" for all of them together.
    """

    about: Literal["area", "objective"]
    name: str
    environment: str
    dataset: str
    fields: tuple[str, ...]
    query: str
    start: datetime
    end: datetime

    @property
    def id(self) -> str:
        """The same whoever asks, and whenever."""
        return f"polled:{self.about}:{self.start:%Y-%m-%dT%H:%MZ}:{self.name}:{self.environment}"

    @property
    def key(self) -> str:
        """The key of the delivery that its answer becomes."""
        return OutcomesSource().describe({}, self.body({})).key

    def body(self, figures: Mapping[str, float]) -> bytes:
        """The delivery's body. A rate belongs to the minute it is of, a value to the end."""
        at = self.start if self.about == "area" else self.end
        return json.dumps(
            {
                "id": self.id,
                self.about: self.name,
                "environment": self.environment,
                "at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                **figures,
            }
        ).encode()


def rate_question(area: str, rate_query: str, environment: str, start: datetime) -> Question:
    """How often something was tried, and what share of it failed, in one minute."""
    query = f"({rate_query}) is_transaction:true"
    end = start + RATE_OVER
    return Question("area", area, environment, "spans", (_COUNT, _RATE), query, start, end)


def value_question(
    objective: str, dataset: str, field: str, query: str, environment: str, start: datetime
) -> Question:
    """An objective's value over some minutes."""
    end = start + VALUE_OVER
    return Question("objective", objective, environment, dataset, (field,), query, start, end)


def windows(now: datetime, length: timedelta) -> list[datetime]:
    """When the whole windows begin that are over and not too old, the newest first.

    They are counted from midnight UTC, which `length` must divide, so all see the same ones.
    """
    latest = now - LAG
    midnight = latest.replace(hour=0, minute=0, second=0, microsecond=0)
    end = midnight + (latest - midnight) // length * length
    return [end - length * count for count in range(1, FURTHEST // length + 1)]


def rate_of(answer: Mapping[str, object]) -> tuple[int, int] | None:
    """Attempts and failures; None if nothing was tried.

    Raises:
        Unreadable: one of the two is missing or can't be.
    """
    row = _row(answer)
    if row is None:
        return None
    count = _finite(_field(row, _COUNT))
    if not count:
        return None
    rate = _finite(_field(row, _RATE))
    if rate is None or not 0 <= rate <= 1 or not 0 < count <= _MOST:
        raise Unreadable(f"{_RATE} is {text(row.get(_RATE)) or 'empty'} of {count:g} attempts")
    attempts = max(round(count), 1)  # Sentry extrapolates samples, so a count may be a fraction
    return attempts, round(rate * attempts)


def value_of(answer: Mapping[str, object], field: str) -> float | None:
    """The value of a field, times in milliseconds; None if there was nothing to measure.

    Raises:
        Unreadable: the field is missing.
    """
    row = _row(answer)
    if row is None:
        return None
    value = _finite(_field(row, field))
    unit = text(mapping(mapping(answer.get("meta")).get("units")).get(field))
    return None if value is None else value * _MILLISECONDS.get(unit, 1.0)


def _row(answer: Mapping[str, object]) -> Mapping[str, object] | None:
    if not isinstance(answer.get("data"), list):
        raise Unreadable("there is no `data`")
    rows = items(answer.get("data"))
    return mapping(rows[0]) if rows else None


def _field(row: Mapping[str, object], name: str) -> object:
    if name not in row:
        raise Unreadable(f"there is no {name}")
    return row[name]


def _finite(value: object) -> float | None:
    """A number; None for null, NaN, infinity and what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
