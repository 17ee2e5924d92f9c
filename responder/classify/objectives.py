"""Objectives: figures that should stay on one side of a target, such as `p95 < 2s`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from responder.classify.words import Name, Strict, Wildcards

_TARGET = re.compile(r"(<=|>=|<|>)\s?([0-9]{1,9}(?:\.[0-9]{1,4})?)\s?(ms|s|%|)")
_SMALL = {"ms": 1.0, "s": 1000.0, "%": 1.0, "": 1.0}


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
    def _same_unit(self) -> Objective:
        if self.alarm and parse_limit(self.alarm).unit != self.limit.unit:
            raise ValueError("`alarm` and `target` need the same kind of unit")
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

    def show(self, value: float) -> str:
        """A figure in its unit: `1.85 s`, `99.2 %`."""
        unit = self.limit.unit
        if unit == "ms":
            return f"{value / 1000:.3g} s" if value >= 1000 else f"{value:.3g} ms"
        return f"{value:.4g} {unit}".strip()

    def describe(self, value: float) -> str:
        """A figure beside its target."""
        measure = f"{self.measure} " if self.measure else ""
        return f"{measure}{self.show(value)}, where the target is {self.target}"
