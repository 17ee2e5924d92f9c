"""Text patterns whose only wildcard is `*`.

Alerts carry text that anybody may have written, so there are no regular expressions here: the
parts between the stars are looked for once each, from left to right, in linear time.
"""

from __future__ import annotations


def contains(pattern: str, text: str) -> bool:
    """Whether the pattern occurs anywhere in the text; case does not matter."""
    return _in_order(pattern.casefold().split("*"), text.casefold())


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is the whole text; case does not matter."""
    first, *parts = pattern.casefold().split("*")
    text = text.casefold()
    if not parts:
        return text == first
    last = parts.pop()
    if not text.startswith(first):
        return False
    text = text[len(first) :]
    if not text.endswith(last):
        return False
    return _in_order(parts, text[: len(text) - len(last)])


def _in_order(parts: list[str], text: str) -> bool:
    position = 0
    for part in parts:
        position = text.find(part, position)
        if position < 0:
            return False
        position += len(part)
    return True
