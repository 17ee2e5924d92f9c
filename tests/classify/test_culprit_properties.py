"""Whatever an alert calls a place, normalising it is safe: settled, inside the root, quick."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from responder.classify.culprit import FRAMES, candidates, culprit_path
from responder.classify.files import repository_path
from responder.classify.notation import DEEPEST, LONGEST
from responder.classify.paths import PathPatterns
from responder.classify.routes import route_path
from responder.receive.alert import Alert, Frame, Metric, Signal

Normaliser = Callable[[str], str | None]
ROOTS = ("packages/site", "lib")


def below_roots(raw: str) -> str | None:
    return repository_path(raw, ROOTS)


NORMALISERS = [repository_path, route_path, culprit_path, below_roots]

PIECES = [
    "webpack-internal:///(rsc)/", "webpack://_N_E/", "turbopack:///[project]/", "[project]/",
    "app:///", "file:///", "rsc://React/Server/", "https://x.example/", "https://x.example", "C:\\",
    "(dashboard)/", "(rsc)/", "_next/", ".next/", "server/", "static/chunks/", "chunks/", "app/",
    "pages/", "src/", "lib/", "apps/web/", "packages/site/", "/var/task/", "/home/me/", "/app/",
    "supabase/functions/", "node_modules/", "..", "../", "./", "/", "\\", "~/", "@/", "@scope/",
    "%2e%2e%2f", "%252e", "%5B", "%41", "[id]", "[...all]", ":id", "*?", "*", "?", "#", " in ",
    "(", ")", "[", "]", "GET ", "RSC GET ", "Page Server Component (/", ".generateMetadata (/",
    "middleware", "proxy", "page", "route", "page-0f3c9a1b.js", "route.ts", ".rsc", "api/", ":12",
    ":", "::", ".", "...", " ", "\n", "\0", "\ud800", "\u202e", "é", "async ", "8421", "_N_E/",
    "lib.credits:service", ".next.server.app:page", "a", "x.ts", "service", "serverAction/", "<",
]  # fmt: skip
SPELLING = ["", "", *PIECES]


def check(raw: str) -> None:
    for normalise in NORMALISERS:
        path = normalise(raw)
        if path is None:
            continue
        assert normalise(path) == path
        assert path
        assert len(path) <= LONGEST
        assert path.count("/") <= DEEPEST
        assert path.isprintable()
        assert "\\" not in path
        assert not re.match(r"[A-Za-z][\w+.-]*:", path)  # neither scheme nor drive
        segments = path.split("/")
        assert ".." not in segments
        assert "." not in segments
        assert "" not in segments  # nor absolute


# 50,000 examples in all. One draw of bytes, each byte a piece of some notation, is many times
# cheaper than to draw the pieces; and five runs are cheaper than one, which remembers more.
@pytest.mark.parametrize("pieces", [3, 5, 7, 9, 12])
@settings(
    max_examples=10_000,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(spelt=st.binary(min_size=13, max_size=13))
def test_settled_and_inside_the_root(pieces: int, spelt: bytes) -> None:
    words = "".join(SPELLING[byte % len(SPELLING)] for byte in spelt[:pieces])
    check(f"/{words}" if spelt[-1] % 2 else words)  # every other one may be a route


@settings(max_examples=2_000, deadline=None, database=None)
@given(raw=st.text() | st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
@example(raw="%252e%252e/%252e%252e/lib/x.ts")
@example(raw="f(g(h(lib/x)))")
@example(raw="src/src/apps/a/src/lib/x.ts")
@example(raw="packages/site/packages/site/lib/lib/x.ts")
@example(raw="https:///\\..\\x")
@example(raw="a/" * 300)
@example(raw="/" + "a/" * 39)
@example(raw="/" + "a" * (LONGEST - 1))
@example(raw="\ud800/lib/x%41.ts")
def test_settled_and_inside_the_root_however_long(raw: str) -> None:
    check(raw)


anything = st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=6).map("".join)


@settings(max_examples=500, deadline=None, database=None)
@given(words=st.lists(anything, min_size=6, max_size=6), paths=st.lists(anything, max_size=4))
def test_an_alert_names_each_place_once(words: list[str], paths: list[str]) -> None:
    culprit, transaction, location, route, url, query = words
    alert = Alert(
        "sentry",
        "event_alert",
        "triggered",
        Signal.FIRING,
        culprit=culprit,
        transaction=transaction,
        location=location,
        route=route,
        url=url,
        frames=tuple(Frame(path, in_app=len(path) % 2 == 0) for path in paths),
        metric=Metric("1", "rule", f"transaction:{query} stack.filename:[{query}]", "count()", ""),
    )
    found = candidates(alert)
    assert len({place.path for place in found}) == len(found)
    assert {place.found_in for place in found} <= {
        "frame", "location", "route", "culprit", "transaction", "url", "metric",
    }  # fmt: skip


folders = st.lists(
    st.sampled_from(["app", "lib", "credits", "(in)", "[id]", "[...all]", "a.b", "session"]),
    min_size=1,
    max_size=4,
).map("/".join)
names = st.sampled_from(["page", "route", "service.server", "index", "x-1"])
extensions = st.sampled_from([".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", ".mts", ".cts"])


@settings(max_examples=300, deadline=None, database=None)
@given(folders, names, folders, names | st.sampled_from(["*", "**", "pa*"]), extensions, extensions)
def test_patterns_ignore_the_extension(
    folder: str, name: str, claimed: str, last: str, one: str, other: str
) -> None:
    path, pattern = f"{folder}/{name}", f"{claimed}/{last}"
    for line in (pattern, f"{folder}/{last}"):
        plain = PathPatterns([line]).best(path) is not None
        assert (PathPatterns([line]).best(path + one) is not None) is plain
        assert (PathPatterns([line + other]).best(path) is not None) is plain
        assert (PathPatterns([line + other]).best(path + one) is not None) is plain
    assert PathPatterns([path + one]).best(path + other) is not None


@pytest.mark.parametrize("normalise", NORMALISERS)
@pytest.mark.parametrize(
    "piece", [*PIECES, "(a", "a:", "%25", "%", " [a", "a (", "webpack://@a/", "transaction:["]
)
def test_hostile_length_takes_no_time(normalise: Normaliser, piece: str) -> None:
    started = time.perf_counter()
    normalise(piece * 200_000)
    assert time.perf_counter() - started < 0.25


def test_only_the_newest_frames_are_looked_at() -> None:
    frames = tuple(Frame(f"./lib/deep/{number}.ts", in_app=True) for number in range(10_000))
    alert = Alert("sentry", "error", "created", Signal.FIRING, frames=frames)
    started = time.perf_counter()
    found = candidates(alert)
    assert time.perf_counter() - started < 0.25  # takes some 5 ms
    assert [place.path for place in found] == [f"lib/deep/{number}.ts" for number in range(FRAMES)]


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "/",
        "lib/",
        "%2e%2e/",
        "((",
        "f(",
        ":a*",
        " in ",
        "GET /",
        "transaction:[",
        'url:"',
        "é",
    ],
)
def test_only_the_beginning_of_a_text_is_looked_at(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    alert = Alert(
        "sentry",
        "error",
        "created",
        Signal.FIRING,
        culprit=text,
        transaction=text,
        location=text,
        route=f"/{text}",
        url=f"https://kulti.example/?{text}",
        frames=(Frame(text, in_app=True),),
        metric=Metric("1", "rule", f"transaction:{text}", "count()", ""),
    )
    started = time.perf_counter()
    found = candidates(alert)
    assert time.perf_counter() - started < 0.25  # takes some 2 ms
    assert all(len(place.path) <= LONGEST for place in found)
    assert all(len(place.detail) <= LONGEST for place in found)
