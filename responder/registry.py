"""Finding what was added by entry point: actions, sources, chats, switch drivers."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any


@cache
def find(group: str) -> dict[str, Any]:
    """Everything registered under `responder.{group}`, by name.

    Raises:
        ImportError, AttributeError: an entry point names something that is not there.
    """
    return {point.name: point.load() for point in entry_points(group=f"responder.{group}")}
