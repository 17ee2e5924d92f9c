"""Objectives: what their files may say, and what Sentry's figures are in their units."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from responder.classify.objectives import Objective, of_metric
from responder.receive.alert import Metric

TIME, FAILS, SUCCEEDS = "< 2s", "< 1%", "> 99%"


def objective(target: str, *rules: str, **fields: Any) -> Objective:
    return Objective(title="T", target=target, metric_rules=rules, **fields)


def metric(rule: str, aggregate: str, value: float | None) -> Metric:
    return Metric(id="1", rule=rule, query="", aggregate=aggregate, description="", value=value)


@pytest.mark.parametrize(
    ("target", "aggregate", "figure", "value"),
    [
        (TIME, "p95(span.duration)", 3200.5, 3200.5),
        (TIME, "P75(measurements.lcp)", 900.0, 900.0),
        (TIME, "percentile(span.duration,0.95)", 900.0, 900.0),
        (TIME, "avg(span.duration)", 900.0, 900.0),
        (TIME, "p95(span.duration)", 0.0, None),  # nothing was measured
        (TIME, "count()", 61.0, None),
        (TIME, "failure_rate()", 0.31, None),
        (TIME, "apdex(300)", 0.9, None),
        (TIME, "", 3.0, None),
        (FAILS, "failure_rate()", 0.31, 31.0),
        (FAILS, "failure_rate()", 0.0, 0.0),
        (FAILS, "http_error_rate()", 0.5, 50.0),
        (FAILS, "failure_rate()", 31.0, None),  # a share above 1 is none
        (FAILS, "count()", 31.0, None),
        (FAILS, "p95(span.duration)", 0.5, None),
        (SUCCEEDS, "failure_rate()", 0.002, 99.8),
        (SUCCEEDS, "percentage(sessions_crashed, sessions) AS _rate", 99.25, 99.25),
        ("< 10", "count()", 61.0, 61.0),
        ("< 10", "count()", -1.0, None),
    ],
)
def test_a_figure_of_sentrys_in_the_unit_of_the_target(
    target: str, aggregate: str, figure: float, value: float | None
) -> None:
    assert objective(target).read(figure, aggregate) == pytest.approx(value)


def test_a_metric_alert_measures_the_objective_its_rule_names() -> None:
    objectives = {
        "page": objective(TIME, "load"),
        "page-load": objective(TIME, "page load"),
        "errors": objective(FAILS, "page load errors"),
    }
    assert of_metric(metric("Slow PAGE LOAD", "p95(x)", 3100), objectives) == ("page-load", 3100)
    assert of_metric(metric("Page load errors", "failure_rate()", 0.5), objectives) == (
        "errors",
        50,
    )
    # What the longest words name can't be a time; what others name can.
    assert of_metric(metric("Page load errors", "p95(x)", 3100), objectives) == ("page-load", 3100)
    assert of_metric(metric("Page load errors", "count()", 3), objectives) is None
    assert of_metric(metric("Page load", "p95(x)", None), objectives) is None
    assert of_metric(metric("Sign-in", "p95(x)", 3100), objectives) is None


@pytest.mark.parametrize("value", [1999, 2000, 2001])
def test_exactly_on_the_target_is_not_below_it(value: float) -> None:
    assert objective("< 2s").met_by(value) is (value < 2000)
    assert objective("<= 2s").met_by(value) is (value <= 2000)
    assert objective("> 2s").met_by(value) is (value > 2000)
    assert objective(">= 2s").met_by(value) is (value >= 2000)


@pytest.mark.parametrize(
    ("target", "value", "shown"),
    [
        (TIME, 0.4444, "0.444 ms"),
        (TIME, 64.25, "64.2 ms"),
        (TIME, 999.6, "1000 ms"),
        (TIME, 1000, "1 s"),
        (TIME, 3200.5, "3.2 s"),
        (TIME, 1_234_567, "1235 s"),
        (FAILS, 0.31, "0.31 %"),
        (SUCCEEDS, 99.25, "99.25 %"),
        ("< 10", 1_234_567, "1234567"),
        ("< 10", 3, "3"),
    ],
)
def test_figures_are_shown_in_their_units(target: str, value: float, shown: str) -> None:
    assert objective(target).show(value) == shown


@pytest.mark.parametrize(
    ("target", "field"),
    [(TIME, "count()"), (TIME, "failure_rate()"), (FAILS, "p95(span.duration)"), (FAILS, "epm()")],
)
def test_a_question_whose_answer_could_not_be_used_is_a_mistake(target: str, field: str) -> None:
    with pytest.raises(ValidationError, match="is no figure for a target of"):
        objective(target, sentry={"field": field})
