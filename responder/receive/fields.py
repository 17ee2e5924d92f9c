"""Reading fields that may be missing, null or of the wrong type, without ever raising."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

LARGEST_ID = 10**40  # beyond it a number is no identifier
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def text(value: object) -> str:
    """A string or number as text, anything else as "".

    NUL and halves of surrogate pairs, which JSON can spell and no database stores, are
    taken out.
    """
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return str(value) if abs(value) < LARGEST_ID else ""


def mapping(value: object) -> Mapping[str, object]:
    """A JSON object, or an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """A JSON array, or an empty one."""
    return value if isinstance(value, list) else []


def whole(value: object) -> int | None:
    """A count from 0 to 2³¹-1, also when it is written as a string."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 2**31 else None


def instant(value: object) -> datetime | None:
    """An ISO 8601 string or epoch seconds as an aware UTC datetime; None if it is neither.

    A time without a zone is taken for UTC. Times outside this century are no times.
    """
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            at = datetime.fromtimestamp(value, UTC)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return at if EARLIEST <= at < LATEST else None
