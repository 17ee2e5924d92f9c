"""Whether the trouble of an open incident has gone down. Pure: counts in, words out.

It only tells people, who resolve the incident and release what it holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from responder.classify.areas import Area
from responder.classify.durations import in_words
from responder.classify.thresholds import Reading, Threshold, calm, minute_of

QUIET = timedelta(minutes=15)  # without an alert, where `any` is too much; and after Sentry's word
GOES_ON = "It goes on"


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known about an open incident. Counts are by minute, of what is not settled.

    `since` is when it opened, or was last found to go on; `alerts` are by counter: the area, or
    `area/family`; `outcomes` are attempts and failures. `breach` is when figures last told of
    too much. `said` is what Sentry said after the last alert, and `firing` whether it has not
    yet said that a metric alert is over.
    """

    area: str
    since: datetime
    last_alert: datetime | None = None
    breach: datetime | None = None
    alerts: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    outcomes: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    said: str = ""
    firing: bool = False


@dataclass(frozen=True, slots=True)
class Calm:
    """The trouble has gone down, and how that shows. Nothing has happened after `since`."""

    since: datetime
    text: str


def calmed(watched: Watched, area: Area, *, now: datetime) -> Calm | None:
    """Whether it is over, as far as can be told; None while it is not.

    Each threshold must have been at half or less for a whole window that began with the
    incident or later. Sentry's word, which stands for somebody's, makes a long wait short.
    """
    if watched.firing or _breached_lately(watched, now):
        return None
    windows = [
        (counter, threshold, _window(threshold, watched)) for counter, threshold in _kept(area)
    ]
    if any(watched.since + window > now for *_, window in windows):
        return None
    readings = [
        (_read(watched, counter, threshold, window, now), counter, window)
        for counter, threshold, window in windows
    ]
    if not all(calm(one.threshold, one.count, one.attempts) for one, *_ in readings):
        return None
    longest = max(window for *_, window in windows)
    told = [_words(one, window) for one, counter, window in readings if not counter]
    rate = ", ".join(dict.fromkeys(filter(None, told)))
    fallen = f"The error rate has fallen: {rate}" if rate else ""
    words = "; ".join(filter(None, (fallen, watched.said)))
    return Calm(
        max(watched.last_alert or watched.since, watched.since, now - longest),
        f"{words or f'Nothing more was heard in {in_words(longest)}'}. "
        "Resolve it once you are sure.",
    )


def goes_on(watched: Watched, area: Area, *, now: datetime) -> str:
    """Why an incident that had calmed down goes on though no alert came; empty if it does not.

    Of alerts it is known when they come; this is about figures and metric alerts.
    """
    if watched.firing:
        return f"{GOES_ON}: Sentry's metric alert is firing again"
    if _breached_lately(watched, now):
        return f"{GOES_ON}: the figures are bad again"
    for counter, threshold in _kept(area):
        if threshold.failure_rate is not None:
            reading = _read(watched, counter, threshold, threshold.per, now)
            if reading.breached:
                return f"{GOES_ON}: {reading.describe()}"
    return ""


def _kept(area: Area) -> Iterator[tuple[str, Threshold]]:
    """Every threshold, with the family it is of; none for those of the area itself."""
    for threshold in area.threshold:
        yield "", threshold
    for name, family in area.families.items():
        for threshold in family.thresholds:
            yield name, threshold


def _window(threshold: Threshold, watched: Watched) -> timedelta:
    if threshold.any:
        return QUIET
    return min(threshold.per, QUIET) if watched.said else threshold.per


def _breached_lately(watched: Watched, now: datetime) -> bool:
    return watched.breach is not None and watched.breach > now - QUIET


def _read(
    watched: Watched, family: str, threshold: Threshold, window: timedelta, now: datetime
) -> Reading:
    """A window up to now, with the minute in which it begins: it must be whole."""
    last = minute_of(now)
    minutes = range(last - -(-window // timedelta(minutes=1)), last + 1)
    if threshold.failure_rate is not None:
        rows = [watched.outcomes.get(minute, (0, 0)) for minute in minutes]
        return Reading(threshold, sum(row[1] for row in rows), sum(row[0] for row in rows) or None)
    counter = f"{watched.area}/{family}" if family else watched.area
    counts = watched.alerts.get(counter, {})
    return Reading(threshold, sum(counts.get(minute, 0) for minute in minutes))


def _words(reading: Reading, window: timedelta) -> str:
    """What a window holds; nothing of a rate that nobody measures."""
    when = f"in the last {in_words(window)}"
    if reading.threshold.failure_rate is None:
        return f"{reading.count} {when}"
    return f"{reading.count} of {reading.attempts} failed {when}" if reading.attempts else ""
