"""From a route, URL or transaction name to the file that serves it.

The server and the browser spell a route's parameters differently, Sentry puts methods and
functions around it, and a URL has its origin and query. It never raises, takes linear time and
never leaves the repository's root.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

from responder.classify.notation import EXTENSION, KEPT, LONGEST, resolved, settled

_METHOD = re.compile(
    r"""(?: (?:RSC\ )? (?:[A-Z]+|get|head|post|put|patch|delete|options)
        | (?:executing\ api|render)\ route\ \((?:app|pages)\)   # Next.js' own spans
        )\s+ (?=/|(?i:https?)://)""",
    re.VERBOSE,
)
_ORIGIN = re.compile(r"(?i:https?)://[^/?#]*")
_QUERY = re.compile(r"#|(?<!\*)\?")  # `:rest*?` is a parameter, not a query
_PLAIN = re.compile(r"%(?:2[DdEe]|3[0-9]|4[0-9A-Fa-f]|5[0-9ABDFabdf]|6[0-9A-Fa-f]|7[0-9AaEe])")
# What browsers ask for of a page, on Vercel: `/dashboard.rsc`, and `/index.rsc` of `/`.
_SERVER_COMPONENTS = re.compile(r"(?:(?<=^/)index)?(?:\.prefetch|\.segments/.*)?\.rsc$")
_OF_ROUTE = re.compile(r"([\w-]+)(?:\.[\w.-]+)?(?: Server Component)? \((/.*)\)$")
_MIDDLEWARE = re.compile(r"(?:[A-Z]+ )?/?(?:src/)?(middleware|proxy)(?: [A-Z]+(?: .*)?)?$")
_PARAMETER = re.compile(r":([\w-]+)(\*\?|[*+?])?$")
_ID = re.compile(r"\d+$|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$|[0-9a-f]{16,}$")

_PAGE_FILES = frozenset(
    {"page", "layout", "template", "loading", "error", "global-error", "default", "not-found"}
)
_DATA_FETCHERS = frozenset(
    {"getServerSideProps", "getStaticProps", "getStaticPaths", "getInitialProps"}
)
_PAGES_FILES = frozenset({"_app", "_document", "_error"})
_NO_ROUTES = frozenset(
    {"_next", "_error", "_document", "_not-found", "_global-error", "404", "500"}
)


def route_path(raw: str) -> str | None:
    """A route, URL or transaction name as the file that serves it, or None.

    `POST /api/credits/tip` is served by `app/api/credits/tip/route`, `/session/:id` and
    `/session/8412` by `app/session/[id]/page`. Route groups are not in URLs, so they are not in
    the answer.
    """
    return _route_path(raw[:LONGEST])


@lru_cache(KEPT)
def _route_path(raw: str) -> str | None:
    return settled(_served, raw)


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
        route = route[origin.end() :]
        route = route if route.startswith("/") else f"/{route}"
    route = _QUERY.split(route.replace("\\", "/"), maxsplit=1)[0]
    route = _PLAIN.sub(lambda encoded: unquote(encoded[0]), route)
    if re.search(r"\s", route):
        return None
    if route.startswith("/"):
        route = _SERVER_COMPONENTS.sub("", route)
    segments = [_folder(segment) for segment in resolved(route)[0]]
    if not route.startswith("/"):
        is_file = len(segments) > 1 and segments[0] in ("app", "pages")
        return "/".join(segments) if is_file else None
    if len(segments) > 1 and segments[-1] in ("page", "route"):  # as Next.js names it inside
        segments = segments[:-1]
    if segments and (segments[0] in _NO_ROUTES or EXTENSION.search(segments[-1])):
        return None
    if kind in _PAGES_FILES:
        return f"pages/{kind}"
    if kind in _DATA_FETCHERS:
        return "/".join(["pages", *(segments or ["index"])])
    if segments[:1] == ["api"]:
        return "/".join(["app", *segments, "route"])
    file = kind.lower() if kind.lower() in _PAGE_FILES else "page"
    return "/".join(["app", *segments, file])


def _folder(segment: str) -> str:
    """A route's segment as its folder is called: `:id` is `[id]`, `:rest*` is `[...rest]`.

    What can only be somebody's identifier stands for a parameter too; its name is not known.
    """
    parameter = _PARAMETER.match(segment)
    if parameter is None:
        return "[id]" if _ID.match(segment) and segment not in _NO_ROUTES else segment
    name, repeated = parameter.groups()
    if repeated == "*?":
        return f"[[...{name}]]"
    return f"[...{name}]" if repeated in ("*", "+") else f"[{name}]"
