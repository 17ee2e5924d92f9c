"""Every place in the app's repository that an alert names, the best evidence first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice

from responder.classify.files import elsewhere, repository_path
from responder.classify.notation import EXTENSION, KEPT, LONGEST, settled
from responder.classify.routes import route_path
from responder.receive.alert import Alert, Frame

FRAMES = 250  # looked at, the newest; deeper ones are recursion

_FUNCTION_OF = re.compile(r"[^/()]*[^/()\s]\((.*?)(?:\)|\.\.\.)$")  # Sentry cuts long ones
_METRIC_TERM = re.compile(
    r"""(?<![\w!.])(?P<key>transaction|culprit|url|(?:http|request)\.url|url\.path|http\.route
        |span\.description|stack\.(?:filename|abs_path|module)):
        (?:\uf00d(?P<operator>\w+)\uf00d)?
        (?P<value>\[(?:"[^"]*"|[^"\]])*\]|"[^"]*"|[^\s"\[][^\s"]*)""",
    re.VERBOSE,
)
_ROOT_FILES = frozenset({"middleware", "proxy", "instrumentation"})
_IN_LIST = re.compile(r'"[^"]*"|[^",]+')


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place an alert names.

    `path` is relative to the repository. `found_in` says which part of the alert named it:
    frame, location, route, culprit, transaction, url or metric. `detail` is what stood there.
    `sure` when a source file was named, not merely a route that leads to one, or a bare word.
    """

    path: str
    found_in: str
    detail: str
    sure: bool


def candidates(alert: Alert, roots: tuple[str, ...] = ()) -> tuple[Candidate, ...]:
    """Every place the alert names, the best evidence first and each path once.

    Frames come first, the newest one leading: they name the code that failed, where all else
    mostly names the way into it. Only frames marked as the app's own count, unless none of
    those names a place. `roots` are folders the app lies in, as of `repository_path`.
    """
    found: dict[str, Candidate] = {}
    for candidate in _named(alert, roots):
        found.setdefault(candidate.path, candidate)
    return tuple(found.values())


def _named(alert: Alert, roots: tuple[str, ...]) -> Iterator[Candidate]:
    own = list(_of_frames((frame for frame in alert.frames if frame.in_app), roots))
    # Development servers with Turbopack mark libraries as the app's, and the app as not.
    yield from own or _of_frames(alert.frames, roots)
    if path := repository_path(alert.location, roots):
        yield Candidate(path, "location", alert.location[:LONGEST], _is_file(path))
    yield from _of_route(alert.route, "route")
    yield from _of_words(alert.culprit, "culprit", roots)
    yield from _of_words(alert.transaction, "transaction", roots)
    yield from _of_route(alert.url, "url")
    if alert.metric is not None:
        for path, term in _of_query(alert.metric.query, roots):
            yield Candidate(path, "metric", term, False)


def _of_frames(frames: Iterable[Frame], roots: tuple[str, ...]) -> Iterator[Candidate]:
    for frame in islice(frames, FRAMES):
        if path := repository_path(frame.path, roots):
            yield Candidate(path, "frame", frame.path[:LONGEST], _is_file(path))
            for other in elsewhere(frame.path[:LONGEST], path):
                yield Candidate(other, "frame", frame.path[:LONGEST], True)


def _of_route(route: str, found_in: str) -> Iterator[Candidate]:
    if path := route_path(route):
        yield Candidate(path, found_in, route[:LONGEST], False)


def _of_words(words: str, found_in: str, roots: tuple[str, ...]) -> Iterator[Candidate]:
    """What a culprit or a transaction names: mostly a route, else code."""
    if path := route_path(words):
        yield Candidate(path, found_in, words[:LONGEST], path == words and "/" in path)
    elif path := culprit_path(words, roots):
        yield Candidate(path, found_in, words[:LONGEST], _is_file(path))


def _is_file(path: str) -> bool:
    """Whether a path is a source file's and not a bare word, such as `f(index)` leaves."""
    return "/" in path or path in _ROOT_FILES or EXTENSION.search(path) is not None


def culprit_path(raw: str, roots: tuple[str, ...] = ()) -> str | None:
    """The path in Sentry's own culprits, `function(path)` and `path in function`, or None."""
    return _culprit_path(raw[:LONGEST], roots)


@lru_cache(KEPT)
def _culprit_path(raw: str, roots: tuple[str, ...]) -> str | None:
    return settled(partial(_blamed, roots), raw)


def _blamed(roots: tuple[str, ...], raw: str) -> str | None:
    """One round of finding the path in a culprit."""
    words = raw.strip()
    function_of = _FUNCTION_OF.match(words)
    words = function_of[1] if function_of else words.partition(" in ")[0]
    path = repository_path(words, roots)
    return None if path is None or re.search(r"\s", path) else path


def _of_query(query: str, roots: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The places a metric rule's query asks for, each with the term that names it."""
    for term in _METRIC_TERM.finditer(query[:LONGEST]):
        operator = term["operator"] or ""
        if operator.startswith("DoesNot"):
            continue
        value = term["value"]
        listed = _IN_LIST.findall(value[1:-1]) if value.startswith("[") else [value]
        for word in listed:
            path = _asked(term["key"], word.strip(' "'), partly=bool(operator), roots=roots)
            if path:
                yield path, term[0]


def _asked(key: str, value: str, *, partly: bool, roots: tuple[str, ...]) -> str | None:
    """The path one value of a query asks for: a file, all files of a folder, or a route."""
    # Without the closing parentheses of those around the term.
    value = value.removesuffix(")" * (value.count(")") - value.count("(")))
    named = value.strip("* ")
    if not key.startswith("stack"):
        return route_path(named)
    path = repository_path(named, roots)
    if path and (partly or value.endswith("*")) and not EXTENSION.search(path):
        return f"{path}/*"
    return path
