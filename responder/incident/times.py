"""Time spans in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def duration(span: timedelta) -> str:
    """A time span as people say it: `850 ms`, `42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`."""
    seconds = max(span.total_seconds(), 0.0)
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    whole = round(seconds)
    for size, name, small, smaller in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {name}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def clock(at: datetime) -> str:
    """A moment to the minute, for sentences: `2026-01-02 03:04 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
