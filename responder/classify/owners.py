"""Who owns a path, by a CODEOWNERS file as GitHub reads it: the last line that fits decides."""

from __future__ import annotations

import re
from dataclasses import dataclass

from responder.classify.paths import PathPatterns

_EXTENSION = re.compile(r"\.(\w+)$")
_COMMENT = re.compile(r"(^|\s)#.*")


@dataclass(frozen=True, slots=True)
class Owners:
    """Patterns with their owners, in the order of the file."""

    lines: tuple[tuple[PathPatterns, str, str], ...] = ()  # with the extension it must have

    def of(self, path: str) -> str:
        """The owners of a path, as they are written; "" if it has none."""
        if path:
            extension = _EXTENSION.search(path)
            for patterns, only, owners in reversed(self.lines):
                other = only and extension is not None and extension[1] != only
                if not other and patterns.best(path) is not None:
                    return owners
        return ""


def parse_owners(text: str) -> Owners:
    """Read a CODEOWNERS file.

    Raises:
        ValueError: a line's pattern can't be read; the message names the line.
    """
    lines = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        pattern, *owners = _COMMENT.sub("", line).split()[:20] or [""]
        if not pattern:
            continue
        try:
            patterns = PathPatterns(_as_ignored(pattern))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        # For areas an extension makes no difference; here `*.sql` is about nothing else.
        only = pattern.rpartition("*.")[2] if "*." in pattern else ""
        lines.append((patterns, only, " ".join(owners)))
    return Owners(tuple(lines))


def _as_ignored(pattern: str) -> list[str]:
    """A pattern in the words of a .gitignore, which reads two of them otherwise."""
    if pattern.startswith("!"):
        raise ValueError(f"{pattern!r}: a CODEOWNERS file has no `!`; leave a path without owners")
    if pattern == "*":
        return ["**"]
    if pattern.endswith("/*"):  # what is in the folder, not what is in folders in it
        return [pattern, f"!{pattern}/**"]
    return [pattern]
