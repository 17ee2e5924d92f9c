"""Who owns a path, by a CODEOWNERS file as GitHub reads it: the last line that fits decides."""

from __future__ import annotations

from dataclasses import dataclass

from responder.classify.paths import PathPatterns


@dataclass(frozen=True, slots=True)
class Owners:
    """Patterns with their owners, in the order of the file."""

    lines: tuple[tuple[PathPatterns, str], ...] = ()

    def of(self, path: str) -> str:
        """The owners of a path, as they are written; "" if it has none."""
        if path:
            for patterns, owners in reversed(self.lines):
                if patterns.best(path) is not None:
                    return owners
        return ""


def parse_owners(text: str) -> Owners:
    """Read a CODEOWNERS file.

    Raises:
        ValueError: a line's pattern can't be read; the message names the line.
    """
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        pattern, *owners = line.partition(" #")[0].split()[:20] or [""]
        if not pattern or pattern.startswith("#"):
            continue
        try:
            patterns = PathPatterns(["**" if pattern == "*" else pattern])
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
        lines.append((patterns, " ".join(owners)))
    return Owners(tuple(lines))
