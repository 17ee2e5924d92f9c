"""Only whoever holds the secret can sign, and only the very bytes that were signed pass.

The vectors come from `printf %s BODY | openssl dgst -sha256 -hmac SECRET`.
"""

from __future__ import annotations

import pytest

from responder.receive.verify import sentry_signature_ok, sign

SECRET = "credits-test-secret"
BODY = b'{"action":"created"}'
SIGNED = "e6572780ed3160a27d235bfd46f1d28ddc36a3113d6fa577a1519fc228c876d9"
VECTORS = [
    (BODY, SECRET, SIGNED),
    (
        '{"comment":"café ✅"}'.encode(),
        SECRET,
        "abbd3b4ae33405ee4b3c0d06e372e164348779e3d42d6c649e14ee398c7a1137",
    ),
    (
        rb'{"comment":"caf\u00e9"}',
        SECRET,
        "a78725902fd1ff45ef0b97073a71bf0a7bda74d3f357ecc079a17168132d1451",
    ),
    (b"", SECRET, "b556968b8d03ed405771540ce650c2ce07ac7292f5d264bb765f1451e219bc3f"),
    (b"x", "schlüssel", "8514f3bbc88d05222cf3d51f326c76d4e9b5606c02b06521b9d81b6d937bf8cd"),
]


@pytest.mark.parametrize(("body", "secret", "signature"), VECTORS)
def test_vectors(body: bytes, secret: str, signature: str) -> None:
    assert sign(body, secret) == signature
    assert sentry_signature_ok(body, signature, [secret])


@pytest.mark.parametrize(
    "body",
    [
        b'{"action": "created"}',  # the same JSON, other bytes
        b'{"action":"created"}\n',
        b'{"action":"deleted"}',
        b"",
    ],
)
def test_other_bytes_are_refused(body: bytes) -> None:
    assert not sentry_signature_ok(body, SIGNED, [SECRET])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        SIGNED[:-1],
        SIGNED + "0",
        SIGNED.upper(),
        f"sha256={SIGNED}",
        f" {SIGNED}",
        SIGNED[:-1] + "é",
        "ÿ" * 64,
        "\ud800",
        "\0",
        "0" * 1_000_000,
    ],
)
def test_odd_headers_are_refused_without_raising(header: str | None) -> None:
    assert not sentry_signature_ok(BODY, header, [SECRET])


def test_while_a_secret_is_changed_both_pass_wherever_they_stand() -> None:
    assert sentry_signature_ok(BODY, SIGNED, [SECRET, "new"])
    assert sentry_signature_ok(BODY, SIGNED, ["new", SECRET])
    assert sentry_signature_ok(BODY, SIGNED, ["new", SECRET, "newest"])
    assert not sentry_signature_ok(BODY, SIGNED, ["new", "newest"])


def test_without_a_secret_nothing_passes() -> None:
    assert not sentry_signature_ok(BODY, SIGNED, [])
    assert not sentry_signature_ok(BODY, sign(BODY, ""), [""])
    assert not sentry_signature_ok(BODY, "", [""])


def test_a_secret_of_bytes_that_are_not_utf8_works() -> None:
    secret = b"\xff\xfe".decode("utf-8", "surrogateescape")
    assert sentry_signature_ok(BODY, sign(BODY, secret), [secret])
