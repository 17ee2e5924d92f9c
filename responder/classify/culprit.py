"""From whatever an alert calls a place to a path in the app's repository.

Bundlers, runtimes and Sentry write one source file in dozens of ways: with schemes, layers,
hashes, drives, build folders. Everything here turns them into `lib/credits/service.ts`, or into
None where no path can be known. All of it is idempotent, never raises, takes linear time
(input is cut first, patterns can't backtrack far) and never leaves the repository's root.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from responder.receive.alert import Alert

LONGEST = 1000  # characters looked at; no honest path is longer
DEEPEST = 40  # folders; nor is one deeper
ROUNDS = 5  # how often wrappings may be nested before nobody meant it

EXTENSION = re.compile(r"\.[cm]?[jt]sx?$")

# Folders that stand at the root of a Next.js repository; where a path from some machine's
# root gets into the app.
_ROOTS = frozenset({"app", "components", "hooks", "lib", "pages", "src", "utils"})

_WRAPPERS = re.compile(
    r"""(?: async\ +
        | (?:rsc|about)://React/[^/]*/
        | webpack-internal:/+ (?: \([\w-]+\)/ )?   # with the layer, such as (rsc)
        | (?:webpack|turbopack): (?: //[^/]*/+ | /+ )
        | https?://[^/]*/ (?=_next/)
        | app:/+
        | \[project\]/+
        | \([\w-]+\)/ (?=\.\.?/)                   # a layer; route groups never stand before ./
        | (?:\.|~|@)/+
        )+""",
    re.VERBOSE,
)
_MACHINE_ROOT = re.compile(r"file:/*(?:[A-Za-z]:/+)?|/+(?:[A-Za-z]:/+)?|[A-Za-z]:/+")
_SCHEME = re.compile(r"[A-Za-z][\w+.-]*:")
_NODE_MODULE = re.compile(r"[\w.@()\[\]-]+:[\w.()\[\]-]+$")  # dir.dir:file, as the Node SDK has it
_OTHER_SCHEMES = frozenset({"node", "native", "data", "blob", "about", "javascript", "wasm"})
_POSITION = re.compile(r"(\.[cm]?[jt]sx?)(?::\d+){1,2}$")
_TURBOPACK_NOTE = re.compile(r" \[[\w -]+\] \([^()]*\).*$")
_HASH = re.compile(r"-[0-9a-f]{8,}$")
_CHUNK = re.compile(r"\d+(?:[-.][0-9a-f]+)?(?:\.js)?$")
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_FORBIDDEN = re.compile(r"[<>\x00-\x1f\x7f]|^[A-Z]+ |^serverAction/")

_FOREIGN = frozenset({"node_modules", ".pnpm", "[root-of-the-server]"})
_FOREIGN_ROOTS = frozenset({"webpack", "(webpack)", "[turbopack]", "[externals]", "[next]"})
_NOTHING = frozenset(
    {"?", "native", "eval", "anonymous", "unknown", "undefined", "null",
     "incomplete-app-router-transaction", "NextServer.getRequestHandler"}
)  # fmt: skip

_METHOD = re.compile(r"[A-Z]+\s+(?=/|https?://)")
_ORIGIN = re.compile(r"https?://[^/?#]*")
_QUERY = re.compile(r"#|(?<!\*)\?")  # `:rest*?` is a parameter, not a query
_OF_ROUTE = re.compile(r"([\w-]+)(?:\.[\w.-]+)?(?: Server Component)? \((/.*)\)$")
_MIDDLEWARE = re.compile(r"/?(middleware|proxy)(?: [A-Z]+(?: .*)?)?$")
_FUNCTION_OF = re.compile(r"([^/()]*[^/()\s])?\((.*)\)$")
_METRIC_TERM = re.compile(
    r"""(?<![\w!.])(?P<key>transaction|culprit|url|http\.url
        |stack\.(?:filename|abs_path|module)):
        (?P<value>\[[^\]]*\]|"[^"]*"|[^\s"\[]+)""",
    re.VERBOSE,
)

_PAGE_FILES = frozenset(
    {"page", "layout", "template", "loading", "error", "global-error", "default", "not-found"}
)
_DATA_FETCHERS = frozenset(
    {"getServerSideProps", "getStaticProps", "getStaticPaths", "getInitialProps"}
)
_NO_ROUTES = frozenset({"_next", "_error", "_document", "_not-found", "404", "500"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place an alert names.

    `path` is relative to the repository. `found_in` says which part of the alert named it:
    frame, location, route, culprit, transaction, url or metric. `detail` is what stood there.
    `sure` when a source file was named, not merely a route that leads to one.
    """

    path: str
    found_in: str
    detail: str
    sure: bool


def candidates(alert: Alert) -> tuple[Candidate, ...]:
    """Every place the alert names, the best evidence first and each path once.

    Frames come first, the newest one leading: they name the code that failed, where all else
    mostly names the way into it. Only frames marked as the app's own count, unless none is.
    """
    found: dict[str, Candidate] = {}
    for candidate in _named(alert):
        found.setdefault(candidate.path, candidate)
    return tuple(found.values())


def _named(alert: Alert) -> Iterator[Candidate]:
    own = [frame for frame in alert.frames if frame.in_app] or alert.frames
    for frame in own:
        if path := repository_path(frame.path):
            yield Candidate(path, "frame", frame.path, True)
    if path := repository_path(alert.location):
        yield Candidate(path, "location", alert.location, True)
    if path := route_path(alert.route):
        yield Candidate(path, "route", alert.route, False)
    yield from _place(alert.culprit, "culprit")
    yield from _place(alert.transaction, "transaction")
    if path := route_path(alert.url):
        yield Candidate(path, "url", alert.url, False)
    if alert.metric is not None:
        for path, term in _of_query(alert.metric.query):
            yield Candidate(path, "metric", term, False)


def _place(words: str, found_in: str) -> Iterator[Candidate]:
    """What a culprit or a transaction names: mostly a route, else code."""
    if path := route_path(words):
        yield Candidate(path, found_in, words, False)
    elif path := culprit_path(words):
        yield Candidate(path, found_in, words, True)


def _of_query(query: str) -> Iterator[tuple[str, str]]:
    """The places a metric rule's query asks for, each with the term that names it."""
    for term in _METRIC_TERM.finditer(query[:LONGEST]):
        for word in term["value"].strip("[]").split(","):
            value = word.strip(' "')
            if term["key"].startswith("stack"):
                folder = value.endswith("*")
                path = repository_path(value.strip("*"))
                if path and folder and not EXTENSION.search(path):
                    path = f"{path}/*"
            else:
                path = route_path(value.removesuffix("/*").removesuffix("*"))
            if path:
                yield path, term[0]


def repository_path(raw: str) -> str | None:
    """A file name from a stack frame as a path in the repository, or None.

    None is the answer for libraries, the runtime's own code and chunks that say nothing. Of
    built files only routes and pages still tell their source; those lose their extension.
    """
    path = _settled(_unwrapped, raw)
    if not path or _FORBIDDEN.search(path):
        return None
    segments = path.split("/")
    library = segments[0].startswith("@") or segments[:2] == ["next", "dist"]
    if library or segments[0] in _FOREIGN_ROOTS or segments[0].startswith("external "):
        return None
    if len(segments) == 1 and (path in _NOTHING or _CHUNK.match(path) or " " in path):
        return None
    return path


def route_path(raw: str) -> str | None:
    """A route, URL or transaction name as the file that serves it, or None.

    `POST /api/credits/tip` is served by `app/api/credits/tip/route`, `/session/:id` by
    `app/session/[id]/page`. Route groups are not in URLs, so they are not in the answer.
    """
    return _settled(_served, raw)


def culprit_path(raw: str) -> str | None:
    """The path in Sentry's own culprits, `function(path)` and `path in function`, or None."""
    return _settled(_blamed, raw)


def root_relative(segments: list[str]) -> list[str]:
    """Without the folders of a monorepo, and without `src/`, which changes nothing."""
    if segments[0] == "apps" and len(segments) > 2:
        segments = segments[2:]
    if segments[0] == "src" and len(segments) > 1:
        segments = segments[1:]
    return segments


def _settled(step: Callable[[str], str | None], raw: str) -> str | None:
    """The path on which a step changes nothing more, so that the result is idempotent."""
    path = raw[:LONGEST]
    for _ in range(ROUNDS):
        further = step(path)
        if not further:
            return None
        if further == path:
            return path if path.count("/") <= DEEPEST else None
        path = further
    return None


def _unwrapped(raw: str) -> str | None:
    """One round of taking wrappings off a file name."""
    path = unquote(raw) if "%" in raw else raw
    path = path.strip().replace("\\", "/")
    if wrapper := _WRAPPERS.match(path):
        path = path[wrapper.end() :]
    path = _TURBOPACK_NOTE.sub("", path.partition("?")[0].partition("#")[0])
    path = _POSITION.sub(r"\1", path)
    absolute = _MACHINE_ROOT.match(path)
    if absolute:
        path = path[absolute.end() :]
    elif _NODE_MODULE.match(path) and path.partition(":")[0] not in _OTHER_SCHEMES:
        folders, _, file = path.rpartition(":")
        path = f"{folders[:1]}{folders[1:].replace('.', '/')}/{file}"
    elif _SCHEME.match(path):
        return None
    segments, outside = _resolved(path)
    if not segments or not _FOREIGN.isdisjoint(segments):
        return None
    built = _built(segments)
    if built is not None:
        return built or None
    if absolute or (outside and segments[0] not in _ROOTS):
        segments = _from_root(segments)
    return "/".join(root_relative(segments))


def _resolved(path: str) -> tuple[list[str], bool]:
    """The segments without `.` and `..`, and whether `..` led outside."""
    segments: list[str] = []
    outside = False
    for segment in path.split("/"):
        if segment == "..":
            outside = outside or not segments
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    return segments, outside


def _from_root(segments: list[str]) -> list[str]:
    """From the repository's root on, where a folder tells where that is.

    Containers keep the app in folders such as /app or /usr/src/app, so `app` and `src` are not
    the root when another root folder follows at once.
    """
    for index, segment in enumerate(segments):
        following = segments[index + 1 : index + 2]
        container = segment in ("app", "src") and _ROOTS.issuperset(following) and following
        if segment in _ROOTS and not container:
            return segments[index:]
    return segments


def _built(segments: list[str]) -> str | None:
    """The source of a file in Next.js' build folder: "" if unknown, None if not built."""
    output = [index for index, segment in enumerate(segments) if segment in ("_next", ".next")]
    if output:
        inside = segments[output[-1] + 1 :]
        if inside[:1] == ["dev"]:
            inside = inside[1:]
    elif segments[0] in ("chunks", "static") or segments[:2] in (
        ["server", "app"],
        ["server", "chunks"],
        ["server", "pages"],
    ):
        inside = segments  # Sentry's module names leave out the build folder
    else:
        return None
    hashed = "chunks" in inside[:2]
    while inside and inside[0] in ("static", "server", "chunks"):
        inside = inside[1:]
    if not inside:
        return ""
    file = EXTENSION.sub("", inside[-1])
    if inside[0] in ("app", "pages") and len(inside) > 1:
        return "/".join([*inside[:-1], _HASH.sub("", file) if hashed else file])
    return file if file in ("middleware", "proxy") else ""


def _served(raw: str) -> str | None:
    """One round of turning a route into the file that serves it."""
    route = raw.strip()
    if middleware := _MIDDLEWARE.match(route):
        return middleware[1]
    kind = ""
    if of_route := _OF_ROUTE.match(route):
        kind, route = of_route.groups()
    if method := _METHOD.match(route):
        route = route[method.end() :]
    if origin := _ORIGIN.match(route):
        route = route[origin.end() :] or "/"
    route = route.replace("\\", "/").replace("%5B", "[").replace("%5D", "]")
    route = _QUERY.split(route, maxsplit=1)[0]
    if re.search(r"\s", route):
        return None
    segments = [_parameter(segment) for segment in _resolved(route)[0]]
    if not route.startswith("/"):
        is_file = len(segments) > 1 and segments[0] in ("app", "pages")
        return "/".join(segments) if is_file else None
    if segments and (segments[0] in _NO_ROUTES or EXTENSION.search(segments[-1])):
        return None
    if kind in _DATA_FETCHERS:
        return "/".join(["pages", *(segments or ["index"])])
    if segments[:1] == ["api"]:
        return "/".join(["app", *segments, "route"])
    file = kind.lower() if kind.lower() in _PAGE_FILES else "page"
    return "/".join(["app", *segments, file])


def _parameter(segment: str) -> str:
    """A route's parameter as its folder is called: `:id` is `[id]`, `:rest*` is `[...rest]`."""
    name = segment.removeprefix(":").rstrip("*?+")
    if not segment.startswith(":") or not name:
        return segment
    if segment.endswith("*?"):
        return f"[[...{name}]]"
    return f"[...{name}]" if segment.endswith(("*", "+")) else f"[{name}]"


def _blamed(raw: str) -> str | None:
    """One round of finding the path in a culprit."""
    words = raw.strip()
    if function_of := _FUNCTION_OF.match(words):
        words = function_of[2]
    else:
        before, separator, _ = words.rpartition(" in ")
        words = before if separator else words
    path = repository_path(words)
    return None if path is None or re.search(r"\s", path) else path
