"""The same notification has the same key however often it comes; another one has another."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.receive.samples import NAMES, SOURCE, payload, resource


def key(name: str, content: dict[str, Any] | None = None, sent: str = "") -> str:
    headers = {"sentry-hook-resource": resource(name), "request-id": "new for every attempt"}
    if sent:
        headers["idempotency-key"] = sent
    raw = json.dumps(payload(name) if content is None else content)
    return SOURCE.describe(headers, raw.encode()).key


def changed(name: str, *path: str, to: object) -> dict[str, Any]:
    content = payload(name)
    target: Any = content
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = to
    return content


@pytest.mark.parametrize("name", NAMES)
def test_a_repeat_has_the_same_key(name: str) -> None:
    assert key(name) == key(name)
    assert key(name).startswith(f"sentry:{resource(name)}:")
    assert len(key(name)) <= 200


def test_all_samples_have_keys_of_their_own() -> None:
    assert len({key(name) for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_sentry_s_own_key_comes_first(name: str) -> None:
    sent = "0123456789abcdef0123456789abcdef"
    assert key(name, sent=sent) == f"sentry:{resource(name)}:{sent}"
    assert key(name, changed(name, "action", to="other"), sent) == key(name, sent=sent)


def test_a_long_key_is_shortened_but_told_apart() -> None:
    one, other = key("comment", sent="k" * 5000), key("comment", sent="k" * 4999)
    assert one != other
    assert len(one) <= 200


@pytest.mark.parametrize(
    ("name", "path", "to"),
    [
        ("event_alert", ("data", "event", "title"), "rewritten"),
        ("event_alert", ("actor",), None),
        ("error", ("data", "error", "culprit"), "rewritten"),
        ("comment", ("data", "comment"), "rewritten"),
        ("seer", ("data", "root_cause"), None),
    ],
)
def test_what_does_not_make_another_notification(
    name: str, path: tuple[str, ...], to: object
) -> None:
    assert key(name, changed(name, *path, to=to)) == key(name)


@pytest.mark.parametrize(
    ("name", "path", "to"),
    [
        ("event_alert", ("data", "event", "event_id"), "another"),
        ("event_alert", ("data", "triggered_rule"), "another"),
        ("error", ("data", "error", "event_id"), "another"),
        ("comment", ("data", "comment_id"), 1),
        ("comment", ("action",), "updated"),
        ("seer", ("data", "run_id"), 1),
        # An issue resolved twice, or a metric critical again, is news under an old id.
        ("issue.resolved", ("data", "issue", "lastSeen"), "2026-03-05T00:00:00Z"),
        ("issue.created", ("action",), "unresolved"),
        ("metric_alert.critical", ("data", "description_text"), "0.4 failure rate"),
        ("installation", ("data", "installation", "uuid"), "another"),
        ("unknown", ("data", "numbers"), []),
    ],
)
def test_what_makes_another_notification(name: str, path: tuple[str, ...], to: object) -> None:
    assert key(name, changed(name, *path, to=to)) != key(name)


def test_event_and_rule_do_not_run_into_each_other() -> None:
    one, other = payload("event_alert"), payload("event_alert")
    one["data"]["event"]["event_id"], one["data"]["triggered_rule"] = "a", "b:c"
    other["data"]["event"]["event_id"], other["data"]["triggered_rule"] = "a:b", "c"
    assert key("event_alert", one) != key("event_alert", other)


@pytest.mark.parametrize("missing", [None, "", [], {}])
def test_without_an_id_nothing_passes_for_a_repeat(missing: object) -> None:
    one = changed("event_alert", "data", "event", "event_id", to=missing)
    other = json.loads(json.dumps(one))
    other["data"]["event"]["title"] = "another"
    assert key("event_alert", one) != key("event_alert", other)
