"""Durations as people write them in the files: `90s`, `15m`, `1h`, `2d`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

LONGEST = timedelta(days=366)
_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_WRITTEN = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s?(ms|[smhd])")
_WORDS = (("day", "d"), ("hour", "h"), ("minute", "m"), ("second", "s"))


def _read(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    written = _WRITTEN.fullmatch(value) if isinstance(value, str) else None
    if written is None:
        raise ValueError(f"write a duration with its unit, such as 90s, 15m, 1h or 2d, not {value}")
    duration = float(written[1]) * _UNITS[written[2]]
    if duration > LONGEST:
        raise ValueError(f"{value} is too long; at most {LONGEST.days}d")
    return duration


def written(duration: timedelta) -> str:
    """As it would be written in a file, in the largest unit that needs no fraction."""
    unit = next((unit for unit, size in _UNITS.items() if duration and not duration % size), "ms")
    return f"{duration / _UNITS[unit]:g}{unit}"


def in_words(duration: timedelta) -> str:
    """For people to read: `1 hour`, `15 minutes`."""
    for word, unit in _WORDS:
        if duration and not duration % _UNITS[unit]:
            number = duration // _UNITS[unit]
            return f"{number} {word}{'' if number == 1 else 's'}"
    return f"{duration.total_seconds():g} seconds"


Duration = Annotated[
    timedelta,
    BeforeValidator(_read),
    PlainSerializer(written, return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^[0-9]{1,9}(\.[0-9]{1,3})?\s?(ms|s|m|h|d)$",
            "examples": ["90s", "15m", "1h", "2d"],
        }
    ),
]
