"""Objectives: figures that should stay on one side of a target, such as `p95 < 2s`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from responder.classify.wildcards import contains
from responder.classify.words import Name, Strict, Wildcards
from responder.receive.alert import Metric

_TARGET = re.compile(r"(<=|>=|<|>)\s?([0-9]{1,9}(?:\.[0-9]{1,4})?)\s?(ms|s|%|)")
_SMALL = {"ms": 1.0, "s": 1000.0, "%": 1.0, "": 1.0}
_STATISTIC = re.compile(r"p[0-9]{1,3}|percentile|avg|median|min|max")  # of a time, it is a time


@dataclass(frozen=True, slots=True)
class Limit:
    """A comparison with a figure in milliseconds, percent, or plain."""

    sign: str
    value: float
    unit: str

    def met_by(self, value: float) -> bool:
        """Whether a figure is on the right side."""
        match self.sign:
            case "<":
                return value < self.value
            case "<=":
                return value <= self.value
            case ">":
                return value > self.value
        return value >= self.value


def parse_limit(written: str) -> Limit:
    """Read `< 2s`, `> 99%`, `<= 0.5%`.

    Raises:
        ValueError: it is something else.
    """
    found = _TARGET.fullmatch(written.strip())
    if found is None:
        raise ValueError(f"write a comparison such as `< 2s`, `< 500ms` or `> 99%`, not {written}")
    sign, value, unit = found.groups()
    plain = "ms" if unit == "s" else unit
    return Limit(sign, float(value) * _SMALL[unit], plain)


def _limit(written: str) -> str:
    parse_limit(written)
    return written


Comparison = Annotated[str, AfterValidator(_limit)]


class SentryQuestion(Strict):
    """What to ask Sentry's API for: a field of a dataset, over what matches a query."""

    dataset: str = "spans"
    field: str
    query: str = ""


class Objective(Strict):
    """A figure with a target. Values are in the unit of the target, times in milliseconds.

    `metric_rules` are words in the name of a Sentry metric alert that measures it; `sentry`
    is what to ask Sentry's API. `alarm` is where it is so bad that an incident is opened in
    its `area`.
    """

    title: str
    target: Comparison
    measure: str = Field(default="", description="What the figure is, such as p95.")
    area: Name = "performance"
    alarm: Comparison | None = None
    metric_rules: tuple[Wildcards, ...] = ()
    sentry: SentryQuestion | None = None

    @model_validator(mode="after")
    def _alarm_fits(self) -> Objective:
        if self.alarm is None:
            return self
        target, alarm = self.limit, parse_limit(self.alarm)
        if alarm.unit != target.unit:
            raise ValueError("`alarm` and `target` need the same kind of unit")
        beyond = alarm.value == target.value or not target.met_by(alarm.value)
        if alarm.sign[0] == target.sign[0] or not beyond:
            raise ValueError(
                f"`alarm` {self.alarm} holds for figures that meet the target {self.target}; "
                "write it for those far from it"
            )
        return self

    @model_validator(mode="after")
    def _can_be_asked_for(self) -> Objective:
        if self.sentry and not _measures(_function(self.sentry.field), self.limit.unit):
            raise ValueError(
                f"`sentry.field` {self.sentry.field} is no figure for a target of {self.target}: "
                "times are measured by p95(span.duration) and the like, shares by failure_rate()"
            )
        return self

    @property
    def limit(self) -> Limit:
        """The target, read."""
        return parse_limit(self.target)

    def met_by(self, value: float) -> bool:
        """Whether a figure meets the target."""
        return self.limit.met_by(value)

    def alarms(self, value: float) -> bool:
        """Whether a figure is so bad that an incident is opened."""
        return self.alarm is not None and parse_limit(self.alarm).met_by(value)

    def read(self, figure: float, aggregate: str) -> float | None:
        """What a figure of Sentry's is in the unit of the target; None if it can't be one.

        Sentry gives shares from 0 to 1. A failure rate says of a share that should be high,
        such as `> 99%`, what is missing from it.

        Args:
            aggregate: what was measured, such as `failure_rate()` or `p95(span.duration)`.
        """
        function, limit = _function(aggregate), self.limit
        if figure < 0 or not _measures(function, limit.unit):
            return None
        if limit.unit == "ms":
            return figure or None  # nothing takes no time: there was nothing
        if limit.unit != "%":
            return figure
        percent = figure if function == "percentage" else figure * 100
        if percent > 100:
            return None
        return 100 - percent if function == "failure_rate" and limit.sign[0] == ">" else percent

    def show(self, value: float) -> str:
        """A figure in its unit: `1.85 s`, `99.2 %`."""
        unit = self.limit.unit
        if unit == "ms":
            return f"{_brief(value / 1000)} s" if value >= 1000 else f"{_brief(value)} ms"
        return f"{_brief(value, 4)} {unit}".strip()

    def describe(self, value: float) -> str:
        """A figure beside its target."""
        measure = f"{self.measure} " if self.measure else ""
        return f"{measure}{self.show(value)}, where the target is {self.target}"


def of_metric(metric: Metric, objectives: Mapping[str, Objective]) -> tuple[str, float] | None:
    """The objective that a metric alert measures, by words in its rule's name, and the value.

    Of several the one with the longest words, if what was measured fits its target.
    """
    if metric.value is None:
        return None
    for name in _by_rule(metric.rule, objectives):
        value = objectives[name].read(metric.value, metric.aggregate)
        if value is not None:
            return name, value
    return None


def _by_rule(rule: str, objectives: Mapping[str, Objective]) -> Iterator[str]:
    found = [
        (len(words), name)
        for name, objective in objectives.items()
        for words in objective.metric_rules
        if contains(words, rule)
    ]
    for _, name in sorted(found, key=lambda one: one[0], reverse=True):
        yield name


def _function(aggregate: str) -> str:
    return aggregate.partition("(")[0].strip().casefold()


def _measures(function: str, unit: str) -> bool:
    """Whether what a function of Sentry's gives can be in that unit."""
    match unit:
        case "ms":
            return _STATISTIC.fullmatch(function) is not None
        case "%":
            return function == "percentage" or function.endswith("_rate")
    return True


def _brief(value: float, digits: int = 3) -> str:
    """So many digits, but never an exponent for a large number."""
    return f"{value:.0f}" if value >= 10 ** (digits - 1) else f"{value:.{digits}g}"
