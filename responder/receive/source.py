"""The seam every alert source meets: what a delivery is, and what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from responder.receive.alert import Alert


class NotUnderstood(Exception):
    """The body is nothing we can read; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a delivery is, before anything is made of it.

    `key` is the same for every attempt at the same notification: it begins with the source
    and the resource and is at most 200 characters long. What `repeats` starts nothing and may
    be said again in the same bytes, such as that an issue is resolved; only its key tells one
    from the next.
    """

    resource: str
    action: str
    key: str
    repeats: bool = False


class Source(Protocol):
    """A service that sends alerts. Pure: bytes in, values out."""

    name: str

    def describe(self, headers: Mapping[str, str], body: bytes) -> Description:
        """Say what a delivery is. Header names are in lower case.

        Raises:
            NotUnderstood: the body is not a JSON object. Anything else can be described.
        """
        ...

    def normalise(self, resource: str, payload: Mapping[str, object]) -> Alert:
        """Say it in our words. Fields may be missing or of any type; never raises."""
        ...


def json_object(body: bytes) -> dict[str, object]:
    """Read a body that must be one JSON object in UTF-8.

    Raises:
        NotUnderstood: it is something else, or nested too deeply to be read.
    """
    try:
        content = json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise NotUnderstood(
            f"expected JSON in UTF-8; byte {error.start + 1} is not UTF-8"
        ) from error
    except json.JSONDecodeError as error:
        raise NotUnderstood(
            f"expected JSON; at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except ValueError as error:  # a number with thousands of digits
        raise NotUnderstood(f"expected JSON with numbers of a sane length: {error}") from error
    except RecursionError as error:
        raise NotUnderstood("expected JSON nested less deeply") from error
    if not isinstance(content, dict):
        raise NotUnderstood(f"expected a JSON object, got {_KINDS[type(content)]}")
    return content


_KINDS: dict[type, str] = {
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
