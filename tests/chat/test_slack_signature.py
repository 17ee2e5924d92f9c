"""Only Slack's own requests, five minutes old at most, are believed."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.chat.slack.verify import slack_signature_ok

NOW = datetime(2026, 3, 12, 14, 2, 3, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
BODY = "payload=%7B%22type%22%3A%22block_actions%22%7D&ü=ü".encode()


def sign(secret: str = "secret", stamp: str = STAMP, body: bytes = BODY) -> str:
    signed = b"v0:" + stamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def test_a_request_of_slacks_is_believed() -> None:
    assert slack_signature_ok("secret", STAMP, sign(), BODY, NOW)


@pytest.mark.parametrize("seconds", [-300, 300])
def test_five_minutes_off_is_still_believed(seconds: int) -> None:
    assert slack_signature_ok("secret", STAMP, sign(), BODY, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-301, 301])
def test_more_than_five_minutes_off_is_a_replay(seconds: int) -> None:
    assert not slack_signature_ok("secret", STAMP, sign(), BODY, NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("stamp", "signature", "body"),
    [
        (STAMP, sign("another secret"), BODY),
        (STAMP, sign(), BODY + b" "),
        (str(int(STAMP) + 1), sign(), BODY),
        (STAMP, sign().removeprefix("v0="), BODY),
        (STAMP, None, BODY),
        (None, sign(), BODY),
        ("", "", b""),
        ("soon", sign(stamp="soon"), BODY),
        ("9" * 400, sign(), BODY),
        ("9" * 5000, sign(), BODY),
        (STAMP, "v0=ü", BODY),
        (STAMP, sign(body=b"\xff"), b"\xff"),
    ],
)
def test_anything_else_is_refused_without_an_error(
    stamp: str | None, signature: str | None, body: bytes
) -> None:
    assert not slack_signature_ok("secret", stamp, signature, body, NOW)


def test_without_a_secret_nothing_is_believed() -> None:
    assert not slack_signature_ok("", STAMP, sign(""), BODY, NOW)


@given(st.none() | st.text(), st.none() | st.text(), st.binary())
def test_odd_input_is_never_an_error(stamp: str | None, signature: str | None, body: bytes) -> None:
    assert slack_signature_ok("secret", stamp, signature, body, NOW) is False
