"""What is known and not worth waking anybody for: ignore rules, maintenance, snoozes.

A critical area is spared by every rule that does not name it: what looks like noise there may
be the one alert that counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from responder.classify.durations import Duration, in_words
from responder.classify.wildcards import contains, matches
from responder.classify.words import Name, Strict, Wildcards
from responder.receive.alert import Alert

LONGEST_IF_CRITICAL = timedelta(hours=4)  # that a snooze may last
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EVERY = re.compile(rf"(day|(?:{'|'.join(_DAYS)})(?:,(?:{'|'.join(_DAYS)}))*) ([0-2]\d):([0-5]\d)")


class Ignore(Strict):
    """Alerts to keep quiet. All that is given must fit; of each list, one entry.

    `messages` may stand anywhere in the title or message; `types` are exceptions' and
    `releases` versions, as a whole; `frames` match where the newest frame was loaded from, or
    of an issue, which has none, its location.
    """

    title: str = ""
    messages: tuple[Wildcards, ...] = ()
    types: tuple[Wildcards, ...] = ()
    releases: tuple[Wildcards, ...] = ()
    frames: tuple[Wildcards, ...] = ()
    environments: tuple[str, ...] = ()
    areas: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Ignore:
        if not (self.messages or self.types or self.releases or self.frames):
            raise ValueError("say what to ignore: `messages`, `types`, `releases` or `frames`")
        return self

    def describe(self) -> str:
        """What it keeps quiet, as people read it."""
        asked = (
            ("says", self.messages),
            ("is a", self.types),
            ("comes from release", self.releases),
            ("was loaded from", self.frames),
            ("is in the environment", self.environments),
        )
        what = " and ".join(f"{verb} {' or '.join(wanted)}" for verb, wanted in asked if wanted)
        return f"what {what}; {_where(self.areas)}"

    def fits(self, alert: Alert) -> bool:
        """Whether the alert is of this kind, whatever its area."""
        newest = alert.frames[0] if alert.frames else None
        addresses = (newest.address, newest.path) if newest else (alert.location,)
        return (
            _any(contains, self.messages, (alert.title, alert.message))
            and _any(matches, self.types, (alert.type,))
            and _any(matches, self.releases, (alert.release,))
            and _any(matches, self.frames, addresses)
            and (not self.environments or alert.environment in self.environments)
        )


def _where(areas: tuple[str, ...]) -> str:
    return f"in {' and '.join(areas)}" if areas else "in every area that is not critical"


def _any(test: object, patterns: tuple[str, ...], texts: tuple[str, ...]) -> bool:
    """Whether no pattern is given, or one fits one of the texts."""
    assert callable(test)
    return not patterns or any(test(pattern, text) for pattern in patterns for text in texts)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone {name}; write one such as Europe/Berlin") from None
    return name


def _recurring(every: str) -> str:
    if not _EVERY.fullmatch(every) or int(every[-5:-3]) > 23:
        raise ValueError("write days and a time, such as `sun 02:00`, `mon,thu 22:30`, `day 04:00`")
    return every


class Maintenance(Strict):
    """A time when alerts are expected: `from` and `until`, or `every` so often `for` so long."""

    title: str = ""
    from_: AwareDatetime | None = Field(default=None, alias="from")
    until: AwareDatetime | None = None
    every: Annotated[str, AfterValidator(_recurring)] | None = None
    for_: Duration | None = Field(default=None, alias="for")
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    areas: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> Maintenance:
        once = self.from_ is not None and self.until is not None
        again = self.every is not None and self.for_ is not None
        if once == again or (self.from_ is None) != (self.until is None):
            raise ValueError("write `from` with `until`, or `every` with `for`")
        if self.from_ and self.until and self.from_ >= self.until:
            raise ValueError("`until` must be after `from`")
        if self.for_ is not None and not timedelta(0) < self.for_ <= timedelta(days=1):
            raise ValueError("`for` is more than nothing, and at most 1d")
        return self

    def describe(self) -> str:
        """When it is, as people read it."""
        if self.for_ is not None:
            return f"every {self.every} ({self.zone}), {in_words(self.for_)}; {_where(self.areas)}"
        return f"once; {_where(self.areas)}"

    def covers(self, at: datetime) -> bool:
        """Whether a moment is in it. Recurring times are those of the zone's own clock."""
        return any(start <= at < end for start, end in self._around(at, range(-2, 1)))

    def next(self, at: datetime) -> tuple[datetime, datetime] | None:
        """When it begins and ends: this time if it is on, else the next time, if there is one."""
        found = (one for one in self._around(at, range(-2, 9)) if one[1] > at)
        return next(found, None)

    def _around(self, at: datetime, days: range) -> Iterator[tuple[datetime, datetime]]:
        """Beginnings and ends, those that begin so many days from the moment's own."""
        if self.from_ is not None and self.until is not None:
            yield self.from_, self.until
            return
        assert self.for_ is not None
        local = at.astimezone(ZoneInfo(self.zone)).date()
        for day in days:
            start = self._start(local + timedelta(days=day))
            if start is not None:
                yield start, start + self.for_

    def _start(self, day: date) -> datetime | None:
        written = _EVERY.fullmatch(self.every or "")
        assert written is not None
        days, hour, minute = written.groups()
        if days != "day" and _DAYS[day.weekday()] not in days.split(","):
            return None
        local = datetime.combine(day, time(int(hour), int(minute)), ZoneInfo(self.zone))
        return local.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Snoozed:
    """Somebody's word that an area or an issue is to be quiet until a time."""

    id: int
    area: str | None
    issue_id: str | None
    since: datetime
    until: datetime
    by: str

    @property
    def span(self) -> timedelta:
        """How long it is."""
        return self.until - self.since

    def covers(self, alert: Alert, area: str, at: datetime) -> bool:
        """Whether it keeps this alert quiet."""
        about = self.area == area if self.area else self.issue_id in {alert.issue_id} - {""}
        return about and self.since <= at < self.until


@dataclass(frozen=True, slots=True)
class Quiet:
    """Why an alert is kept quiet: the rule, as `kind:name`, and a sentence."""

    rule: str
    reason: str


@dataclass(frozen=True)
class Noise:
    """All of the folder's rules about noise, by name."""

    ignore: Mapping[str, Ignore] = field(default_factory=dict)
    maintenance: Mapping[str, Maintenance] = field(default_factory=dict)

    @cached_property
    def rules(self) -> tuple[str, ...]:
        """The name of each, as decisions quote it."""
        ignored = (f"ignore:{name}" for name in self.ignore)
        return (*ignored, *(f"maintenance:{name}" for name in self.maintenance))

    def quiets(
        self,
        alert: Alert,
        area_name: str,
        *,
        critical: bool,
        happened: datetime,
        arrived: datetime,
        snoozes: Iterable[Snoozed],
    ) -> Quiet | None:
        """The rule that keeps an alert quiet, if one does.

        An issue may be snoozed while nobody knows that it is critical, for longer than what is
        critical may be: such a snooze does not hold for it.
        """
        for name, ignore in self.ignore.items():
            named = area_name in ignore.areas
            if (named or not (ignore.areas or critical)) and ignore.fits(alert):
                return Quiet(f"ignore:{name}", f"ignored: {ignore.title or name}")
        for name, window in self.maintenance.items():
            named = area_name in window.areas
            if (named or not (window.areas or critical)) and window.covers(happened):
                return Quiet(f"maintenance:{name}", f"in maintenance: {window.title or name}")
        for snooze in snoozes:
            unaware = critical and snooze.issue_id and snooze.span > LONGEST_IF_CRITICAL
            if not unaware and snooze.covers(alert, area_name, arrived):
                until = snooze.until.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
                return Quiet(f"snooze:{snooze.id}", f"snoozed by {snooze.by} until {until}")
        return None
