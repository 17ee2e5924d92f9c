"""Objectives: how targets are written, what meets them, and when one is an incident."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from responder.classify.objectives import Limit, Objective, parse_limit
from responder.playbook.folder import load
from tests.service import PLAYBOOKS


def objective(**fields: Any) -> Objective:
    return Objective.model_validate({"title": "An objective", **fields})


@pytest.mark.parametrize(
    ("written", "limit"),
    [
        ("< 2s", Limit("<", 2000, "ms")),
        ("<2 s", Limit("<", 2000, "ms")),
        ("< 500ms", Limit("<", 500, "ms")),
        (" <= 0.5% ", Limit("<=", 0.5, "%")),
        ("> 99 %", Limit(">", 99, "%")),
        (">= 0", Limit(">=", 0, "")),
        ("< 1.25s", Limit("<", 1250, "ms")),
    ],
)
def test_limits(written: str, limit: Limit) -> None:
    assert parse_limit(written) == limit


@pytest.mark.parametrize(
    "written",
    ["", "2s", "< s", "= 2s", "< -1s", "<< 2s", "< 2m", "< 2 s s", "< 1e3ms", "< 2,5s", "< ٣s"],
)
def test_what_is_no_limit_is_told_with_what_would_be(written: str) -> None:
    with pytest.raises(ValueError, match="write a comparison such as"):
        parse_limit(written)


@pytest.mark.parametrize(
    ("written", "below", "at", "above"),
    [
        ("< 500ms", True, False, False),
        ("<= 500ms", True, True, False),
        ("> 500ms", False, False, True),
        (">= 500ms", False, True, True),
    ],
)
def test_a_limit_is_met_below_at_or_above(written: str, below: bool, at: bool, above: bool) -> None:
    limit = parse_limit(written)
    assert [limit.met_by(value) for value in (499.9, 500, 500.1)] == [below, at, above]


def test_seconds_and_milliseconds_are_one_unit() -> None:
    one = objective(target="< 500ms", alarm="> 3s")
    assert [one.met_by(value) for value in (499, 500)] == [True, False]
    assert [one.alarms(value) for value in (3000, 3000.1)] == [False, True]
    assert not objective(target="< 500ms").alarms(1e9)


@pytest.mark.parametrize(
    ("target", "value", "shown"),
    [
        ("< 500ms", 80.4, "80.4 ms"),
        ("< 500ms", 999, "999 ms"),
        ("< 500ms", 1850, "1.85 s"),
        ("< 2s", 12345, "12.3 s"),
        ("> 99%", 99.25, "99.25 %"),
        ("< 10", 3, "3"),
    ],
)
def test_figures_are_shown_in_their_unit(target: str, value: float, shown: str) -> None:
    assert objective(target=target).show(value) == shown
    assert objective(target=target, measure="p95").describe(value) == (
        f"p95 {shown}, where the target is {target}"
    )


@pytest.mark.parametrize(
    ("target", "alarm", "says"),
    [
        ("< 500ms", "> 3%", "same kind of unit"),
        ("< 5", "> 30s", "same kind of unit"),
        ("< 500ms", "< 3s", "holds for figures that meet the target"),
        ("< 500ms", "> 300ms", "holds for figures that meet the target"),
        ("> 99%", "< 99.5%", "holds for figures that meet the target"),
        ("> 99%", "> 90%", "holds for figures that meet the target"),
        ("< 500ms", "3s", "write a comparison"),
    ],
)
def test_an_alarm_is_for_what_is_far_from_the_target(target: str, alarm: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        objective(target=target, alarm=alarm)


@pytest.mark.parametrize(
    ("target", "alarm"),
    [("< 500ms", "> 3s"), ("< 500ms", ">= 0.5s"), ("> 99%", "< 95%"), ("<= 0%", "> 0%")],
)
def test_an_alarm_may_begin_where_the_target_ends(target: str, alarm: str) -> None:
    assert objective(target=target, alarm=alarm).alarm == alarm


def test_the_shipped_objectives_are_those_the_app_s_team_wrote_down() -> None:
    shipped = {
        name: (one.area, one.target, one.alarm) for name, one in load(PLAYBOOKS).objectives.items()
    }
    assert shipped == {
        "page-load": ("performance", "< 2s", None),
        "api-response": ("performance", "< 500ms", "> 3s"),
        "hms-connection": ("hms", "< 3s", None),
        "database-query": ("database", "< 100ms", None),
        "hms-connection-success": ("hms", "> 99%", None),
        "recording-failures": ("hms", "< 1%", None),
        "token-refresh-failures": ("hms", "<= 0%", None),
    }
