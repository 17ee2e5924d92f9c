"""The areas of the app, and which of them an alert is about.

How `classify` decides, first answer first; within one step the most severe area wins, then the
evidence that came first, then the more specific pattern:

1. A metric rule's **aggregate**. What was measured says most: a slow P95 on a credits route is
   about performance, and no reason to stop credits.
2. **Frames** in a critical area.
3. **Messages** of a critical area. The app logs many failures as messages without a stack, whose
   only place is the route they came in by. `Failed to add credits` under a webhook's route is
   a credit failure, and a critical area missed costs more than one suspected in vain.
4. **Frames** in any other area, the newest leading: it names the code that failed, the older
   ones only the way there.
5. Every **other place** the alert names: source files first (location, culprit), then
   transaction patterns, then what routes, transactions, URLs and metric queries lead to.
6. **Messages** of the other areas.
7. A metric rule's **name or query**.
8. Nothing matched: the area `default`.

An entry route that is critical doesn't outrank a frame elsewhere (2 and 4 come before 5): the
frame knows what failed, the route does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    RootModel,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from responder.classify.culprit import Candidate, candidates
from responder.classify.durations import Duration, in_words
from responder.classify.paths import PathPatterns, comparable
from responder.classify.severity import Severity
from responder.classify.wildcards import contains, matches
from responder.receive.alert import Alert, Metric

DEFAULT = "default"
_KINDS = ("paths", "transactions", "messages", "metric_rules")
SHORTEST_WINDOW, LONGEST_WINDOW = timedelta(minutes=1), timedelta(days=7)


def _percent(value: object) -> float:
    if isinstance(value, float):
        rate = value
    else:
        written = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)\s?%", str(value))
        if written is None:
            raise ValueError(f"write a percentage such as 5%, not {value}")
        rate = float(written[1])
    if not 0 <= rate < 100:
        raise ValueError("a failure rate is at least 0% and below 100%")
    return rate


Percent = Annotated[
    float,
    BeforeValidator(_percent),
    PlainSerializer(lambda rate: f"{rate:g}%", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,4})?\s?%$"}),
]


def _says_something(pattern: str) -> str:
    if not pattern.strip("* "):
        raise ValueError(f"{pattern!r} would match everything; write some words")
    return pattern


def _path_pattern(line: str) -> str:
    PathPatterns([line])
    return line


Wildcards = Annotated[str, AfterValidator(_says_something)]
PathPattern = Annotated[str, AfterValidator(_path_pattern)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Threshold(_Strict):
    """When alerts are too many: one of `any`, `more_than` with `per`, `failure_rate`.

    `failure_rate` is in percent and needs to know how often the thing was tried; below
    `at_least` attempts in the window it says nothing.
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
            return f"failure rate above {self.failure_rate:g} %"
        if self.more_than is not None:
            return f"more than {self.more_than} in {in_words(self.per)}"
        return "any error"


class Area(_Strict):
    """A part of the app: what belongs to it, and how much trouble there is too much.

    `paths` are patterns as in a .gitignore; `transactions` must match as a whole, their method
    may be left out; `messages` and `metric_rules` may stand anywhere in the text. `*` stands
    for anything and case does not matter, save in paths. `environments` None means every one.
    """

    title: str
    severity: Severity
    paths: tuple[PathPattern, ...] = ()
    transactions: tuple[Wildcards, ...] = ()
    messages: tuple[Wildcards, ...] = ()
    metric_rules: tuple[Wildcards, ...] = ()
    environments: tuple[str, ...] | None = None
    threshold: Threshold
    act_within: Duration = Field(
        default=timedelta(minutes=15), json_schema_extra={"default": "15m"}
    )

    @cached_property
    def path_patterns(self) -> PathPatterns:
        """The paths, compiled once."""
        return PathPatterns(self.paths)


class Areas(RootModel[dict[Name, Area]]):
    """Every area by name; `default` takes what no other does."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _whole(self) -> Areas:
        if DEFAULT not in self.root:
            raise ValueError("there must be an area `default`, for alerts that match no other")
        for kind in _KINDS:
            owners: dict[str, str] = {}
            for name, area in self.root.items():
                for pattern in getattr(area, kind):
                    same = comparable(pattern) if kind == "paths" else pattern.casefold()
                    owner = owners.setdefault(same, name)
                    if owner != name:
                        raise ValueError(
                            f"{owner} and {name} both claim {pattern} in `{kind}`; "
                            "leave it with one of them"
                        )
        return self

    @cached_property
    def _patterns(self) -> dict[str, list[tuple[str, str, Area]]]:
        return {
            kind: sorted(
                ((p, name, area) for name, area in self.root.items() for p in getattr(area, kind)),
                key=lambda pattern: len(pattern[0]),
                reverse=True,
            )
            for kind in _KINDS
        }

    def longest_first(self, kind: str) -> list[tuple[str, str, Area]]:
        """Every pattern of a kind with the area it belongs to and that area's name."""
        return self._patterns[kind]


def parse_areas(value: object) -> Areas:
    """Read the content of `areas:`.

    Raises:
        pydantic.ValidationError: its locations begin with the area's name.
    """
    return Areas.model_validate(value)


@dataclass(frozen=True, slots=True)
class Match:
    """The area an alert is about.

    `found_in` is the part of the alert that decided: a candidate's, "message" or "metric"; ""
    if there was nothing to go by. `path` is "" when no path decided. `reason` is a sentence.
    """

    area: str
    path: str
    found_in: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Hit:
    """One pattern that matched one piece of evidence, put in words by `evidence`."""

    area: str
    severity: Severity
    pattern: str
    found_in: str
    evidence: str
    path: str = ""


def classify(alert: Alert, areas: Areas) -> Match:
    """Which area an alert is about, and why. The order is the module's docstring."""
    found = candidates(alert)
    frames = list(_by_path((place for place in found if place.found_in == "frame"), areas))
    named = [place for place in found if place.found_in != "frame"]
    messages = list(_by_message(alert, areas))
    places = [
        *_by_path((place for place in named if place.sure), areas),
        *_by_transaction(alert, areas),
        *_by_path((place for place in named if not place.sure), areas),
    ]
    for hits in (
        list(_by_metric_rule(alert.metric, areas, aggregate=True)),
        _critical(frames),
        _critical(messages),
        frames,
        places,
        messages,
        list(_by_metric_rule(alert.metric, areas, aggregate=False)),
    ):
        if hits:
            return _worst(hits, [*frames, *places])
    if found:
        return Match(DEFAULT, found[0].path, found[0].found_in, "nothing matched")
    return Match(DEFAULT, "", "", "nothing matched, and the alert names no place in the app")


def _worst(hits: list[_Hit], places: list[_Hit]) -> Match:
    """The most severe hit, the first among equals; says which place it was put before."""
    worst = max(hits, key=lambda hit: hit.severity.rank)
    reason = f"{worst.evidence} matched {worst.area}: {worst.pattern}"
    leading = places[0] if places else worst
    if leading.severity.rank < worst.severity.rank:
        reason += (
            f"; being {worst.severity} it goes before {leading.area}, "
            f"which {leading.evidence} matched"
        )
    return Match(worst.area, worst.path, worst.found_in, reason)


def _critical(hits: Iterable[_Hit]) -> list[_Hit]:
    return [hit for hit in hits if hit.severity is Severity.CRITICAL]


def _by_path(places: Iterable[Candidate], areas: Areas) -> Iterator[_Hit]:
    """For each place the area whose pattern is the most specific."""
    for place in places:
        best: tuple[tuple[int, int], int, _Hit] | None = None
        for name, area in areas.root.items():
            found = area.path_patterns.best(place.path)
            if found is None:
                continue
            pattern, specificity = found
            if best is None or (specificity, area.severity.rank) > best[:2]:
                hit = _Hit(
                    name, area.severity, pattern, place.found_in, _in_words(place), place.path
                )
                best = specificity, area.severity.rank, hit
        if best is not None:
            yield best[2]


def _in_words(place: Candidate) -> str:
    if place.sure:
        return f"{place.found_in} {place.path}"
    return f"{place.found_in} {place.detail[:200]} ({place.path})"


def _by_transaction(alert: Alert, areas: Areas) -> Iterator[_Hit]:
    for found_in, words in (("transaction", alert.transaction), ("culprit", alert.culprit)):
        _, _, without_method = words.partition(" ")
        for pattern, name, area in areas.longest_first("transactions"):
            if matches(pattern, words) or matches(pattern, without_method):
                yield _Hit(name, area.severity, pattern, found_in, f"{found_in} {words[:200]}")


def _by_message(alert: Alert, areas: Areas) -> Iterator[_Hit]:
    for pattern, name, area in areas.longest_first("messages"):
        for words in (alert.message, alert.title):
            if contains(pattern, words):
                yield _Hit(name, area.severity, pattern, "message", f"message “{words[:200]}”")


def _by_metric_rule(metric: Metric | None, areas: Areas, *, aggregate: bool) -> Iterator[_Hit]:
    if metric is None:
        return
    for pattern, name, area in areas.longest_first("metric_rules"):
        for words in (metric.aggregate,) if aggregate else (metric.rule, metric.query):
            if contains(pattern, words):
                evidence = f"metric rule “{metric.rule}” ({words[:200]})"
                yield _Hit(name, area.severity, pattern, "metric", evidence)
