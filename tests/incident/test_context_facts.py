"""What is shown around an incident comes from the alert, and is fit to be shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.incident.context import (
    EventFacts,
    Privacy,
    commits_of,
    event_facts,
    issue_facts,
    replays_of,
)
from responder.postmortem.follow_ups import unfinished
from tests.receive.samples import NAMES, SOURCE, alert, payload

PRIVACY = Privacy(b"key", ("kulti_id",))
REPLAY = "0123456789abcdef0123456789abcdef"


def rich() -> dict[str, Any]:
    """The sample of an event, with all that an SDK in a browser adds."""
    content = payload("event_alert")
    content["data"]["event"] |= {
        "contexts": {
            "trace": {"trace_id": "11112222333344445555666677778888"},
            "replay": {"replay_id": REPLAY},
            "browser": {"name": "Chrome", "version": "126.0.0"},
            "os": {"name": "Android", "version": "14"},
        },
        "breadcrumbs": {
            "values": [
                *({"category": "old", "message": str(number)} for number in range(20)),
                {
                    "timestamp": 1772620215.0,
                    "type": "http",
                    "category": "fetch",
                    "level": "error",
                    "message": None,
                    "data": {
                        "method": "POST",
                        "url": "https://kulti.example/api/tip?token=s3cr3t",
                        "status_code": 409,
                    },
                },
                {"category": "navigation", "data": {"from": "/a?x=s3cr3t", "to": "/b"}},
                {"category": "auth", "message": "signed in as viewer@kulti.example from 10.1.2.3"},
            ]
        },
    }
    content["data"]["event"]["tags"] += [
        ["feature", "tips"],
        ["session_token", "s3cr3t"],
        ["kulti_id", "s3cr3t"],
        ["user.email", "viewer@kulti.example"],
        ["browser.name", "Chrome"],
    ]
    return content


def facts(content: dict[str, Any], named: str = "event_alert") -> EventFacts:
    return event_facts(SOURCE.normalise(named, content), content, PRIVACY)


def test_an_event_tells_where_when_and_with_what() -> None:
    told = facts(rich())
    assert (told.environment, told.release) == ("production", "kulti@1.8.2")
    assert (told.browser, told.os) == ("Chrome 126.0.0", "Android 14")
    assert told.request == "POST /api/credits/tip"
    assert told.trace_id == "11112222333344445555666677778888"
    assert [(one.file, one.line, one.function) for one in told.frames] == [
        ("lib/credits/service.ts", 118, "deductCredits"),
        ("app/api/credits/tip/route.ts", 27, "POST"),
        ("lib/supabase/server.ts", 52, "rpc"),
    ]
    assert told.replay is not None
    assert told.replay.url == f"https://kulti.sentry.io/organizations/kulti/replays/{REPLAY}/"
    assert told.tags == {"feature": "tips"}


def test_the_last_breadcrumbs_say_what_happened() -> None:
    crumbs = facts(rich()).breadcrumbs
    assert len(crumbs) == 10
    assert [one.message for one in crumbs[-3:]] == [
        "POST kulti.example/api/tip 409",
        "/a → /b",
        "signed in as [e-mail] from [address]",
    ]
    assert crumbs[-3].at is not None
    assert crumbs[-3].at.isoformat() == "2026-03-04T10:30:15+00:00"


def test_nobody_is_named_and_nothing_secret_is_shown() -> None:
    told = facts(rich())
    shown = told.model_dump_json()
    for secret in ("viewer", "@kulti", "198.51", "10.1.2", "s3cr3t", "b1f2", "session="):
        assert secret not in shown, secret
    assert told.user.startswith("user ")
    other = rich()
    other["data"]["event"]["user"]["id"] = "b1f3"
    assert facts(other).user != told.user == facts(rich()).user
    assert event_facts(alert("event_alert"), rich(), Privacy(b"other")).user != told.user


def test_the_legacy_plugins_event_and_the_stream_of_errors_tell_as_much() -> None:
    event = rich()["data"]["event"]
    assert facts({"action": "created", "data": {"error": event}}, "error").os == "Android 14"
    plugin = {"event": event, "triggering_rules": ["x"], "project_slug": "kulti"}
    assert facts(plugin, "plugin").os == "Android 14"


@pytest.mark.parametrize("name", NAMES)
def test_each_sample_tells_something_that_can_be_stored(name: str) -> None:
    told = event_facts(alert(name), payload(name), PRIVACY)
    assert EventFacts.model_validate(json.loads(told.model_dump_json())) == told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None)
@given(value=JSON)
def test_it_never_raises_whatever_a_field_holds(value: Any) -> None:
    event = rich()["data"]["event"]
    for name in event:
        facts({"action": "triggered", "data": {"event": event | {name: value}}})
    for name in ("browser", "os", "trace", "replay"):
        facts({"action": "triggered", "data": {"event": {"contexts": {name: value}}}})
    facts({"data": {"event": {"breadcrumbs": {"values": [value, {"data": value}]}}}})
    issue = {"permalink": "https://x.example/issues/1/", "title": "t"}
    for name in ("userCount", "count", "firstSeen", "firstRelease", "assignedTo", "permalink"):
        issue_facts(issue | {name: value}, PRIVACY)
    commits_of([{"author": value, "commits": value}, {"commits": [value]}], PRIVACY)


def test_an_issue_tells_how_many_and_since_when() -> None:
    told = issue_facts(
        {
            "id": "7",
            "shortId": "KULTI-7",
            "title": "mail to viewer@kulti.example failed",
            "permalink": "javascript:alert(1)",
            "status": "unresolved",
            "substatus": "regressed",
            "priority": "high",
            "assignedTo": {"type": "user", "name": "Rosa"},
            "userCount": 12,
            "count": "345",
            "firstSeen": "2026-03-01T00:00:00Z",
            "lastSeen": "2026-03-04T00:00:00Z",
            "firstRelease": {"version": "kulti@1.8.1"},
            "lastRelease": None,
        },
        PRIVACY,
    )
    assert (told.users, told.events, told.status) == (12, 345, "unresolved (regressed)")
    assert told.title == "mail to [e-mail] failed"
    assert (told.url, told.assignee, told.first_release) == ("", "Rosa", "kulti@1.8.1")
    assert (told.commits, told.replays) == (None, None)


def test_of_who_committed_only_the_name_is_shown() -> None:
    author = {"name": "Rosa Okafor", "email": "rosa@kulti.example"}
    commit = {"id": "abcdef0123456789", "message": "Tip twice\n\nlong text", "author": author}
    unnamed = {"author": {"name": "ben@kulti.example"}, "commits": [commit]}
    (first, second) = commits_of([{"author": author, "commits": [commit]}, unnamed], PRIVACY)
    assert (first.id, first.author, first.subject) == ("abcdef01", "Rosa Okafor", "Tip twice")
    assert second.author == "[e-mail]"


def test_replays_are_looked_at_beside_the_issue() -> None:
    (one,) = replays_of([REPLAY], "https://kulti.sentry.io/issues/7/")
    assert one.url == f"https://kulti.sentry.io/replays/{REPLAY}/"
    (one,) = replays_of([REPLAY], "")
    assert (one.id, one.url) == (REPLAY, "")


def test_unfinished_follow_ups_are_those_without_a_tick() -> None:
    body = """# Title
- 2026-03-04 10:30 UTC, responder: \\[ \\] no
- [ ] test the tip route
- [x] done
  * [ ] ask Ben
-[ ] no
"""
    assert unfinished(body) == ["test the tip route", "ask Ben"]
