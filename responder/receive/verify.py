"""Sentry's signature: HMAC-SHA256 over the raw body, keyed with the integration's secret."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence


def sign(body: bytes, secret: str) -> str:
    """The signature of a body: 64 lower-case hex digits."""
    # Secrets come from the environment, where bytes that are not UTF-8 are escaped.
    key = secret.encode("utf-8", "surrogateescape")
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def sentry_signature_ok(body: bytes, header: str | None, secrets: Sequence[str]) -> bool:
    """Whether the header signs exactly these bytes with any of the secrets.

    Every secret is tried in constant time, so that timing tells neither how much of a guess
    was right nor which secret is in use. An empty secret never matches: anybody could sign
    with it. Never raises, whatever the header holds.
    """
    # compare_digest refuses str beyond ASCII, which a header may well be; bytes always compare.
    given = (header or "").encode("utf-8", "backslashreplace")
    ok = False
    for secret in secrets:
        matches = hmac.compare_digest(sign(body, secret).encode(), given)
        ok |= matches and bool(secret)
    return ok
