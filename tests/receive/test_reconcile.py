"""Which issues no delivery tells of, and what is taken in for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from responder.receive.alert import Signal
from responder.receive.reconcile import Missed, stand_in, uncovered
from tests.receive.samples import SOURCE, payload
from tests.receive.test_sentry_rest import EVENT, ISSUE

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
BACK = timedelta(hours=2)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def issue(id_: str = "1", *, last: float = 5, first: float = 10_000) -> dict[str, Any]:
    """An issue last and first seen so many minutes ago."""
    return {"id": id_, "lastSeen": ago(last).isoformat(), "firstSeen": ago(first).isoformat()}


def missed(*issues: dict[str, Any], **heard: float) -> list[str]:
    """The ids of those not covered; `heard` is of `_1`, `_2`, …, in minutes ago."""
    known = {name[1:]: ago(minutes) for name, minutes in heard.items()}
    return [one.id for one in uncovered(issues, known, now=NOW, back=BACK)]


def test_an_issue_nobody_told_of_is_missing() -> None:
    assert missed(issue()) == ["1"]
    assert missed(issue(), _2=1) == ["1"]


def test_one_that_goes_on_is_covered_for_a_window() -> None:
    assert missed(issue(last=5), _1=1) == []
    assert missed(issue(last=5), _1=124) == []
    assert missed(issue(last=5), _1=126) == ["1"]


def test_a_new_one_is_covered_by_any_delivery() -> None:
    assert missed(issue(first=30)) == ["1"]
    assert missed(issue(first=30), _1=200) == []
    (new,) = uncovered([issue(first=30)], {}, now=NOW, back=BACK)
    (old,) = uncovered([issue(first=130)], {}, now=NOW, back=BACK)
    assert (new.new, old.new) == (True, False)


def test_what_was_last_seen_before_the_window_is_nothing_of_ours() -> None:
    assert missed(issue(last=119), issue("2", last=121)) == ["1"]


def test_they_come_in_the_order_in_which_they_were_seen() -> None:
    assert missed(issue("3", last=1), issue("1", last=9), issue("2", last=5)) == ["1", "2", "3"]


def test_what_is_no_issue_is_passed_over() -> None:
    odd: list[dict[str, Any]] = [{}, {"id": "x/../y", "lastSeen": NOW.isoformat()}]
    odd += [issue() | {"lastSeen": None}, issue() | {"lastSeen": "soon"}, issue("١")]
    assert missed(*odd) == []


def taken(event: dict[str, Any], *, new: bool = False) -> tuple[str, dict[str, Any]]:
    """The key and payload that stand in for an event of the sample issue."""
    about = ISSUE | {"metadata": {"value": "balance would become negative"}}
    key, body = stand_in(Missed("5100200300", about, ago(3), new), event)
    return key, json.loads(body)


def test_it_reads_as_the_webhook_would_have() -> None:
    key, body = taken(EVENT)
    assert key == f"sentry:reconciled:5100200300:{EVENT['eventID']}"
    told = SOURCE.normalise("reconciled", body)
    webhook = SOURCE.normalise("event_alert", payload("event_alert"))
    assert (told.signal, told.first_seen) == (Signal.FIRING, False)
    assert (told.frames, told.event_id) == (webhook.frames, webhook.event_id)
    assert (told.occurred_at, told.environment) == (webhook.occurred_at, "production")
    assert told.notes == ("fetched from Sentry's API: no webhook had told of it",)


def test_a_new_issue_is_told_as_new() -> None:
    assert SOURCE.normalise("reconciled", taken(EVENT, new=True)[1]).first_seen


def test_without_its_event_the_issue_must_do() -> None:
    key, body = taken({})
    assert key == f"sentry:reconciled:5100200300:{ago(3).isoformat()}"
    told = SOURCE.normalise("reconciled", body)
    assert (told.signal, told.occurred_at) == (Signal.FIRING, ago(3))
    assert (told.title, told.culprit) == (ISSUE["title"], ISSUE["culprit"])
    assert (told.issue_id, told.event_id) == ("5100200300", "")


def test_only_what_we_made_ourselves_is_taken_for_it() -> None:
    captured = payload("event_alert")  # under another name, which no signature covers
    assert SOURCE.normalise("reconciled", captured).signal is Signal.UNKNOWN


def test_a_test_notification_stays_one() -> None:
    tags = [*EVENT["tags"], {"key": "sample_event", "value": "yes"}]
    body = taken(EVENT | {"tags": tags})[1]
    assert SOURCE.normalise("reconciled", body).signal is Signal.TEST
