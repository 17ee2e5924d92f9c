"""Text patterns: words with `*` between them, or `/…/`, a regular expression.

Alerts carry text that anybody may have written. Words between stars are looked for once each,
from left to right; expressions are RE2's, which can't backtrack. Both take linear time.
"""

from __future__ import annotations

from functools import lru_cache

import re2

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.case_sensitive = False


def check(pattern: str) -> str:
    """The pattern, if it can be used.

    Raises:
        ValueError: it would match everything, or is no regular expression.
    """
    if _is_expression(pattern):
        try:
            matches_nothing = _compiled(pattern).search("") is None
        except re2.error as error:
            raise ValueError(f"{pattern!r} is no RE2 expression: {_words(error)}") from None
        if not matches_nothing:
            raise ValueError(f"{pattern!r} would match everything; write some words")
    elif not pattern.strip("* "):
        raise ValueError(f"{pattern!r} would match everything; write some words")
    return pattern


def contains(pattern: str, text: str) -> bool:
    """Whether the pattern occurs anywhere in the text; case does not matter."""
    if _is_expression(pattern):
        return _compiled(pattern).search(text) is not None
    return _in_order(pattern.casefold().split("*"), text.casefold())


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern is the whole text; case does not matter."""
    if _is_expression(pattern):
        return _compiled(pattern).fullmatch(text) is not None
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


def _is_expression(pattern: str) -> bool:
    return len(pattern) > 2 and pattern[0] == pattern[-1] == "/"


@lru_cache(1024)
def _compiled(pattern: str) -> re2._Regexp:
    return re2.compile(pattern[1:-1], _OPTIONS)


def _words(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return said.decode() if isinstance(said, bytes) else str(said)


def _in_order(parts: list[str], text: str) -> bool:
    position = 0
    for part in parts:
        position = text.find(part, position)
        if position < 0:
            return False
        position += len(part)
    return True
