"""Finding what was added by entry point: actions, sources, chats, switch drivers."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any


def one(group: str, name: str) -> Any:
    """The one registered under `responder.{group}` by that name, without loading the others.

    Raises:
        LookupError: there is none.
    """
    for point in entry_points(group=f"responder.{group}", name=name):
        return point.load()
    raise LookupError(f"nothing is registered as {name} in responder.{group}")


@cache
def find(group: str) -> dict[str, Any]:
    """Everything registered under `responder.{group}`, by name.

    Raises:
        ImportError, AttributeError: an entry point names something that is not there.
    """
    return {point.name: point.load() for point in entry_points(group=f"responder.{group}")}
