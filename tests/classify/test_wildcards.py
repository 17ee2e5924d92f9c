"""Text patterns: stars and expressions, told when they can't be used, never slow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.classify.wildcards import check, contains, matches

MB = 1_000_000


@pytest.mark.parametrize(
    ("pattern", "text", "inside", "whole"),
    [
        ("/HMS (start|stop) recording error/", "HMS stop recording error", True, True),
        ("/HMS (start|stop) recording error/", "Oh: hms START recording error!", True, False),
        ("/HMS (start|stop) recording error/", "HMS recording error", False, False),
        ("/^Failed/", "Failed to add credits", True, False),
        ("/^Failed/", "Has Failed", False, False),
        (r"/\d{3}/", "HTTP 503", True, False),
        (r"/caf\w/", "CAFE", True, True),
        ("/ÜBER/", "über", True, True),
        ("/a.c/", "a\nc", False, False),  # a dot is not the end of a line
        # what only looks like an expression
        ("/api/credits", "GET /api/credits", True, False),
        ("//", "http://x", True, False),
        ("/", "a/b", True, False),
    ],
)
def test_expressions(pattern: str, text: str, inside: bool, whole: bool) -> None:
    assert check(pattern) == pattern
    assert contains(pattern, text) is inside
    assert matches(pattern, text) is whole


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("/(/", "no RE2 expression: missing"),
        ("/[a-/", "no RE2 expression: missing"),
        ("/a**/", "no RE2 expression: bad repetition"),
        (r"/\p{Nonsense}/", "no RE2 expression: invalid character class"),
        ("/(?=credits)x/", "no RE2 expression: invalid perl operator"),
        ("/(?<!no )error/", "no RE2 expression: invalid perl operator"),
        (r"/(a)\1/", "no RE2 expression: invalid escape sequence"),
        ("/a{5000}/", "no RE2 expression: invalid repetition size"),
        ("/.*/", "would match everything"),
        ("/a*/", "would match everything"),
        ("/(x|)/", "would match everything"),
        ("", "would match everything"),
        (" * ", "would match everything"),
        ("***", "would match everything"),
    ],
)
def test_a_pattern_that_can_t_be_used_is_refused_in_words(pattern: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"RE2|everything") as caught:
        check(pattern)
    assert says in str(caught.value)
    assert repr(pattern) in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("/^(a+)+$/", "a" * MB + "!"),
        ("/^(a|aa)+$/", "a" * MB + "!"),
        ("/^(a|a?)+b$/", "a" * MB + "!"),
        ("/(x+x+)+y/", "x" * MB),
        (r"/^(\w+\s?)+$/", "word " * (MB // 5) + "!"),
        ("/(.*)(.*)(.*)(.*)=/", "a" * MB),
        ("a*a*a*a*a*a*a*b", "a" * MB),
        ("*".join("ab" * 100) + "c", "ab" * (MB // 2)),
        ("a" * 1000 + "b", "a" * MB),
    ],
    ids=lambda value: value[:24],
)
def test_hostile_text_takes_no_longer_than_it_is_long(pattern: str, text: str) -> None:
    check(pattern)
    began = time.perf_counter()
    assert not contains(pattern, text)
    assert not matches(pattern, text)
    assert time.perf_counter() - began < 2  # a search that backtracks would take for ever


words = st.text(st.sampled_from("abAB ßİ*"), max_size=12)


@given(words, words)
def test_the_whole_text_is_inside_of_itself(pattern: str, text: str) -> None:
    """What is matched as a whole is found anywhere, and with stars around it the same."""
    if matches(pattern, text):
        assert contains(pattern, text)
    assert contains(pattern, text) == matches(f"*{pattern}*", text)
