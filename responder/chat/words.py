"""The words and shapes by which every chat shows severities and steps, and safe text. Pure."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

_SEVERITIES = {"critical": "◆", "high": "▲", "medium": "●", "low": "○"}

_STEPS = {
    "pending": "○ to do",
    "running": "◐ running",
    "waiting": "◔ waiting",
    "succeeded": "✓ done",
    "failed": "✗ failed",
    "skipped": "– skipped",
}

_JOINERS = "\u200c\u200d"  # part of some scripts and emoji


def severity_mark(severity: str) -> str:
    """A severity by shape and word, as in `◆ CRITICAL`: readable without its colour."""
    return f"{_SEVERITIES.get(severity, '■')} {severity.upper()}"


def step_mark(state: str) -> str:
    """A step's state by shape and word, as in `✓ done`."""
    return _STEPS.get(state, f"? {state}")


def clean(text: str) -> str:
    """Text from outside without what could hide, reorder or break it.

    Control characters (a terminal would obey them), lone surrogates (UTF-8 has none) and
    invisible or direction-changing marks go; line breaks and all visible text stay. What has
    nothing visible in it comes back empty.
    """
    kept = "".join(
        character
        for character in text.replace("\r\n", "\n").replace("\t", " ")
        if character == "\n"
        or character in _JOINERS
        or unicodedata.category(character) not in ("Cc", "Cf", "Cs")
    ).strip()
    return kept if any(c.isprintable() and not c.isspace() for c in kept) else ""


def one_line(text: str) -> str:
    """Cleaned text with every run of white space as one space."""
    return " ".join(clean(text).split())


def utc(at: datetime) -> datetime:
    """The moment in UTC. A database may hand times back without their zone; they are UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
