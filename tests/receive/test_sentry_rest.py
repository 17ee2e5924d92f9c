"""An event from Sentry's API is normalised to the alert that its webhook would have been."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.classify.culprit import candidates
from responder.receive.alert import Alert
from responder.receive.sentry_rest import as_webhook_event
from tests.receive.samples import SOURCE, alert, payload

ISSUE: dict[str, Any] = {
    "id": "5100200300",
    "permalink": "https://kulti.sentry.io/organizations/kulti/issues/5100200300/",
    "project": {"id": "4508001122334455", "slug": "kulti"},
    "level": "error",
    "culprit": "POST /api/credits/tip",
    "title": "CreditError: balance would become negative",
}


def frame(path: str, function: str, line: int, *, in_app: bool) -> dict[str, Any]:
    module = path.removeprefix("./").rpartition(".")[0]
    return {
        "filename": path,
        "absPath": f"webpack://_N_E/{path}",
        "module": module,
        "package": None,
        "function": function,
        "context": [[line - 1, "before"], [line, "the line"], [line + 1, "after"]],
        "lineNo": line,
        "colNo": 9,
        "inApp": in_app,
        "vars": None,
    }


def exception(kind: str, value: str, frames: list[dict[str, Any]]) -> dict[str, Any]:
    stack = {"frames": frames, "framesOmitted": None, "hasSystemFrames": True}
    return {"type": kind, "value": value, "stacktrace": stack, "threadId": None}


# tests/samples/sentry/event_alert.json, as the API tells it.
EVENT: dict[str, Any] = {
    "id": "a3f0c1d2e4b5968778695a4b3c2d1e0f",
    "eventID": "a3f0c1d2e4b5968778695a4b3c2d1e0f",
    "groupID": "5100200300",
    "projectID": "4508001122334455",
    "title": "CreditError: balance would become negative",
    "culprit": "POST /api/credits/tip",
    "message": "",
    "platform": "node",
    "type": "error",
    "dist": None,
    "location": "./lib/credits/service.ts",
    "dateCreated": "2026-03-04T10:30:15.500000Z",
    "dateReceived": "2026-03-04T10:30:16.100000Z",
    "release": {"version": "kulti@1.8.2", "dateReleased": None},
    "occurrence": None,
    "errors": [],
    "metadata": {
        "type": "CreditError",
        "value": "balance would become negative",
        "filename": "./lib/credits/service.ts",
        "function": "deductCredits",
    },
    "user": {"id": "b1f2", "email": "viewer@kulti.example", "ip_address": "198.51.100.7"},
    "tags": [
        {"key": "environment", "value": "production"},
        {"key": "level", "value": "error"},
        {"key": "release", "value": "kulti@1.8.2"},
        {"key": "transaction", "value": "POST /api/credits/tip"},
        {"key": "url", "value": "https://kulti.example/api/credits/tip"},
    ],
    "contexts": {
        "trace": {"trace_id": "11112222333344445555666677778888"},
        "nextjs": {
            "request_path": "/api/credits/tip",
            "router_path": "/api/credits/tip",
            "router_kind": "App Router",
            "route_type": "route",
        },
    },
    "entries": [
        {
            "type": "exception",
            "data": {
                "values": [
                    exception(
                        "Error",
                        "P0001: check constraint",
                        [
                            frame(
                                "./node_modules/@supabase/postgrest-js/dist/index.mjs",
                                "then",
                                31,
                                in_app=False,
                            ),
                            frame("./lib/supabase/server.ts", "rpc", 52, in_app=True),
                        ],
                    ),
                    exception(
                        "CreditError",
                        "balance would become negative",
                        [
                            frame(
                                "./node_modules/next/dist/server/base-server.js",
                                "handle",
                                900,
                                in_app=False,
                            ),
                            frame("./app/api/credits/tip/route.ts", "POST", 27, in_app=True),
                            frame("./lib/credits/service.ts", "deductCredits", 118, in_app=True),
                        ],
                    ),
                ]
            },
        },
        {
            "type": "request",
            "data": {
                "url": "https://kulti.example/api/credits/tip",
                "method": "POST",
                "query": [["session", "s3cr3t"]],
                "headers": [["Content-Type", "application/json"]],
                "cookies": [],
            },
        },
        {
            "type": "breadcrumbs",
            "data": {
                "values": [
                    {
                        "timestamp": "2026-03-04T10:30:15.000Z",
                        "category": "http",
                        "message": None,
                        "data": {"status_code": 409},
                    }
                ]
            },
        },
    ],
}


def read(event: Any, issue: Any) -> Alert:
    """The alert that a webhook with this event would be."""
    data = {"event": as_webhook_event(event, issue), "triggered_rule": "Credits: any error"}
    actor = {"type": "application", "id": "sentry", "name": "Sentry"}
    return SOURCE.normalise("event_alert", {"action": "triggered", "data": data, "actor": actor})


def test_it_is_the_alert_that_the_webhook_is() -> None:
    webhook = alert("event_alert")
    assert len(webhook.frames) == 5
    assert read(EVENT, ISSUE) == webhook
    assert candidates(read(EVENT, ISSUE)) == candidates(webhook)


def test_so_is_a_message_without_a_stack() -> None:
    webhook = alert("event_alert.message")
    source = payload("event_alert.message")["data"]["event"]
    event = {
        "eventID": source["event_id"],
        "title": source["title"],
        "culprit": source["culprit"],
        "message": "",
        "metadata": source["metadata"],
        "location": None,
        "dateCreated": source["datetime"],
        "release": {"version": "kulti@1.8.2"},
        "tags": [{"key": key, "value": value} for key, value in source["tags"]],
        "entries": [{"type": "message", "data": {"formatted": "Failed to add credits"}}],
    }
    permalink = "https://kulti.sentry.io/organizations/kulti/issues/5100200301/"
    issue = {"id": "5100200301", "project": {"slug": "kulti"}, "permalink": permalink}
    assert read(event, issue) == replace(webhook, rule="Credits: any error")


def test_times_sources_and_requests_are_as_in_webhooks() -> None:
    event: dict[str, Any] = as_webhook_event(EVENT, ISSUE)
    (crumb,) = event["breadcrumbs"]["values"]
    assert crumb["timestamp"] == 1772620215.0
    last = event["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    assert last == {
        "filename": "./lib/credits/service.ts",
        "abs_path": "webpack://_N_E/./lib/credits/service.ts",
        "module": "lib/credits/service",
        "package": None,
        "function": "deductCredits",
        "lineno": 118,
        "colno": 9,
        "in_app": True,
        "vars": None,
        "pre_context": ["before"],
        "context_line": "the line",
        "post_context": ["after"],
    }
    assert event["request"]["query_string"] == [["session", "s3cr3t"]]
    assert event["user"] == EVENT["user"]


def test_what_the_event_does_not_tell_comes_from_the_issue() -> None:
    known = read({}, ISSUE)
    assert known.title == ISSUE["title"]
    assert known.culprit == ISSUE["culprit"]
    assert (known.issue_id, known.level, known.project) == ("5100200300", "error", "kulti")
    alone = read(EVENT, {})
    assert (alone.issue_id, alone.project) == ("5100200300", "4508001122334455")
    assert alone.issue_url == ""


def test_a_thread_and_a_bare_stack_have_frames_too() -> None:
    stack = {"frames": [frame("./lib/a.ts", "a", 1, in_app=True)]}
    for entry in (
        {"type": "threads", "data": {"values": [{"id": 1, "stacktrace": stack}]}},
        {"type": "stacktrace", "data": stack},
    ):
        (only,) = read({"entries": [entry]}, {}).frames
        assert (only.path, only.line, only.in_app) == ("./lib/a.ts", 1, True)


def test_an_issue_that_is_no_error_keeps_what_happened() -> None:
    occurrence = {"issueTitle": "Cron failed", "culprit": "nightly", "subtitle": "missed"}
    known = read({"occurrence": occurrence, "title": None}, {})
    assert (known.title, known.culprit, known.message) == ("Cron failed", "nightly", "missed")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@pytest.mark.parametrize("name", [*EVENT, "entries.data"])
@settings(deadline=None)
@given(value=JSON)
def test_it_never_raises_whatever_a_field_holds(name: str, value: object) -> None:
    broken: dict[str, Any] = dict(EVENT)
    if name == "entries.data":
        kinds = ("exception", "threads", "stacktrace", "breadcrumbs", "request", "message")
        shapes = (value, {"values": value}, {"values": [value]}, {"frames": [value]})
        broken["entries"] = [{"type": kind, "data": one} for one in shapes for kind in kinds]
        for entry in list(broken["entries"]):
            read(broken | {"entries": [entry]}, value)
    else:
        broken[name] = value
    read(broken, {**ISSUE, "project": value, "permalink": value})
    read(value, value)
