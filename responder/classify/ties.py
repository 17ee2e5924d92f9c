"""Finding two path patterns of which neither says more about a path that both claim."""

from __future__ import annotations

import re

from responder.classify.paths import PathPatterns

_FILLINGS = (("a/b", "x"), ("b", "xx"), ("", "x"))  # for `**` and for `*`


def tie(one: str, other: str) -> str | None:
    """A path that both patterns claim and are equally specific about; None if there is none.

    Paths are tried, not reasoned about: those that the patterns themselves suggest.
    """
    if one.startswith("!") or other.startswith("!"):
        return None
    first, second = PathPatterns([one]), PathPatterns([other])
    for pattern in (one, other):
        for folders, name in _FILLINGS:
            path = _example(pattern, folders, name)
            found, found_too = first.best(path), second.best(path)
            if found and found_too and found[1] == found_too[1]:
                return path
    return None


def _example(pattern: str, folders: str, name: str) -> str:
    path = pattern.strip().removeprefix("./").replace("**", "\0").replace("*", name)
    path = re.sub(r"/+", "/", path.replace("\0", folders).replace("?", "x")).strip("/")
    return f"{path}/x" if pattern.endswith("/") else path
