"""Path patterns, written as in a .gitignore and matched as Next.js lays its files out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from responder.classify.notation import EXTENSION, root_relative

_GROUP = re.compile(r"\([^/()]+\)")
_PARAMETER = re.compile(r"(\[(?:\[?\.{3})?)[^/\[\]]+(?=\])")


def comparable(path: str) -> str:
    """A path or pattern without what must not matter.

    That is `src/`, route groups, the extension, and what a parameter is called: Next.js allows
    one name at each place, and a URL such as `/session/8412` does not tell it.
    """
    segments = [segment for segment in path.split("/") if not _GROUP.fullmatch(segment)]
    return _with_groups("/".join(segments))


def _with_groups(path: str) -> str:
    path = "/".join(root_relative(path.split("/")))
    return EXTENSION.sub("", _PARAMETER.sub(r"\1", path))


def _has_group(path: str) -> bool:
    return any(map(_GROUP.fullmatch, path.split("/")))


@dataclass(frozen=True, slots=True)
class _Path:
    """A path made ready to be compared many times."""

    plain: str
    grouped: str | None  # with its route groups, if it has any


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One line. `written` is what its author wrote."""

    written: str
    plain: GitIgnoreSpec
    grouped: GitIgnoreSpec | None  # for a pattern with route groups: as it stands

    @property
    def specificity(self) -> tuple[int, int]:
        literal = re.split(r"[*?]", self.written, maxsplit=1)[0]
        return len(literal), len(self.written)

    def matches(self, path: _Path) -> bool:
        # URLs have no groups, so they can be compared only where both sides have them.
        if self.grouped is not None and path.grouped is not None:
            return self.grouped.match_file(path.grouped)
        return self.plain.match_file(path.plain)


class PathPatterns:
    """Several lines as one: what a line with `!` names is taken out again.

    Brackets are literal, for `[id]` is a folder's name in Next.js.

    Raises:
        ValueError: a line is empty, a comment, or no pattern; the message says which.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        lines = tuple(lines)
        self._wanted = [_compiled(line) for line in lines if not line.startswith("!")]
        self._unwanted = [_compiled(line[1:]) for line in lines if line.startswith("!")]

    def best(self, path: str) -> tuple[str, tuple[int, int]] | None:
        """The most specific line that matches, and how specific it is.

        The longer its beginning without wildcards the more specific, then the longer itself.
        """
        prepared = _Path(comparable(path), _with_groups(path) if _has_group(path) else None)
        wanted = [pattern for pattern in self._wanted if pattern.matches(prepared)]
        if not wanted or any(pattern.matches(prepared) for pattern in self._unwanted):
            return None
        best = max(wanted, key=lambda pattern: pattern.specificity)
        return best.written, best.specificity


def _compiled(line: str) -> _Pattern:
    path = line.strip().removeprefix("./")
    if not path.strip("/!") or path.startswith("#"):
        raise ValueError(f"{line!r} is no path pattern; write one such as lib/credits/**")
    # Git anchors a pattern with a slash inside; it must stay so when `src/` is taken off.
    anchor = "/" if "/" in path[:-1] else ""
    path = path.removeprefix("/")
    return _Pattern(
        written=line,
        plain=_spec(anchor + comparable(path)),
        grouped=_spec(anchor + _with_groups(path)) if _has_group(path) else None,
    )


def _spec(path: str) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines([path.replace("[", r"\[").replace("]", r"\]")])
