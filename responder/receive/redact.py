"""Taking personal data and secrets out of what chat, pages and post-mortems will show. Pure.

The raw body keeps them, under retention; what is made of it does not. Where it can't be told
whether something is an address or a card's number, it goes.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from responder.receive.fields import LARGEST_ID
from responder.receive.fields import text as storable
from responder.receive.source import NotUnderstood, json_object

# Every repetition is bounded, for an attacker writes the text.
_TOKEN = re.compile(r"\S+")
_EMAIL = re.compile(
    r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}"
    r"\.[A-Za-z][A-Za-z0-9-]{1,62}"  # not `next@14.2.3`, as package managers name folders
)
_NUMBER = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_NAMED = re.compile(
    r"(?i)\b([\w-]{0,40}(?:token|secret|password|passwd|api[_-]?key|authorization))"
    r"([\\\"']{0,4}\s{0,3}[=:]\s{0,3}[\\\"']{0,4})(?:(?:bearer|basic|digest)\s{1,3})?"
    r"[^\s\"'&;,)]{1,4000}"
)

# What is only looked for in a payload, where losing a word that was none costs little.
_ANY_EMAIL = re.compile(
    r"[^\s@,;:<>()\[\]\"\\]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){0,126}\.[^\W\d_][\w-]{1,62}"
)
_HEADER = re.compile(
    r"(?i)\b((?:set-)?cookie2?|(?:proxy-)?authorization)([\\\"']{0,4}\s{0,3}[=:])[^\r\n]{1,4000}"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s{1,3}[\w.~+/=-]{8,4000}")
_KEY = re.compile(
    r"\b(?:eyJ[\w-]{8,4000}\.[\w.-]{2,4000}|[spr]k_(?:live|test)_\w{8,200}|whsec_\w{8,200}"
    r"|xox[a-z]-[\w-]{8,200}|sntry[su]_[\w=+/-]{8,1000}|gh[pousr]_\w{8,200})"
)
_IPV4 = re.compile(r"(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![\w]|\.[0-9])")
_IPV6 = re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,9}(?:\.[0-9]{1,3}){0,3}")

REMOVED = "[removed]"
_SECRET = re.compile(
    "password|passwd|passphrase|secret|token|apikey|accesskey|privatekey|authorization|cookie|"
    "credential|csrf|xsrf|signature|cardnumber|creditcard|sessionid|sessionkey|email|ipaddr|phonenumber"
)
_PRIVATE = {
    *("auth", "jwt", "otp", "pin", "cvv", "cvc", "session", "sid", "sentrykey", "dsn"),
    *("ip", "clientip", "remoteaddr", "remotehost", "forwarded", "xforwardedfor", "xrealip"),
    *("trueclientip", "cfconnectingip", "xclientip", "flyclientip", "geo", "latitude", "longitude"),
    *("mail", "phone", "mobile", "username", "firstname", "lastname", "fullname", "displayname"),
    *("birthdate", "birthday", "dob", "ssn", "iban", "streetaddress", "postaladdress"),
    *("querystring", "fragment"),
}

LONGEST = 2_000  # characters of one text that are shown
MOST = 100  # items of a list, from both its ends
MOST_KEYS = 300
DEEPEST = 30
ENOUGH = 100_000  # characters of all texts together


def place(text: str) -> str:
    """A route or address without its query, which names no place and may hold secrets."""
    return _TOKEN.sub(_without_query, text)


def _without_query(token: re.Match[str]) -> str:
    word = token[0]
    slash = word.find("/")
    marks = [at for mark in "?#" if slash >= 0 and (at := word.find(mark, slash)) >= 0]
    return word[: min(marks)] if marks else word


def words(text: str) -> str:
    """A title or message without e-mail addresses, card-like numbers and named secrets."""
    text = _NAMED.sub(rf"\1\2{REMOVED}", place(text))
    return _NUMBER.sub("[number]", _EMAIL.sub("[e-mail]", text))


@dataclass(frozen=True, slots=True)
class Redacted:
    """What may be shown, as JSON, and what had to be left out, in sentences."""

    value: object
    notes: tuple[str, ...] = ()


def body(raw: bytes, extra: Iterable[str] = ()) -> Redacted:
    """A stored body as it may be shown. One that is no JSON object is shown as text."""
    try:
        content: object = json_object(raw)
    except NotUnderstood as error:
        shown = payload(raw[: 4 * LONGEST].decode("utf-8", "replace"), extra)
        return Redacted(shown.value, (*shown.notes, str(error)))
    return payload(content, extra)


def payload(value: object, extra: Iterable[str] = ()) -> Redacted:
    """JSON without personal data and secrets, and not longer than somebody reads.

    Removed are values of keys that name such a thing, whatever they hold, and what looks like
    one in any other text. Of a `user` only the id stays.

    Args:
        extra: more names of keys; how they are written (`card_no`, `cardNo`) does not matter.
    """
    work = _Work(frozenset(map(_plain, extra)) - {""})
    shown = work.any(value, 0)
    notes = []
    if work.removed:
        notes.append(
            "1 value was removed" if work.removed == 1 else f"{work.removed} values were removed"
        )
    if work.cut:
        notes.append("what is longer than is read here was cut; such places say so")
    return Redacted(shown, tuple(notes))


class _Work:
    """One payload on its way; counts what is removed and how much may still be shown."""

    def __init__(self, extra: frozenset[str]) -> None:
        self._extra = extra
        self._left = ENOUGH
        self.removed = 0
        self.cut = False

    def any(self, value: object, depth: int) -> object:
        self._left -= 4 + 2 * depth  # what its line takes, indented
        match value:
            case dict() | list() if depth >= DEEPEST:
                return self._cut("[nested deeper than is shown]")
            case dict():
                return self._object(value, depth)
            case list():
                return self._list(value, depth)
            case str():
                return self._text(value)
            case bool() | None:
                return value
            case int() | float():
                return self._number(value)
        return self._text(str(value))

    def _object(self, found: Mapping[str, object], depth: int) -> dict[str, object]:
        named = _named(found)
        shown: dict[str, object] = {}
        for key, value in found.items():
            if self._left <= 0 or len(shown) >= MOST_KEYS:
                shown["…"] = self._cut(f"[{len(found) - len(shown)} more]")
                break
            name = self._key(key, shown)
            if self._hides(key) or (key == "value" and named and self._hides(named)):
                shown[name] = self._remove(value)
            elif _plain(key) in ("user", "users"):
                shown[name] = self._user(value, depth + 1)
            else:
                shown[name] = self.any(value, depth + 1)
        return shown

    def _list(self, found: list[object], depth: int) -> list[object]:
        match found:
            case [str(name), value] if self._hides(name) or _plain(name) == "user":
                return [self._text(name), self._remove(value)]  # a header or a tag, as a pair
        if len(found) <= MOST:
            return self._items(found, depth)
        half = MOST // 2  # stacks have their newest frames at one end or the other
        between = self._cut(f"[{len(found) - 2 * half} more]")
        return [*self._items(found[:half], depth), between, *self._items(found[-half:], depth)]

    def _items(self, found: list[object], depth: int) -> list[object]:
        shown: list[object] = []
        before: object = None
        for item in found:
            if self._left <= 0:
                return [*shown, self._cut(f"[{len(found) - len(shown)} more]")]
            if isinstance(before, str) and isinstance(item, str) and self._hides(before):
                shown.append(self._remove(item))  # names and values by turns, as Node has headers
            else:
                shown.append(self.any(item, depth + 1))
            before = item
        return shown

    def _user(self, found: object, depth: int) -> object:
        """Somebody: which one may be known, who it is not."""
        match found:
            case dict():
                return {
                    self._key(key, {}): self.any(value, depth)
                    if _plain(key) == "id"
                    else self._remove(value)
                    for key, value in list(found.items())[:MOST_KEYS]
                }
            case list():
                return [self._user(one, depth + 1) for one in found[:MOST]] if depth < 9 else []
        return self._remove(found)

    def _text(self, text: str) -> str:
        """Text as it may be shown; looked at is only what is near to what is shown."""
        if self._left <= 0:
            return self._cut("[cut]") if text else ""
        looked_at = storable(text[: 2 * LONGEST])
        self._left -= len(looked_at) + 1
        shown = words(looked_at)
        for pattern, instead in (
            (_HEADER, rf"\1\2 {REMOVED}"),
            (_BEARER, rf"\1 {REMOVED}"),
            (_KEY, REMOVED),
            (_ANY_EMAIL, "[e-mail]"),
        ):
            shown = pattern.sub(instead, shown)
        shown = _IPV4.sub(_without_ipv4, _IPV6.sub(_without_ipv6, shown))
        if len(text) <= LONGEST:
            return shown
        # What was cut in two at the end of what was looked at is no more what it was: away.
        if len(text) > 2 * LONGEST:
            shown = shown[: max(len(shown) - LONGEST, 0)]
        self.cut = True
        return f"{shown[:LONGEST]} [cut; {len(text):,} characters]"

    def _number(self, number: float) -> object:
        self._left -= 8
        if isinstance(number, float) and not math.isfinite(number):
            return str(number)
        if abs(number) >= LARGEST_ID:
            return self._cut("[a number of many digits]")
        digits = str(abs(int(number)))
        if 13 <= len(digits) <= 19 and number == int(number) and _luhn(digits):
            return self._remove(number)
        return number

    def _key(self, key: str, taken: Mapping[str, object]) -> str:
        name = self._text(key)[:200]
        while name in taken:
            name += " "
        return name

    def _hides(self, key: str) -> bool:
        plain = _plain(key)
        if key.lower().startswith("user."):
            return plain != "userid"
        return bool(plain in _PRIVATE or plain in self._extra or _SECRET.search(plain))

    def _remove(self, value: object) -> object:
        if value is None or isinstance(value, bool) or value in ("", [], {}):
            return value  # that nothing was there is worth knowing, and nobody's secret
        self.removed += 1
        return REMOVED

    def _cut(self, instead: str) -> str:
        self.cut = True
        return instead


def _plain(key: str) -> str:
    """A key however it is written: `X-Forwarded-For`, `ip_address`, `ipAddress`."""
    return "".join(filter(str.isalnum, key[:200])).lower()


def _named(found: Mapping[str, object]) -> str:
    """What an object of a name and a value is about, such as a tag from Sentry's REST API."""
    name = found.get("key", found.get("name"))
    return name if isinstance(name, str) and "value" in found else ""


def _without_ipv4(found: re.Match[str]) -> str:
    return "[address]" if all(int(part) < 256 for part in found[0].split(".")) else found[0]


def _without_ipv6(found: re.Match[str]) -> str:
    """The address may have a colon or a port after it, so its end is looked for."""
    written = found[0]
    while written.count(":") > 1 and written.strip(":"):
        try:
            ipaddress.IPv6Address(written)
        except ValueError:
            written = written.rpartition(":")[0]
        else:
            return "[address]" + found[0][len(written) :]
    return found[0]


def _luhn(digits: str) -> bool:
    """Whether the number could be a card's: every card's passes, of other numbers one in ten."""
    doubled = (
        int(digit) * 2 if position % 2 else int(digit)
        for position, digit in enumerate(reversed(digits))
    )
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0
