"""From a file name, as bundlers, runtimes and Sentry write it, to a path in the repository.

They write one source file in dozens of ways: with schemes, layers, hashes, drives, build
folders. Each round takes wrappings off until none is left. It never raises, takes linear time
(input is cut first, patterns can't backtrack far) and never leaves the repository's root.
"""

from __future__ import annotations

import re
from functools import lru_cache, partial
from urllib.parse import unquote

from responder.classify.notation import EXTENSION, KEPT, LONGEST, resolved, root_relative, settled

_WRAPPERS = re.compile(
    r"""(?: async\ +
        | (?:rsc|about)://React/[^/]*/
        | webpack-internal:/+ (?: \([\w-]+\)/ )?   # with the layer, such as (rsc)
        | webpack: (?: // (?:@[^/]+/)? [^/]*/+ | /+ )
        | turbopack: (?: //[^/]*/+ | /+ )
        | /?turbopack/ (?=\[)
        | _N_E/+                                   # Next.js' name in webpack, its scheme lost
        | https?://[^/]*/ (?=_next/)               # of any origin: assets may come from a CDN
        | app:/+
        | \[project\]/+
        | \([\w-]+\)/ (?=\.\.?/)                   # a layer; route groups never stand before ./
        | (?:\.|~|@)/+
        )+""",
    re.VERBOSE,
)
_ABSOLUTE = re.compile(r"file:/*(?:[A-Za-z]:/+)?|/+(?:[A-Za-z]:/+)?|[A-Za-z]:/+")
_SCHEME = re.compile(r"[A-Za-z][\w+.-]*:")
_NODE_MODULE = re.compile(r"(?!VM\d)[\w.@()\[\]-]+:[\w.()\[\]-]+$")  # dir.dir:file, of Node's SDK
_OTHER_SCHEMES = frozenset(
    {"node", "native", "data", "blob", "about", "javascript", "wasm", "ext", "npm", "jsr", "bun"}
)
_LONE_DOT = re.compile(r"(?<!\.)\.(?!\.)")  # not those of [...slug]
_POSITION = re.compile(r"(/[^/:]*|\.[cm]?[jt]sx?)(?::\d+){1,2}$")
_TURBOPACK_NOTE = re.compile(r" \[[\w -]+\] \([^()]*\).*$")
_HASH = re.compile(r"-[0-9a-f]{8,}$")
_CHUNK = re.compile(r"(?:VM\d+|\d+|[0-9a-f]{8,})(?:[-.][0-9a-f]+)?(?:\.js)?$")
_FORBIDDEN = re.compile(r"[<>]|^[A-Z]+ |^serverAction/")

_FOREIGN = frozenset({"node_modules", ".pnpm", ".yarn", ".cache", "[root-of-the-server]"})
_FOREIGN_ROOTS = frozenset({"webpack", "(webpack)", "[turbopack]", "[externals]", "[next]"})
_LIBRARIES = (
    ["next", "dist"], ["next", "src"], ["vc", "edge"], ["internal", "process"],
    ["internal", "modules"],
)  # fmt: skip
_NOTHING = frozenset(
    {"?", "native", "eval", "anonymous", "unknown", "undefined", "null",
     "incomplete-app-router-transaction", "NextServer.getRequestHandler"}
)  # fmt: skip

# Folders that stand at the root of a Next.js repository; where a path from some machine's
# root gets into the app.
_ROOTS = frozenset(
    {"app", "apps", "components", "hooks", "lib", "packages", "pages", "src", "utils"}
)
# Where platforms put the repository, so that nothing need be guessed.
_DEPLOYED = re.compile(
    rf"""(?: var/task | vercel/path\d | usr/src/app | github/workspace | opt/build/repo
        | opt/render/project/src | home/site/wwwroot | home/runner/work/[^/]+/[^/]+
        | workspaces/[^/]+ | (?:opt|srv|var/www)/app
        | (?:home/)?app
          (?= /(?:{"|".join(sorted(_ROOTS))})/ | /(?:middleware|proxy|instrumentation)\. )
        )/""",
    re.VERBOSE,
)
_UNSURE = ("opt/app/", "srv/app/", "www/app/")  # releases may lie in folders of their own there
# Somebody's home; the folder below is the repository, or holds repositories.
_HOME = re.compile(r"(?:(?:home|[Uu]sers)/[^/]+|root)/[^/]+/(?=.)")
_EDGE_FUNCTION = re.compile(
    r"(?:var/tmp/sb-compile-edge-runtime|home/deno)/(?:functions/)?(?!source/)(?=[^/]+/)"
)
_RUNTIME = re.compile(
    r"""(?: var/runtime | opt/(?:rust|nodejs|hostedtoolcache) | usr(?:/local)?/(?:lib|share)
        | var/tmp/sb-compile-edge-runtime )/
        | var/task/___""",
    re.VERBOSE,
)


def repository_path(raw: str, roots: tuple[str, ...] = ()) -> str | None:
    """A file name from a stack frame as a path in the repository, or None.

    None is the answer for libraries, the runtime's own code and chunks that say nothing. Of
    built files only routes and pages still tell their source; those lose their extension.

    `roots` are folders such as `services/web` in which the app lies: each is cut from the front
    of a path, and where a path comes from a machine's root, with all that stands before it.
    """
    return _repository_path(raw[:LONGEST], roots)


@lru_cache(KEPT)
def _repository_path(raw: str, roots: tuple[str, ...]) -> str | None:
    folders = sorted((resolved(root.replace("\\", "/"))[0] for root in roots), key=len)
    path = settled(partial(_unwrapped, [folder for folder in reversed(folders) if folder]), raw)
    if not path or _FORBIDDEN.search(path) or (" " in path and not EXTENSION.search(path)):
        return None
    segments = path.split("/")
    if segments[0].startswith("@") or segments[:2] in _LIBRARIES:
        return None
    if segments[0] in _FOREIGN_ROOTS or segments[0].startswith("external "):
        return None
    nameless = path.startswith("(") or not EXTENSION.sub("", path)
    if len(segments) == 1 and (nameless or path in _NOTHING or _CHUNK.match(path)):
        return None
    return path


def elsewhere(raw: str, path: str) -> tuple[str, ...]:
    """Other paths that a file on some machine may have in the repository, the likelier first.

    Nothing in `/opt/shop/app/lib/credits/service.ts` tells whether the repository is `shop` or
    `app`. Where a guess would decide, all that can be meant is looked at.
    """
    absolute = _ABSOLUTE.match(raw := raw.strip().replace("\\", "/"))
    deployed = _DEPLOYED.match(raw[absolute.end() :]) if absolute else None
    if not absolute or (deployed and not deployed[0].endswith(_UNSURE)):
        return ()
    segments = path.split("/")
    return tuple(
        "/".join(segments[start:])
        for start in range(1, len(segments) - 1)
        if segments[start] in _ROOTS
    )


def _unwrapped(roots: list[list[str]], raw: str) -> str | None:
    """One round of taking wrappings off a file name."""
    path = unquote(raw) if "%" in raw else raw
    path = path.strip().replace("\\", "/").partition("?")[0].partition("#")[0]
    path = _POSITION.sub(r"\1", _TURBOPACK_NOTE.sub("", path))
    of_page = path.startswith("app:") and "_next/" not in path and not EXTENSION.search(path)
    if of_page:  # the address of a page on which a script stood
        return None
    if wrapper := _WRAPPERS.match(path):
        path = path[wrapper.end() :]
    absolute = _ABSOLUTE.match(path)
    if absolute:
        path = path[absolute.end() :]
    elif _NODE_MODULE.match(path) and path.partition(":")[0] not in _OTHER_SCHEMES:
        folders, _, file = path.rpartition(":")
        path = f"{folders[:1]}{_LONE_DOT.sub('/', folders[1:])}/{file}"
    elif _SCHEME.match(path):
        return None
    segments, outside = resolved(path)
    if not segments or not _FOREIGN.isdisjoint(segments):
        return None
    built = _built(segments)
    if built is not None:
        return built or None
    beyond = bool(absolute) or (outside and segments[0] not in _ROOTS)
    inside = _below(segments, roots, anywhere=beyond)
    if not inside:
        inside = _from_machine(segments) if beyond else segments
    return "/".join(root_relative(inside)) if inside else None


def _below(segments: list[str], roots: list[list[str]], *, anywhere: bool) -> list[str]:
    """What lies below the first of these roots that is there; nothing if none is."""
    for root in roots:
        for start in range(len(segments) - len(root) if anywhere else 1):
            if segments[start : start + len(root)] == root:
                return segments[start + len(root) :]
    return []


def _from_machine(segments: list[str]) -> list[str]:
    """From the repository's root on, of a path from a machine's; nothing if it is not of ours.

    Where no folder tells where the repository begins, the first that stands at the root of a
    Next.js repository does.
    """
    path = "/".join(segments)
    if function := _EDGE_FUNCTION.match(path):
        return ["supabase", "functions", *path[function.end() :].split("/")]
    if _RUNTIME.match(path):
        return []
    if deployed := _DEPLOYED.match(path):
        return path[deployed.end() :].split("/")
    if home := _HOME.match(path):
        segments = path[home.end() :].split("/")
    first = next((index for index, segment in enumerate(segments) if segment in _ROOTS), 0)
    return segments[first:]


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
    return file if file in ("middleware", "proxy", "instrumentation") else ""
