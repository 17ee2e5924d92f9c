"""What file names and routes have in common: both end as a path below the repository's root."""

from __future__ import annotations

import re
from collections.abc import Callable

LONGEST = 1000  # characters looked at; no honest path is longer
DEEPEST = 40  # folders; nor is one deeper
ROUNDS = 5  # how often wrappings may be nested before nobody meant it
KEPT = 2048  # answers remembered; an app's alerts name the same few places again and again

EXTENSION = re.compile(r"\.[cm]?[jt]sx?$")


def settled(step: Callable[[str], str | None], raw: str) -> str | None:
    """The path on which a step changes nothing more, so that the result is idempotent."""
    path = raw[:LONGEST]
    for _ in range(ROUNDS):
        further = step(path)
        if not further:
            return None
        if further == path:
            fits = len(path) <= LONGEST and path.count("/") <= DEEPEST
            return path if fits and path.isprintable() else None
        path = further
    return None


def resolved(path: str) -> tuple[list[str], bool]:
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


def root_relative(segments: list[str]) -> list[str]:
    """Without the folders of a monorepo, and without `src/`, which changes nothing.

    Of a pattern such as `apps/admin/**` nothing would be left that says anything: it stays.
    """
    if segments[0] == "apps" and any(segment.strip("*?") for segment in segments[2:]):
        segments = segments[2:]
    if segments[0] == "src" and len(segments) > 1:
        segments = segments[1:]
    return segments
