"""The legacy WebHooks plugin: read as what it is, known by its shape, told apart by its key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from responder.classify.match import classify
from responder.playbook.folder import load
from responder.receive.alert import Alert, Signal
from responder.receive.sentry import SentrySource
from tests.service import PLAYBOOKS

SOURCE = SentrySource()
EVENT_ID = "5d1f0a7c9be24e6db0c6a1f37a90e411"


def plugin(**changed: Any) -> dict[str, Any]:
    """A credit failure as the plugin posts it."""
    return {
        "id": "6400000123",
        "project": "kulti",
        "project_name": "Kulti",
        "project_slug": "kulti",
        "logger": None,
        "level": "error",
        "culprit": "POST /api/credits/tip",
        "message": "",
        "url": "https://kulti.sentry.io/issues/6400000123/?referrer=webhooks_plugin",
        "triggering_rules": ["production: any error"],
        "event": {
            "event_id": EVENT_ID,
            "id": EVENT_ID,
            "environment": "production",
            "platform": "node",
            "tags": [["environment", "production"], ["release", "kulti@2.14.0"]],
            "exception": {
                "values": [
                    {
                        "type": "LedgerError",
                        "value": "balance does not follow from the ledger",
                        "stacktrace": {
                            "frames": [
                                {
                                    "filename": "./lib/credits/service.ts",
                                    "function": "tipUser",
                                    "lineno": 88,
                                    "in_app": True,
                                }
                            ]
                        },
                    }
                ]
            },
        },
        **changed,
    }


def with_event(**changed: Any) -> dict[str, Any]:
    """The same with other fields in its event."""
    return plugin(event=plugin()["event"] | changed)


def read(payload: dict[str, Any]) -> Alert:
    return SOURCE.normalise("plugin", payload)


def key(payload: dict[str, Any], sent: str = "") -> str:
    headers = {"idempotency-key": sent} if sent else {}
    return SOURCE.describe(headers, json.dumps(payload).encode()).key


def test_it_is_known_by_its_shape() -> None:
    described = SOURCE.describe({}, json.dumps(plugin()).encode())
    assert (described.resource, described.action) == ("plugin", "triggered")
    envelope = {"action": "triggered", "data": {"event": plugin()["event"]}}
    assert SOURCE.describe({}, json.dumps(envelope).encode()).resource == "event_alert"


def test_it_says_what_an_alert_of_an_integration_says() -> None:
    alert = read(plugin())
    assert alert.signal is Signal.FIRING
    assert alert.title == "LedgerError: balance does not follow from the ledger"
    assert alert.culprit == "POST /api/credits/tip"
    assert (alert.level, alert.environment, alert.release) == (
        "error",
        "production",
        "kulti@2.14.0",
    )
    assert (alert.project, alert.rule) == ("kulti", "production: any error")
    assert (alert.event_id, alert.issue_id) == (EVENT_ID, "6400000123")
    assert alert.issue_url.startswith("https://kulti.sentry.io/issues/6400000123/")
    assert [frame.path for frame in alert.frames] == ["./lib/credits/service.ts"]
    assert classify(alert, load(PLAYBOOKS).areas).area == "credits"


def test_what_sentry_made_of_the_event_comes_first() -> None:
    alert = read(with_event(culprit="app/elsewhere in f", title="T: v", level="info"))
    assert (alert.culprit, alert.title, alert.level) == ("POST /api/credits/tip", "T: v", "error")


def test_without_a_culprit_the_event_s_own_counts() -> None:
    assert read(with_event(culprit="GET /x") | {"culprit": None}).culprit == "GET /x"


def test_a_message_without_an_exception_is_its_title() -> None:
    said = "HMS create room error"
    alert = read(plugin(message=said, event={"event_id": EVENT_ID, "tags": []}))
    assert (alert.title, alert.message) == (said, said)


def test_the_test_button_starts_nothing() -> None:
    sample = with_event(tags=[["sample_event", "yes"]]) | {"triggering_rules": []}
    assert read(sample).signal is Signal.TEST


def test_real_trouble_without_a_rule_is_still_trouble() -> None:
    assert read(plugin(triggering_rules=[])).signal is Signal.FIRING


@pytest.mark.parametrize("field", sorted(plugin()))
@pytest.mark.parametrize("odd", [None, 7, "x", [[]], {"a": 1}, True])
def test_a_field_of_a_wrong_type_does_no_harm(field: str, odd: Any) -> None:
    alert = read(plugin(**{field: odd}))
    assert alert.resource == "plugin"
    assert len(key(plugin(**{field: odd}))) <= 200


def test_what_is_called_a_plugin_s_but_is_not_starts_nothing() -> None:
    envelope = {"action": "triggered", "data": {"event": plugin()["event"]}}
    assert read(envelope).signal is Signal.UNKNOWN
    assert read({"event": "x"}).signal is Signal.UNKNOWN
    assert SOURCE.normalise("event_alert", plugin()).signal is Signal.UNKNOWN


def test_its_key_is_the_event_and_the_rules() -> None:
    assert key(plugin()) == key(plugin(message="another"))
    assert key(plugin()) != key(plugin(triggering_rules=["another"]))
    assert key(plugin()) != key(with_event(event_id="another"))
    assert key(plugin(), "k" * 32) == f"sentry:plugin:{'k' * 32}"
    nameless = with_event(event_id=None, id=None)
    assert key(nameless) != key(nameless | {"message": "another"})
