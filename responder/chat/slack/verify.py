"""Whether a request is Slack's own."""

from __future__ import annotations

from datetime import datetime

from slack_sdk.signature import Clock, SignatureVerifier

from responder.chat.words import utc


def slack_signature_ok(
    signing_secret: str,
    timestamp: str | None,
    signature: str | None,
    body: bytes,
    now: datetime,
) -> bool:
    """Check the signature over the raw body, and that it is at most five minutes old.

    Args:
        timestamp: the header `X-Slack-Request-Timestamp`.
        signature: the header `X-Slack-Signature`.
        body: as received, before any decoding.
    """
    try:
        verifier = SignatureVerifier(signing_secret, _At(utc(now).timestamp()))
        return verifier.is_valid(body, timestamp, signature)
    except (ValueError, TypeError, OverflowError):
        # No number, no UTF-8, no ASCII: whatever it is, it is not Slack's.
        return False


class _At(Clock):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return self._seconds
