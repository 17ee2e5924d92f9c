"""Every kind of bad webhook gets a clear answer, none a 500, and the service goes on."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from responder.receive.verify import sign
from tests.service import SECRET, Service
from tests.story.test_credit_failure import credit_failure

LIMIT = 200_000
GOOD = json.dumps(credit_failure()).encode()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("bad")
    with Service(f"sqlite:///{folder}/r.db", RESPONDER_MAX_BODY_BYTES=str(LIMIT)) as service:
        yield service


def with_event(**changes: Any) -> bytes:
    """A credit failure with some fields of its event changed."""
    payload = credit_failure()
    payload["data"]["event"].update(changes)
    return json.dumps(payload).encode()


WRONG: dict[str, Any] = {
    "event_id": 7,
    "issue_id": {"a": 1},
    "title": ["x"],
    "culprit": 5,
    "transaction": {"x": None},
    "level": 0,
    "environment": ["production"],
    "datetime": "yesterday",
    "timestamp": "soon",
    "tags": {"environment": 3},
    "user": "me",
    "contexts": [1],
    "exception": {"values": [None, 3, {"stacktrace": {"frames": [None, 7, {"filename": 9}]}}]},
    "metadata": "none",
    "location": 3.5,
    "request": [],
    "message": False,
    "web_url": 1,
    "occurrence": "what",
}

SIGNED = {
    "truncated": (GOOD[: len(GOOD) // 2], "event_alert", {400}),
    "empty": (b"", "event_alert", {400}),
    "an array": (b"[1, 2, 3]", "event_alert", {400}),
    "a number": (b"7", "event_alert", {400}),
    "deep nesting": (b'{"data":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "event_alert", {400}),
    "invalid UTF-8": (b'{"action":"\xff\xfe"}', "event_alert", {400}),
    "duplicate keys": (b'{"action":"created","action":"resolved","data":{}}', "issue", {202}),
    "null culprit": (with_event(culprit=None, transaction=None), "event_alert", {202}),
    "wrong types everywhere": (with_event(**WRONG), "event_alert", {202}),
    "no data": (b'{"action":"triggered"}', "event_alert", {202}),
    "data of a wrong type": (b'{"action":"triggered","data":[[]]}', "event_alert", {202}),
    "unknown resource": (b'{"action":"x","data":{}}', "flux_capacitor", {202}),
    "unknown action": (b'{"action":"exploded","data":{"issue":{"id":"1"}}}', "issue", {202}),
    "lone surrogates": (
        b'{"action":"\\ud800","data":{"issue":{"title":"\\udfff"}}}',
        "issue",
        {202},
    ),
    "NUL in text": (
        with_event(title="a\x00b", culprit="lib/credits/\x00.ts"),
        "event_alert",
        {202},
    ),
    "a huge number": (b'{"action":' + b"9" * 5000 + b"}", "event_alert", {202, 400}),
}


@pytest.mark.parametrize("kind", SIGNED)
def test_rightly_signed_but_odd(service: Service, kind: str) -> None:
    body, resource, expected = SIGNED[kind]
    answer = service.send(resource, body)
    assert answer.status_code in expected, answer.text
    if answer.status_code == 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.json()["detail"]) > 10
    else:
        assert service.decision(answer.json()["id"])["outcome"] != "failed"
    assert_still_works(service)


@pytest.mark.parametrize("field", WRONG)
def test_one_field_of_a_wrong_type(service: Service, field: str) -> None:
    answer = service.send("event_alert", with_event(**{field: WRONG[field]}))
    assert answer.status_code in (200, 202)
    assert service.decision(answer.json()["id"])["outcome"] != "failed"


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        ("unsigned", {}),
        ("wrong signature", {"Sentry-Hook-Signature": "0" * 64}),
        ("right signature of another body", {"Sentry-Hook-Signature": sign(b"{}", SECRET)}),
        ("signed with another secret", {"Sentry-Hook-Signature": sign(GOOD, "other")}),
        ("not hexadecimal", {"Sentry-Hook-Signature": "ünïcode"}),
        ("prefixed", {"Sentry-Hook-Signature": "sha256=" + sign(GOOD, SECRET)}),
    ],
)
def test_not_signed_by_sentry(service: Service, kind: str, headers: dict[str, str]) -> None:
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    before = len(service.get("/deliveries")["items"])
    answer = service.http.post("/webhooks/sentry", content=GOOD, headers=raw)
    assert answer.status_code == 401
    assert answer.json()["detail"] == "not signed with this service's secret"
    assert len(service.get("/deliveries")["items"]) == before


def test_a_stranger_learns_the_same_from_any_body(service: Service) -> None:
    answers = {
        service.http.post("/webhooks/sentry", content=body).text
        for body in (b"", b"{}", b"\xff", GOOD, b"[" * 10_000)
    }
    assert len(answers) == 1


def test_too_large(service: Service) -> None:
    answer = service.send("event_alert", b" " * (LIMIT + 1))
    assert answer.status_code == 413
    assert str(LIMIT) in answer.json()["detail"]

    def parts() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 10_000

    chunked = service.http.post(
        "/webhooks/sentry", content=parts(), headers={"Sentry-Hook-Signature": "0" * 64}
    )
    assert chunked.status_code == 413
    assert_still_works(service)


def test_wrong_content_type_is_no_reason_to_lose_a_signed_delivery(service: Service) -> None:
    answer = service.send("event_alert", credit_failure(), **{"Content-Type": "text/plain"})
    assert answer.status_code == 202


def test_no_redirects_on_the_webhook_path(service: Service) -> None:
    for path in ("/webhooks/sentry/", "/webhooks", "//webhooks/sentry"):
        assert service.http.post(path, content=GOOD).status_code == 404
    assert service.http.get("/webhooks/sentry").status_code == 405


def test_a_duplicate_gets_the_first_ones_id(service: Service) -> None:
    payload = credit_failure()
    first = service.send("event_alert", payload)
    again = service.send("event_alert", payload)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == {"id": first.json()["id"], "duplicate": True}


def test_captured_bytes_under_another_key_are_a_duplicate(service: Service) -> None:
    payload = credit_failure()
    answers = [
        service.send("event_alert", payload, **{"Idempotency-Key": key * 32}) for key in "bc"
    ]
    assert [answer.status_code for answer in answers] == [202, 200]


def test_a_body_under_anothers_name_is_kept_and_starts_nothing(service: Service) -> None:
    comment = {"action": "created", "data": {"comment_id": 7, "issue_id": 1, "comment": "hi"}}
    answer = service.send("error", comment)
    assert answer.status_code == 202
    assert service.decision(answer.json()["id"])["outcome"] == "kept"


def test_sentrys_own_key_tells_duplicates(service: Service) -> None:
    answers = [
        service.send("event_alert", credit_failure(), **{"Idempotency-Key": "a" * 32})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 200]


def test_an_unfinished_request_harms_nobody(service: Service) -> None:
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /webhooks/sentry HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
        )
    assert_still_works(service)


def assert_still_works(service: Service) -> None:
    answer: httpx.Response = service.send("event_alert", credit_failure())
    assert answer.status_code == 202
    assert service.decision(answer.json()["id"])["area"] == "credits"
