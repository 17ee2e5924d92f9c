"""Taking personal data and secrets out of text that chat, pages and post-mortems will show.

The raw body keeps them, under retention; what is made of it does not.
"""

from __future__ import annotations

import re

# Every repetition is bounded, for an attacker writes the text.
_QUERY = re.compile(r"(/[^\s?#]{0,1000})[?#]\S{0,4000}")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_NUMBER = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_NAMED = re.compile(
    r"(?i)\b([\w-]{0,40}(?:token|secret|password|passwd|api[_-]?key|authorization))"
    r"(\"?\s{0,3}[=:]\s{0,3}\"?)(?:bearer\s{1,3})?[^\s\"'&;,)]{1,4000}"
)


def place(text: str) -> str:
    """A route or address without its query, which names no place and may hold secrets."""
    return _QUERY.sub(r"\1", text)


def words(text: str) -> str:
    """A title or message without e-mail addresses, card-like numbers and named secrets."""
    text = _NAMED.sub(r"\1\2[removed]", place(text))
    return _NUMBER.sub("[number]", _EMAIL.sub("[e-mail]", text))
