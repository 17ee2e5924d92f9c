"""What is kept quiet: ignore rules, maintenance, snoozes; and what no rule may keep quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from responder.classify.history import History
from responder.classify.noise import Ignore, Maintenance, Noise, Snoozed
from responder.classify.severity import Severity
from responder.classify.verdict import Arrival, Outcome, Rules, Verdict, judge, place
from responder.playbook.folder import load
from responder.receive.alert import Alert, Frame, Measure, Signal
from tests.service import PLAYBOOKS

NOW = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
SHIPPED = load(PLAYBOOKS).rules


def alert(**fields: Any) -> Alert:
    return Alert("sentry", "event_alert", "triggered", Signal.FIRING, **fields)


def rules(ignore: dict[str, Any] | None = None, maintenance: dict[str, Any] | None = None) -> Rules:
    """The shipped rules with other noise."""
    noise = Noise(
        {name: Ignore.model_validate(rule) for name, rule in (ignore or {}).items()},
        {name: Maintenance.model_validate(rule) for name, rule in (maintenance or {}).items()},
    )
    return replace(SHIPPED, noise=noise)


def decide(
    one: Alert, rules: Rules = SHIPPED, history: History | None = None, at: datetime = NOW
) -> Verdict:
    history = History() if history is None else history
    return judge(one, place(one, rules), Arrival(at), history, rules)


# ── ignore rules ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rule", "fields", "fits"),
    [
        ({"messages": ["Failed to fetch"]}, {"title": "TypeError: failed to FETCH (app)"}, True),
        ({"messages": ["Failed to fetch"]}, {"message": "x: Failed to fetch"}, True),
        ({"messages": ["Failed to fetch"]}, {"title": "Failed to catch"}, False),
        ({"messages": ["a", "/^b+$/"]}, {"message": "BBB"}, True),
        ({"types": ["AbortError"]}, {"type": "AbortError"}, True),
        ({"types": ["AbortError"]}, {"type": "MyAbortError"}, False),
        ({"types": ["*AbortError"]}, {"type": "MyAbortError"}, True),
        ({"types": ["AbortError"]}, {"title": "AbortError"}, False),
        ({"releases": ["web@1.*"]}, {"release": "web@1.4.2"}, True),
        ({"releases": ["web@1.*"]}, {"release": "web@2.0"}, False),
        ({"releases": ["web@1.*"]}, {}, False),
        # all that is given must fit
        ({"types": ["E"], "releases": ["1"]}, {"type": "E", "release": "1"}, True),
        ({"types": ["E"], "releases": ["1"]}, {"type": "E", "release": "2"}, False),
        ({"types": ["E"], "messages": ["x"]}, {"title": "x"}, False),
        ({"types": ["E"], "environments": ["staging"]}, {"type": "E", "environment": "staging"},
         True),
        ({"types": ["E"], "environments": ["staging"]}, {"type": "E"}, False),
    ],
)  # fmt: skip
def test_an_ignore_rule_fits(rule: dict[str, Any], fields: dict[str, Any], fits: bool) -> None:
    assert Ignore.model_validate(rule).fits(alert(**fields)) is fits
    outcome = decide(alert(**fields), rules({"one": rule})).outcome
    assert (outcome is Outcome.SUPPRESSED) is fits


EXTENSION = "chrome-extension://abcdef/content.js"


def test_frames_are_where_the_newest_was_loaded_from() -> None:
    rule = Ignore(frames=("*extension://*",))
    ours = Frame("./lib/a.ts", in_app=True)
    by_address = Frame("content.js", address=EXTENSION)
    assert rule.fits(alert(frames=(by_address, ours)))
    assert rule.fits(alert(frames=(Frame("moz-extension://x/y.js"),)))
    assert not rule.fits(alert(frames=(ours, by_address)))  # an extension that called us
    assert not rule.fits(alert(frames=(ours,)))
    assert not rule.fits(alert())


def test_an_issue_has_no_frames_and_is_ignored_by_its_location() -> None:
    rule = Ignore(frames=("*extension://*",))
    assert rule.fits(alert(location=EXTENSION))
    assert not rule.fits(alert(location="./lib/a.ts"))


def test_what_the_app_wants_ignored_is_by_the_shipped_folder() -> None:
    for words in (
        "NetworkError when attempting to fetch resource.",
        "TypeError: Failed to fetch",
        "ReferenceError: top.GLOBALS is not defined",
        "fb_xd_fragment",
        "Non-Error promise rejection captured with value: undefined",
        "Can't find variable: gtag",
        "gtag is not defined",
    ):
        verdict = decide(alert(title=words))
        assert verdict.outcome is Outcome.SUPPRESSED, words
        assert verdict.quiet is not None
        assert verdict.quiet.rule.startswith("ignore:")
        assert verdict.explain()["suppressed_by"] == verdict.quiet.rule
    assert decide(alert(title="Failed to load")).outcome is Outcome.COUNTED


def test_what_is_kept_quiet_is_not_counted_and_joins_nothing() -> None:
    history = History()
    opened = decide(alert(title="New", first_seen=True), history=history)
    assert opened.opens is not None
    quiet = decide(alert(title="Failed to fetch", first_seen=True), history=history)
    assert (quiet.outcome, quiet.joins, quiet.counters) == (Outcome.SUPPRESSED, None, ())
    assert sum(history.alerts["default", ""].values()) == 1


CREDITS = alert(title="Failed to fetch", culprit="POST /api/credits/tip")


@pytest.mark.parametrize(
    "quieting",
    [
        {"ignore": {"one": {"messages": ["Failed to fetch"]}}},
        {"maintenance": {"one": {"from": "2026-06-10T11:00:00Z", "until": "2026-06-10T13:00:00Z"}}},
    ],
    ids=["ignore", "maintenance"],
)
def test_a_critical_area_is_spared_by_rules_that_do_not_name_it(quieting: dict[str, Any]) -> None:
    """And what names areas is for those only."""
    other = alert(title="Failed to fetch", culprit="GET /login", transaction="POST /api/auth/x")
    assert decide(CREDITS, rules(**quieting)).outcome is Outcome.OPENED
    assert decide(other, rules(**quieting)).outcome is Outcome.SUPPRESSED
    (kind,) = quieting
    named = {kind: {"one": quieting[kind]["one"] | {"areas": ["credits"]}}}
    assert decide(CREDITS, rules(**named)).outcome is Outcome.SUPPRESSED
    assert decide(other, rules(**named)).outcome is Outcome.COUNTED
    both = {kind: {"one": quieting[kind]["one"] | {"areas": ["auth", "credits"]}}}
    assert decide(CREDITS, rules(**both)).outcome is Outcome.SUPPRESSED
    assert decide(other, rules(**both)).outcome is Outcome.SUPPRESSED


def test_an_ignore_rule_must_say_what() -> None:
    with pytest.raises(ValidationError, match="say what to ignore"):
        Ignore(areas=("auth",))


# ── maintenance ─────────────────────────────────────────────────────────────────────────────


def window(**fields: Any) -> Maintenance:
    return Maintenance.model_validate(fields)


def test_maintenance_once_holds_from_its_first_moment_until_its_last() -> None:
    once = window(**{"from": "2026-12-31T23:00:00Z", "until": "2027-01-01T01:00:00+00:00"})
    end = datetime(2027, 1, 1, 1, tzinfo=UTC)
    assert once.covers(end - timedelta(hours=2))
    assert once.covers(end - timedelta(microseconds=1))
    assert not once.covers(end)
    assert not once.covers(end - timedelta(hours=2, microseconds=1))


@pytest.mark.parametrize(
    ("every", "lasts", "local", "covered"),
    [
        # on a Sunday in Berlin
        ("sun 02:00", "2h", "2026-06-14 02:00", True),
        ("sun 02:00", "2h", "2026-06-14 03:59", True),
        ("sun 02:00", "2h", "2026-06-14 04:00", False),
        ("sun 02:00", "2h", "2026-06-14 01:59", False),
        ("sun 02:00", "2h", "2026-06-13 02:30", False),
        ("mon,thu 22:30", "30m", "2026-06-11 22:45", True),
        ("mon,thu 22:30", "30m", "2026-06-12 22:45", False),
        # across midnight: it belongs to the day on which it began
        ("sat 23:00", "3h", "2026-06-14 01:59", True),
        ("sat 23:00", "3h", "2026-06-14 02:00", False),
        ("sat 23:00", "3h", "2026-06-13 01:00", False),
        ("day 23:30", "1h", "2027-01-01 00:15", True),
        ("thu 12:00", "1d", "2027-01-01 11:59", True),
        ("thu 12:00", "1d", "2027-01-01 12:00", False),
        # on 2026-03-29 it is 03:00 a minute after 01:59
        ("sun 01:30", "1h", "2026-03-29 01:59", True),
        ("sun 01:30", "1h", "2026-03-29 03:29", True),
        ("sun 01:30", "1h", "2026-03-29 03:30", False),
        ("sun 02:30", "1h", "2026-03-29 03:29", False),  # half past two is skipped, so it is late
        ("sun 02:30", "1h", "2026-03-29 03:30", True),
        ("sun 02:30", "1h", "2026-03-29 04:29", True),
        ("sat 23:59", "1d", "2026-03-30 00:30", True),  # a day, and that Sunday had 23 hours
        ("sat 23:59", "1d", "2026-03-30 00:59", False),
        # on 2026-10-25 the hour from 02:00 comes twice
        ("sun 01:30", "1h", "2026-10-25 02:29", True),
        ("sun 01:30", "1h", "2026-10-25 02:29 again", False),
        ("sun 02:30", "1h", "2026-10-25 02:30", True),
        ("sun 02:30", "1h", "2026-10-25 02:29 again", True),
        ("sun 02:30", "1h", "2026-10-25 02:30 again", False),
        ("sun 12:00", "1h", "2026-10-25 12:30", True),
    ],
)
def test_maintenance_again_and_again_goes_by_the_clock_of_its_zone(
    every: str, lasts: str, local: str, covered: bool
) -> None:
    at = datetime.fromisoformat(local.removesuffix(" again")).replace(tzinfo=BERLIN)
    at = at.replace(fold=int(local.endswith("again"))).astimezone(UTC)
    again = window(every=every, zone="Europe/Berlin", **{"for": lasts})
    assert again.covers(at) is covered
    assert again.covers(at.astimezone(ZoneInfo("America/New_York"))) is covered


def test_maintenance_goes_by_when_it_happened_and_not_by_when_it_is_heard() -> None:
    quiet = rules(maintenance={"m": {"title": "Backup", "every": "day 02:00", "for": "1h"}})
    inside, after = NOW.replace(hour=2, minute=30), NOW.replace(hour=3, minute=5)
    late = alert(title="x", occurred_at=inside)
    assert decide(late, quiet, at=after).outcome is Outcome.SUPPRESSED
    assert decide(late, quiet, at=after).reason == "in maintenance: Backup"
    early = alert(title="x", occurred_at=inside - timedelta(hours=1))
    assert decide(early, quiet, at=inside).outcome is Outcome.COUNTED
    assert decide(alert(title="x"), quiet, at=inside).outcome is Outcome.SUPPRESSED


def test_what_failed_in_maintenance_is_no_breach_after_it() -> None:
    quiet = rules(maintenance={"m": {"every": "day 02:00", "for": "1h"}})
    history = History()

    def figures(at: datetime, failures: int) -> Verdict:
        measure = Measure(area="hms", attempts=100, failures=failures)
        measured = Alert(
            "outcomes", "area", "measured", Signal.MEASURED, occurred_at=at, measure=measure
        )
        return decide(measured, quiet, history, at)

    assert figures(NOW.replace(hour=2, minute=59), 100).outcome is Outcome.SUPPRESSED
    assert figures(NOW.replace(hour=3), 1).outcome is Outcome.MEASURED
    assert figures(NOW.replace(hour=3, minute=1), 20).outcome is Outcome.OPENED


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "`from` with `until`, or `every` with `for`"),
        ({"from": "2026-01-01T00:00:00Z"}, "`from` with `until`"),
        ({"every": "sun 02:00"}, "`every` with `for`"),
        ({"from": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "after `from`"),
        ({"from": "2026-01-01T00:00:00", "until": "2026-01-02T00:00:00Z"}, "timezone"),
        ({"every": "sunday 02:00", "for": "1h"}, "write days and a time"),
        ({"every": "sun 24:00", "for": "1h"}, "write days and a time"),
        ({"every": "sun 2:00", "for": "1h"}, "write days and a time"),
        ({"every": "sun 02:00", "for": "2d"}, "at most 1d"),
        ({"every": "sun 02:00", "for": "0s"}, "at most 1d"),
        ({"every": "sun 02:00", "for": "1h", "zone": "Berlin"}, "no time zone Berlin"),
        ({"every": "sun 02:00", "for": "1h", "zone": "../../etc/passwd"}, "no time zone"),
    ],
)
def test_mistakes_in_maintenance_say_how_to_mend_them(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        window(**fields)


# ── snoozes ─────────────────────────────────────────────────────────────────────────────────


def snooze(area: str | None = None, issue_id: str | None = None) -> Snoozed:
    return Snoozed(7, area, issue_id, NOW, NOW + timedelta(hours=1), "ann")


AUTH = alert(title="Verify OTP error", issue_id="4")


@pytest.mark.parametrize(
    ("snoozed", "minutes", "quiet"),
    [
        (snooze(area="auth"), -1, False),
        (snooze(area="auth"), 0, True),
        (snooze(area="auth"), 59, True),
        (snooze(area="auth"), 60, False),
        (snooze(area="database"), 5, False),
        (snooze(issue_id="4"), 5, True),
        (snooze(issue_id="5"), 5, False),
        (snooze(issue_id="4"), 60, False),
    ],
)
def test_a_snooze_goes_by_when_an_alert_arrives(
    snoozed: Snoozed, minutes: int, quiet: bool
) -> None:
    verdict = decide(AUTH, history=History(snoozes=[snoozed]), at=NOW + timedelta(minutes=minutes))
    assert verdict.outcome is (Outcome.SUPPRESSED if quiet else Outcome.COUNTED)
    if quiet:
        assert verdict.reason == "snoozed by ann until 2026-06-10 13:00 UTC"
        assert verdict.quiet is not None
        assert verdict.quiet.rule == "snooze:7"


def test_somebody_s_word_goes_for_a_critical_area_too() -> None:
    assert decide(CREDITS, history=History(snoozes=[snooze(area="credits")])).outcome is (
        Outcome.SUPPRESSED
    )


@pytest.mark.parametrize("snoozed", [snooze(issue_id="4"), snooze(issue_id=""), snooze()])
def test_a_snoozed_issue_says_nothing_about_alerts_without_one(snoozed: Snoozed) -> None:
    assert decide(alert(title="x"), history=History(snoozes=[snoozed])).quiet is None


def test_a_resolve_is_heard_whatever_is_quiet() -> None:
    history = History(snoozes=[snooze(area="default")])
    said = replace(alert(title="Failed to fetch"), signal=Signal.RESOLVED)
    assert decide(said, history=history).outcome is Outcome.KEPT


def test_every_rule_has_a_name_that_decisions_quote() -> None:
    noise = rules({"a": {"messages": ["x"]}}, {"b": {"every": "day 02:00", "for": "1h"}}).noise
    assert noise.rules == ("ignore:a", "maintenance:b")
    assert SHIPPED.areas.root["credits"].severity is Severity.CRITICAL


def test_a_long_snooze_of_an_issue_does_not_hold_once_it_is_critical() -> None:
    """Whoever snoozed it did not know; a short one is what even a critical issue may have."""
    noise, event = Noise(), Alert("s", "event_alert", "triggered", Signal.FIRING, issue_id="7")
    at = datetime(2026, 11, 3, 12, tzinfo=UTC)
    for days, critical, held in ((7, False, True), (7, True, False), (0.1, True, True)):
        snooze = Snoozed(1, None, "7", at, at + timedelta(days=days), "rosa")
        found = noise.quiets(
            event, "credits", critical=critical, happened=at, arrived=at, snoozes=[snooze]
        )
        assert (found is not None) is held
