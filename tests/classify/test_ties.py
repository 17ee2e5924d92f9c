"""Two patterns of which neither says more about a path: told, and only then."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from responder.classify.areas import parse_areas
from responder.classify.paths import PathPatterns
from responder.classify.ties import tie

DEFAULT: dict[str, Any] = {"title": "Else", "severity": "medium", "threshold": {"any": True}}
TIES = [
    ("lib/*/client.ts", "lib/?/client.ts"),
    ("lib/*.ts", "lib/?.ts"),
    ("app/**/tip/", "app/**/tip*"),
    ("lib/a*", "lib/a?"),
    ("**/credits/*", "**/credits*/"),
    ("app/(shop)/*", "app/(shop)/?"),
]
NO_TIES = [
    ("lib/auth/**", "lib/mail/**"),  # never meet
    ("lib/credits/**", "lib/**"),  # one says more
    ("lib/credits/**", "lib/credits/service.ts"),
    ("app/api/credits/tip/**", "app/**/tip/*"),
    ("lib/*/client.ts", "lib/*/server.ts"),
    ("lib/*/a/**", "lib/*/b/**"),
    ("components/session/**", "app/api/**/session"),
    ("!lib/a/**", "lib/b/**"),
    ("app/session/[id]/**", "app/session/[no]/*"),
]


def areas(one: str, other: str, *, severity: str = "high") -> object:
    def area(pattern: str, severity: str) -> dict[str, Any]:
        return DEFAULT | {"paths": [pattern], "severity": severity}

    return {"default": DEFAULT, "one": area(one, "high"), "other": area(other, severity)}


@pytest.mark.parametrize(("one", "other"), TIES)
def test_a_tie_is_told_with_a_path_that_both_claim(one: str, other: str) -> None:
    path = tie(one, other)
    assert path is not None
    found, found_too = PathPatterns([one]).best(path), PathPatterns([other]).best(path)
    assert found is not None
    assert found_too is not None
    assert found[1] == found_too[1]
    assert tie(other, one) is not None
    with pytest.raises(ValidationError, match="neither says more; make one of them longer") as told:
        parse_areas(areas(one, other))
    assert f"`{one}`" in str(told.value)
    assert f"`{other}`" in str(told.value)


@pytest.mark.parametrize(("one", "other"), TIES)
def test_the_more_severe_area_wins_a_tie_so_it_is_none(one: str, other: str) -> None:
    parse_areas(areas(one, other, severity="critical"))


@pytest.mark.parametrize(("one", "other"), NO_TIES)
def test_no_alarm_where_there_is_no_tie(one: str, other: str) -> None:
    assert tie(one, other) is None
    assert tie(other, one) is None


def test_an_area_may_tie_with_itself() -> None:
    one, other = TIES[0]
    parse_areas({"default": DEFAULT, "one": DEFAULT | {"paths": [one, other]}})


segments = st.sampled_from(["a", "b", "*", "**", "a*", "?b", "[id]", "(g)"])
patterns = st.lists(segments, min_size=1, max_size=4).map("/".join)


@given(patterns, patterns)
def test_what_is_told_is_true(one: str, other: str) -> None:
    """No false alarm: both claim the path, and are as specific as each other."""
    try:
        path = tie(one, other)
    except ValueError:  # only a route group: no pattern at all
        return
    if path is not None:
        found, found_too = PathPatterns([one]).best(path), PathPatterns([other]).best(path)
        assert found is not None
        assert found_too is not None
        assert found[1] == found_too[1]
