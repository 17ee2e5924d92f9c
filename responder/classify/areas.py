"""The areas of the app: what belongs to each, and how much trouble there is too much."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from typing import Literal

from pydantic import ConfigDict, Field, RootModel, model_validator

from responder.classify.durations import Duration
from responder.classify.paths import PathPatterns, comparable
from responder.classify.severity import Severity
from responder.classify.thresholds import Family, Thresholds, describe
from responder.classify.ties import tie
from responder.classify.wildcards import contains
from responder.classify.words import Name, PathPattern, Strict, Wildcards

DEFAULT = "default"
_KINDS = ("paths", "transactions", "messages", "metric_rules", "metric_alerts", "projects")


class Area(Strict):
    """A part of the app: what belongs to it, and how much trouble there is too much.

    `paths` are patterns as in a .gitignore; `transactions` and `tags` must match as a whole, a
    transaction's method may be left out; `messages` and `metric_rules` may stand anywhere in
    the text. `*` stands for anything and case does not matter, save in paths. `metric_alerts`
    are the ids of Sentry's rules. `environments` None means every one.

    `first_seen` says what an issue nobody has seen before does: open an incident, or be told
    in chat. `rate_query` is what Sentry's API is asked for, to know failures and attempts.
    """

    title: str
    severity: Severity
    paths: tuple[PathPattern, ...] = ()
    transactions: tuple[Wildcards, ...] = ()
    messages: tuple[Wildcards, ...] = ()
    tags: dict[str, Wildcards] = Field(default_factory=dict)
    projects: tuple[str, ...] = ()
    metric_rules: tuple[Wildcards, ...] = ()
    metric_alerts: tuple[str, ...] = ()
    environments: tuple[str, ...] | None = None
    threshold: Thresholds
    families: dict[Name, Family] = Field(default_factory=dict)
    first_seen: Literal["open", "tell"] | None = None
    rate_query: str = ""
    act_within: Duration = Field(
        default=timedelta(minutes=15), json_schema_extra={"default": "15m"}
    )

    @cached_property
    def path_patterns(self) -> PathPatterns:
        """The paths, compiled once."""
        return PathPatterns(self.paths)

    @cached_property
    def longest(self) -> timedelta:
        """The longest window that any of its thresholds looks at."""
        families = (one for family in self.families.values() for one in family.thresholds)
        return max(threshold.per for threshold in (*self.threshold, *families))

    def describe_threshold(self) -> str:
        """Its thresholds as people read them."""
        return describe(self.threshold)

    def family_of(self, *texts: str) -> tuple[str, Family] | None:
        """The family that a message belongs to, by its longest pattern."""
        found = (
            (len(pattern), name, family)
            for name, family in self.families.items()
            for pattern in family.messages
            if any(contains(pattern, text) for text in texts)
        )
        best = max(found, key=lambda one: one[0], default=None)
        return best and best[1:]


class Areas(RootModel[dict[Name, Area]]):
    """Every area by name; `default` takes what no other does."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _whole(self) -> Areas:
        if DEFAULT not in self.root:
            raise ValueError("there must be an area `default`, for alerts that match no other")
        for mistake in (*self._claimed_twice(), *self._ties()):
            raise ValueError(mistake)
        return self

    def _claimed_twice(self) -> Iterator[str]:
        for kind in (*_KINDS, "tags"):
            owners: dict[str, str] = {}
            for name, area in self.root.items():
                for pattern in _written(area, kind):
                    same = comparable(pattern) if kind == "paths" else pattern.casefold()
                    owner = owners.setdefault(same, name)
                    if owner != name:
                        yield (
                            f"{owner} and {name} both claim {pattern} in `{kind}`; "
                            "leave it with one of them"
                        )

    def _ties(self) -> Iterator[str]:
        """Path patterns of two areas that are as specific as each other and meet."""
        every = [
            (pattern, name, area) for name, area in self.root.items() for pattern in area.paths
        ]
        for position, (one, name, area) in enumerate(every):
            for other, other_name, other_area in every[:position]:
                if name == other_name or area.severity is not other_area.severity:
                    continue
                meeting = tie(one, other)
                if meeting:
                    yield (
                        f"{other_name} and {name} both claim {meeting}, by `{other}` and `{one}`, "
                        "and neither says more; make one of them longer"
                    )

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

    @cached_property
    def places(self) -> dict[str, tuple[str, str] | None]:
        """The area and pattern of paths looked up before; see match.py."""
        return {}


def _written(area: Area, kind: str) -> tuple[str, ...]:
    if kind == "tags":
        return tuple(f"{key}: {value}" for key, value in area.tags.items())
    patterns: tuple[str, ...] = getattr(area, kind)
    return patterns


def parse_areas(value: object) -> Areas:
    """Read the content of `areas:`.

    Raises:
        pydantic.ValidationError: its locations begin with the area's name.
    """
    return Areas.model_validate(value)
