"""Whatever an alert calls a place, normalising it is safe: settled, inside the root, quick."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from responder.classify.culprit import culprit_path, repository_path, route_path

Normaliser = Callable[[str], str | None]
NORMALISERS = [repository_path, route_path, culprit_path]

PIECES = [
    "webpack-internal:///(rsc)/", "webpack://_N_E/", "turbopack:///[project]/", "[project]/",
    "app:///", "file:///", "rsc://React/Server/", "https://x.example/", "C:\\", "(dashboard)/",
    "_next/", ".next/", "server/", "static/chunks/", "app/", "pages/", "src/", "lib/", "apps/web/",
    "..", "../", "./", "/", "\\", "~/", "@/", "%2e%2e%2f", "%252e", "%5B", "[id]", "[...all]",
    ":id", "*?", "?", "#", " in ", "(", ")", "GET ", "Page Server Component (/", "middleware",
    "page-0f3c9a1b.js", "route.ts", "api/", ":12", " ", "\n", "\0", "é", "lib.credits:service",
]  # fmt: skip
anything = st.text() | st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@pytest.mark.parametrize("normalise", NORMALISERS)
@given(raw=anything)
@example(raw="%252e%252e/%252e%252e/lib/x.ts")
@example(raw="f(g(h(lib/x)))")
@example(raw="src/src/apps/a/src/lib/x.ts")
@example(raw="https:///\\..\\x")
@example(raw="a/" * 300)
@example(raw="/" + "a/" * 39)
@example(raw="\ud800/lib/x%41.ts")
def test_settled_and_inside_the_root(normalise: Normaliser, raw: str) -> None:
    path = normalise(raw)
    if path is None:
        return
    assert normalise(path) == path
    assert path
    segments = path.split("/")
    assert ".." not in segments
    assert "." not in segments
    assert "" not in segments
    assert "\\" not in path


@pytest.mark.parametrize("normalise", NORMALISERS)
@pytest.mark.parametrize("piece", [*PIECES, "a", "(a", "[", "a:", "%25", "async ", "transaction:["])
def test_hostile_length_takes_no_time(normalise: Normaliser, piece: str) -> None:
    started = time.perf_counter()
    normalise(piece * 200_000)
    assert time.perf_counter() - started < 0.25
