"""How much trouble there is too much, and when a window of it is over that.

Counts are kept by the minute, so windows are whole ones. Minutes are numbered from 1970 in UTC:
no change of clocks and no turn of the year makes one longer than another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from responder.classify.durations import Duration, in_words
from responder.classify.severity import Severity
from responder.classify.words import Percent, Strict, Wildcards

SHORTEST_WINDOW, LONGEST_WINDOW = timedelta(minutes=1), timedelta(days=7)


class Threshold(Strict):
    """When alerts are too many: one of `any`, `more_than` with `per`, `failure_rate`.

    `failure_rate` is in percent and needs to know how often the thing was tried; below
    `at_least` attempts in the window it says nothing. `severity` is that of an incident that
    this threshold opens or worsens; left out, the area's.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["any"]},
                {"required": ["more_than", "per"]},
                {"required": ["failure_rate", "per"]},
            ]
        }
    )

    any: Literal[True] | None = None
    more_than: int | None = Field(default=None, ge=0)
    failure_rate: Percent | None = None
    per: Duration = Field(default=timedelta(hours=1), json_schema_extra={"default": "1h"})
    at_least: int = Field(default=20, ge=1)
    severity: Severity | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Threshold:
        kinds = (self.any, self.more_than, self.failure_rate)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError(
                "write one of `any: true`, `{more_than: 10, per: 1h}` "
                "and `{failure_rate: 5%, per: 15m}`"
            )
        if not self.any and "per" not in self.model_fields_set:
            raise ValueError("say in what time, such as `per: 1h`")
        if self.any and "per" in self.model_fields_set:
            raise ValueError("`any: true` looks at no window; leave `per` out")
        if self.failure_rate is None and "at_least" in self.model_fields_set:
            raise ValueError("`at_least` belongs to a failure rate; leave it out")
        if not SHORTEST_WINDOW <= self.per <= LONGEST_WINDOW:
            raise ValueError(f"`per` is from {in_words(SHORTEST_WINDOW)} to 7 days")
        return self

    def describe(self) -> str:
        """The threshold as people read it."""
        if self.failure_rate is not None:
            return f"failure rate above {self.failure_rate:g} % in {in_words(self.per)}"
        if self.more_than is not None:
            return f"more than {self.more_than} in {in_words(self.per)}"
        return "any error"

    @property
    def minutes(self) -> int:
        """How many minutes its window has."""
        return -(-self.per // timedelta(minutes=1))


def _several(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


# One threshold, or a list of which each is enough.
Thresholds = Annotated[
    tuple[Threshold, ...],
    BeforeValidator(_several, json_schema_input_type=Threshold | list[Threshold]),
    Field(min_length=1, max_length=10),
]


def describe(thresholds: tuple[Threshold, ...]) -> str:
    """Several thresholds as people read them."""
    return ", or ".join(threshold.describe() for threshold in thresholds)


class Family(Strict):
    """Errors of an area that belong together, counted by themselves besides.

    Over `warn` they open an incident of their `severity`, over `critical` a critical one.
    """

    title: str
    messages: tuple[Wildcards, ...] = Field(min_length=1)
    severity: Severity
    warn: Threshold | None = None
    critical: Threshold | None = None

    @model_validator(mode="after")
    def _counts(self) -> Family:
        thresholds = [one for one in (self.warn, self.critical) if one is not None]
        if not thresholds:
            raise ValueError("say when they are too many: `warn`, `critical` or both")
        if any(one.failure_rate is not None or one.severity is not None for one in thresholds):
            raise ValueError("a family is counted: write `{more_than: 5, per: 10m}`")
        return self

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """Both, each with the severity it stands for."""
        levels = ((self.critical, Severity.CRITICAL), (self.warn, self.severity))
        return tuple(
            threshold.model_copy(update={"severity": severity})
            for threshold, severity in levels
            if threshold is not None
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """A threshold's window at its worst: alerts or failures in it, and attempts if known."""

    threshold: Threshold
    count: int
    attempts: int | None = None

    @property
    def breached(self) -> bool:
        """Whether it is over the threshold."""
        return breached(self.threshold, self.count, self.attempts)

    @property
    def nearness(self) -> float:
        """How near it is to a breach, from 0 to 1; more the further it is beyond."""
        if self.threshold.failure_rate is None:
            return self.count / ((self.threshold.more_than or 0) + 1)
        if not self.attempts or self.attempts < self.threshold.at_least:
            return 0.0
        allowed = self.threshold.failure_rate * self.attempts / 100
        return self.count / allowed if allowed else float(self.count)

    def describe(self) -> str:
        """What was read, beside what is allowed."""
        if self.threshold.failure_rate is None:
            return f"{self.count}, where {self.threshold.describe()} is too much"
        if not self.attempts:
            return f"no attempts known, for a {self.threshold.describe()}"
        rate = f"{self.count} of {self.attempts} failed ({100 * self.count / self.attempts:.3g} %)"
        few = ""
        if self.attempts < self.threshold.at_least:
            few = f", too few to tell (at least {self.threshold.at_least})"
        return f"{rate}, for a {self.threshold.describe()}{few}"


def breached(threshold: Threshold, count: int, attempts: int | None = None) -> bool:
    """Whether a window's count is over the threshold; exactly on it is not.

    Args:
        count: alerts in the threshold's window, the newest included; failures for a rate.
        attempts: how often it was tried in that window, failures included. A failure rate
            is never breached while this is unknown or below the threshold's `at_least`.
    """
    if threshold.failure_rate is not None:
        if not attempts or attempts < threshold.at_least:
            return False
        return count * 100 > threshold.failure_rate * attempts
    return threshold.any or count > (threshold.more_than or 0)


def calm(threshold: Threshold, count: int, attempts: int | None = None) -> bool:
    """Whether a window is so far below the threshold that the trouble may be over.

    At half of it, so that what goes up and down around the threshold is not told as over and
    back again each time.
    """
    if threshold.failure_rate is not None:
        return not attempts or count * 200 <= threshold.failure_rate * attempts
    return count * 2 <= (threshold.more_than or 0)


def minute_of(at: datetime) -> int:
    """The number of the UTC minute a moment falls in."""
    return int(at.timestamp() // 60)


def minute_start(number: int) -> datetime:
    """When the minute of that number begins."""
    return datetime.fromtimestamp(number * 60, UTC)


def busiest(minutes: Mapping[int, int], threshold: Threshold, happened: int, now: int) -> int:
    """The most alerts in any of the threshold's windows that holds the minute `happened`.

    For an alert that is on time that is the window up to now. One that comes late counts
    with its neighbours before and after: what was too much is too much, whenever it is heard.
    """
    sums = _windows(lambda minute: (minutes.get(minute, 0), 0), threshold, happened, now)
    return max(alerts for alerts, _ in sums)


def worst(
    minutes: Mapping[int, tuple[int, int]], threshold: Threshold, happened: int, now: int
) -> tuple[int, int]:
    """Of the windows that hold a minute, failures and attempts of the one that failed most.

    Windows with too few attempts to tell count only where there is no other.
    """

    def failed_most(window: tuple[int, int]) -> tuple[bool, float, int, int]:
        attempts, failures = window
        rate = failures / attempts if attempts else 0.0
        return attempts >= threshold.at_least, rate, failures, attempts

    sums = _windows(lambda minute: minutes.get(minute, (0, 0)), threshold, happened, now)
    attempts, failures = max(sums, key=failed_most)
    return failures, attempts


def _windows(
    in_minute: Callable[[int], tuple[int, int]], threshold: Threshold, happened: int, now: int
) -> Iterator[tuple[int, int]]:
    """The sums of every window that holds a minute, each made from the one before."""
    span = threshold.minutes
    rows = [in_minute(minute) for minute in range(happened - span + 1, happened + 1)]
    left, right = sum(row[0] for row in rows), sum(row[1] for row in rows)
    yield left, right
    for end in range(happened + 1, min(happened + span - 1, now) + 1):
        new, old = in_minute(end), in_minute(end - span)
        left, right = left + new[0] - old[0], right + new[1] - old[1]
        yield left, right
