"""What each of Sentry's webhooks says in our words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from responder.classify.areas import parse_areas
from responder.classify.match import classify
from responder.receive.alert import Alert, Frame, Metric, Signal
from responder.receive.sentry import FRAMES
from tests.receive.samples import NAMES, SOURCE, alert, body, payload, resource

AREAS = parse_areas(
    YAML(typ="safe").load(
        (Path(__file__).parents[2] / "playbooks" / "areas.yaml").read_text(encoding="utf-8")
    )["areas"]
)


def event(**fields: Any) -> Alert:
    """The alert of an event with these fields and no others."""
    return SOURCE.normalise("event_alert", {"action": "triggered", "data": {"event": fields}})


def stack(*frames: dict[str, Any] | None) -> dict[str, Any]:
    return {"values": [{"stacktrace": {"frames": list(frames)}}]}


@pytest.mark.parametrize(
    ("name", "signal", "area"),
    [
        ("event_alert", Signal.FIRING, "credits"),
        ("event_alert.message", Signal.FIRING, "credits"),
        ("event_alert.occurrence", Signal.FIRING, "default"),
        ("event_alert.test", Signal.TEST, "default"),
        ("error", Signal.FIRING, "auth"),
        ("issue.created", Signal.FIRING, "credits"),
        ("issue.resolved", Signal.RESOLVED, "credits"),
        ("metric_alert.critical", Signal.FIRING, "webhooks"),
        ("metric_alert.resolved", Signal.RESOLVED, "webhooks"),
        ("comment", Signal.NOTE, "default"),
        ("installation", Signal.NOTE, "default"),
        ("seer", Signal.NOTE, "default"),
        ("activity_alert", Signal.NOTE, "credits"),
        ("unknown", Signal.UNKNOWN, "default"),
    ],
)
def test_signals_and_areas(name: str, signal: Signal, area: str) -> None:
    assert alert(name).signal is signal
    assert classify(alert(name), AREAS).area == area


def test_every_sample_is_looked_at_above() -> None:
    marks = test_signals_and_areas.pytestmark  # type: ignore[attr-defined]
    assert sorted(row[0] for row in marks[0].args[1]) == NAMES


def test_an_event() -> None:
    read = alert("event_alert")
    assert replace(read, frames=tuple(replace(one, address="") for one in read.frames)) == Alert(
        source="sentry",
        resource="event_alert",
        action="triggered",
        signal=Signal.FIRING,
        title="CreditError: balance would become negative",
        message="balance would become negative",
        type="CreditError",
        level="error",
        culprit="POST /api/credits/tip",
        transaction="POST /api/credits/tip",
        location="./lib/credits/service.ts",
        route="/api/credits/tip",
        url="https://kulti.example/api/credits/tip",  # without its query
        environment="production",
        project="kulti",
        release="kulti@1.8.2",
        event_id="a3f0c1d2e4b5968778695a4b3c2d1e0f",
        issue_id="5100200300",
        issue_url="https://kulti.sentry.io/organizations/kulti/issues/5100200300/events/"
        "a3f0c1d2e4b5968778695a4b3c2d1e0f/",
        rule="Credits: any error",
        actor="Sentry",
        occurred_at=datetime(2026, 3, 4, 10, 30, 15, 500_000, tzinfo=UTC),
        frames=(
            # The exception that names the event, newest frame first; then its cause.
            Frame("./lib/credits/service.ts", "deductCredits", 118, True),
            Frame("./app/api/credits/tip/route.ts", "POST", 27, True),
            Frame("./node_modules/next/dist/server/base-server.js", "handle", 900, False),
            Frame("./lib/supabase/server.ts", "rpc", 52, True),
            Frame("./node_modules/@supabase/postgrest-js/dist/index.mjs", "then", 31, False),
        ),
        tags={
            "environment": "production",
            "level": "error",
            "release": "kulti@1.8.2",
            "transaction": "POST /api/credits/tip",
            "url": "https://kulti.example/api/credits/tip",
        },
    )


def test_a_message_has_no_frames_and_keeps_its_words() -> None:
    message = alert("event_alert.message")
    assert message.frames == ()
    assert message.message == "Failed to add credits"
    assert message.transaction == "POST /api/webhooks/hms"


def test_an_error_s_time_is_in_utc() -> None:
    assert alert("error").occurred_at == datetime(2026, 3, 4, 10, 30, 15, 500_000, tzinfo=UTC)
    assert alert("error").environment == "preview"


def test_an_issue() -> None:
    issue = alert("issue.resolved")
    assert (issue.issue_id, issue.users, issue.actor) == ("5100200300", 9, "Ines Duarte")
    assert issue.location == "./lib/credits/service.ts"
    assert issue.issue_url == "https://kulti.sentry.io/issues/5100200300/"  # its permalink
    assert issue.occurred_at == datetime(2026, 3, 4, 11, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("action", "signal"),
    [
        ("unresolved", Signal.FIRING),
        ("assigned", Signal.NOTE),
        ("ignored", Signal.NOTE),
        ("archived", Signal.NOTE),
        ("", Signal.NOTE),
    ],
)
def test_what_else_becomes_of_an_issue(action: str, signal: Signal) -> None:
    changed = {**payload("issue.created"), "action": action}
    assert SOURCE.normalise("issue", changed).signal is signal


@pytest.mark.parametrize(
    ("resource_", "action"),
    [
        ("event_alert", "resolved"),
        ("error", "deleted"),
        ("metric_alert", "updated"),
        ("never_heard_of", "created"),
        ("", ""),
    ],
)
def test_what_we_have_no_words_for_is_unknown(resource_: str, action: str) -> None:
    changed = {**payload("event_alert"), "action": action}
    assert SOURCE.normalise(resource_, changed).signal is Signal.UNKNOWN


def test_an_unknown_resource_keeps_its_title() -> None:
    assert alert("unknown").title == "kulti 1.8.2"


def test_a_metric_alert() -> None:
    critical = alert("metric_alert.critical")
    assert critical.metric == Metric(
        id="330412",
        rule="HMS webhook failures",
        query='transaction:"POST /api/webhooks/hms"',
        aggregate="failure_rate()",
        description="0.08 failure rate in the last 15 minutes\n"
        'Filter: transaction:"POST /api/webhooks/hms"',
        rule_id="61150",
        value=0.08,
    )
    assert (critical.title, critical.level, critical.environment, critical.project) == (
        "Critical: HMS webhook failures",
        "critical",
        "production",
        "kulti",
    )
    assert critical.occurred_at is None  # it may have begun long before it became critical
    assert alert("metric_alert.resolved").occurred_at == datetime(2026, 3, 4, 11, 5, tzinfo=UTC)


@pytest.mark.parametrize("action", ["warning", "open"])
def test_other_metric_alerts_that_fire(action: str) -> None:
    changed = {**payload("metric_alert.critical"), "action": action}
    assert SOURCE.normalise("metric_alert", changed).signal is Signal.FIRING


def test_a_comment() -> None:
    comment = alert("comment")
    assert (comment.issue_id, comment.message) == ("5100200300", "Rolling back – tips are off")


def test_an_installation_s_code_is_a_secret_and_not_kept() -> None:
    assert "made-up-code" not in repr(alert("installation"))


def test_an_occurrence_stands_in_where_the_event_is_silent() -> None:
    occurrence = {"issueTitle": "Down", "subtitle": "No answer", "culprit": "check"}
    silent = event(title=None, message="", culprit="", occurrence=occurrence)
    assert (silent.title, silent.message, silent.culprit) == ("Down", "No answer", "check")


@pytest.mark.parametrize(
    "fields",
    [
        {"tags": [["sample_event", "yes"]]},
        {"tags": [{"key": "sample_event", "value": "yes"}]},
        {"culprit": "Test notification"},
        {"occurrence": {"issueTitle": "Test Issue"}},
        {"occurrence": {"culprit": "Test notification"}},
    ],
)
def test_test_notifications(fields: dict[str, Any]) -> None:
    assert event(title="TypeError", **fields).signal is Signal.TEST
    error = {"action": "created", "data": {"error": fields}}
    assert SOURCE.normalise("error", error).signal is Signal.TEST


@pytest.mark.parametrize(
    "fields",
    [
        {"stacktrace": {"frames": [{"filename": "old.ts"}, {"filename": "new.ts"}]}},
        {"threads": stack({"filename": "old.ts"}, {"filename": "new.ts"})},
        {"exception": stack({"filename": "old.ts"}, None, {"filename": "new.ts"})},
        {"exception": {"values": [None, *stack({"abs_path": "old.ts"}, {"module": "new.ts"})[
            "values"], {"stacktrace": None}]}},
    ],
)  # fmt: skip
def test_wherever_the_frames_are(fields: dict[str, Any]) -> None:
    assert [frame.path for frame in event(**fields).frames] == ["new.ts", "old.ts"]


def test_in_app_is_true_only_where_sentry_says_so() -> None:
    frames = [{"filename": "a.ts", "in_app": value} for value in (True, False, None, 1, "true")]
    given = event(exception=stack(*frames)).frames
    assert [frame.in_app for frame in given] == [False, False, False, False, True]


def test_only_the_newest_frames_are_kept() -> None:
    frames = [{"filename": f"{number}.ts"} for number in range(FRAMES + 50)]
    long = event(exception=stack(*frames))
    assert len(long.frames) == FRAMES
    assert long.frames[0].path == f"{FRAMES + 49}.ts"
    assert any("newest 250 frames" in note for note in long.notes)


def test_long_texts_are_cut_and_it_says_so() -> None:
    long = event(title="t" * 100_000, tags=[["big", "v" * 100_000]])
    assert len(long.title) == 500
    assert len(long.tags["big"]) == 200
    assert long.notes == (
        "the value of a tag was cut to 200 characters",
        "the title was cut to 500 characters",
    )


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"datetime": "2026-03-04T10:30:15Z"}, (2026, 3, 4, 10, 30, 15)),
        ({"datetime": "2026-03-04T10:30:15"}, (2026, 3, 4, 10, 30, 15)),
        ({"datetime": "2026-03-04T12:30:15+02:00"}, (2026, 3, 4, 10, 30, 15)),
        ({"datetime": None, "timestamp": 1772620215.0}, (2026, 3, 4, 10, 30, 15)),
        ({"datetime": "yesterday", "timestamp": 1772620215}, (2026, 3, 4, 10, 30, 15)),
    ],
)
def test_times(fields: dict[str, Any], at: tuple[int, int, int, int, int, int]) -> None:
    assert event(**fields).occurred_at == datetime(*at, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    ["yesterday", "", True, [], 1e300, -1e300, float("nan"), float("inf"), 10**30, 0,
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T00:00:00Z"],
)  # fmt: skip
def test_impossible_times_are_left_out_with_a_note(value: object) -> None:
    odd = event(timestamp=value)
    assert odd.occurred_at is None
    assert odd.notes == ("timestamp is no time we can use, and was left out",)


def test_ids_are_strings_whatever_they_were() -> None:
    assert event(issue_id=5100200300, event_id=7).issue_id == "5100200300"
    assert event(project=4508001122334455).project == "4508001122334455"


def test_what_no_database_stores_is_taken_out() -> None:
    odd = event(title="a\0b", environment="\ud800prod", tags=[["k\0", "\udfffv"]])
    assert odd.title == "ab"
    assert odd.environment == "?prod"
    assert odd.tags == {"k": "?v"}


def test_only_web_addresses_become_links() -> None:
    assert event(web_url="javascript:alert(1)").issue_url == ""
    assert event(web_url="javascript:alert(1)", issue_url="https://s.example/1").issue_url == (
        "https://s.example/1"
    )


@pytest.mark.parametrize(
    ("count", "users"), [(3, 3), ("3", 3), (-1, None), (2**31, None), (True, None), (None, None)]
)
def test_users(count: object, users: int | None) -> None:
    changed = {"action": "created", "data": {"issue": {"userCount": count}}}
    assert SOURCE.normalise("issue", changed).users == users


@pytest.mark.parametrize("name", [name for name in NAMES if name != "unknown"])
def test_without_a_header_the_body_tells_the_resource(name: str) -> None:
    assert SOURCE.describe({}, body(name)).resource == resource(name)
