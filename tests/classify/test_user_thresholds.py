"""Every threshold of the shipped folder: below it nothing, at it nothing, above it an incident.

Whatever the order things arrive in, however late, and however often they are told.
"""

from __future__ import annotations

import random
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.classify.history import History
from responder.classify.thresholds import Threshold, busiest, minute_of
from responder.classify.verdict import Arrival, Outcome, Rules, Verdict, judge, place
from responder.playbook.folder import load
from responder.receive.alert import Alert, Frame, Measure, Metric, Signal
from tests.service import PLAYBOOKS

NOON = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BERLIN = ZoneInfo("Europe/Berlin")
RULES = load(PLAYBOOKS).rules

Arrivals = list[tuple[Alert, datetime]]

FRAMES = {
    "auth": "./lib/auth/session.ts",
    "credits": "./lib/credits/service.ts",
    "hms": "./components/session/Room.tsx",
    "database": "./lib/supabase/server.ts",
    "webhooks": "./app/api/webhooks/hms/route.ts",
    "default": "./components/dashboard/Card.tsx",
}


def fired(at: datetime, number: int, **fields: Any) -> Alert:
    """An event like no other."""
    given = {"event_id": f"e{number}", "issue_id": "4", "environment": "production"} | fields
    return Alert("sentry", "event_alert", "triggered", Signal.FIRING, occurred_at=at, **given)


def in_area(area: str, at: datetime, number: int = 0, **fields: Any) -> Alert:
    frames = (Frame(FRAMES[area], in_app=True),)
    return fired(at, number, frames=frames, title="TypeError: x is undefined", **fields)


def issue_of(event: Alert, action: str = "created", **fields: Any) -> Alert:
    """The issue that an event made, as its own webhook: no stack, no environment, no event id."""
    return Alert(
        "sentry",
        "issue",
        action,
        Signal.FIRING,
        **{
            "title": event.title,
            "location": event.frames[0].path if event.frames else "",
            "issue_id": event.issue_id,
            "occurred_at": event.occurred_at,
            "first_seen": action == "created",
        }
        | fields,
    )


def measured(at: datetime, **figures: Any) -> Alert:
    measure = Measure(**figures)
    return Alert("outcomes", "area", "measured", Signal.MEASURED, occurred_at=at, measure=measure)


def play(
    arrivals: Iterable[tuple[Alert, datetime]],
    history: History | None = None,
    rules: Rules = RULES,
) -> list[Verdict]:
    """Decide about each, in this order."""
    history = History() if history is None else history
    return [
        judge(alert, place(alert, rules), Arrival(at), history, rules) for alert, at in arrivals
    ]


def now_and_then(alerts: Iterable[Alert]) -> Arrivals:
    """Each arrives a second after it happened."""
    return [(one, (one.occurred_at or NOON) + timedelta(seconds=1)) for one in alerts]


def openings(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.opens is not None]


# ── counts ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Limit:
    """A count that is allowed, and what opens beyond it."""

    name: str
    area: str
    more_than: int
    minutes: int
    severity: str
    messages: tuple[str, ...] = ()  # of a family; else events of the area

    def alert(self, at: datetime, number: int) -> Alert:
        if self.messages:
            words = self.messages[number % len(self.messages)]
            return fired(at, number, title=words, message=words)
        return in_area(self.area, at, number)


AREAS = [
    Limit("auth", "auth", 10, 60, "high"),
    Limit("hms spike", "hms", 50, 60, "high"),
    Limit("database", "database", 5, 60, "high"),
    Limit("webhooks spike", "webhooks", 50, 60, "high"),
    Limit("everything else", "default", 50, 60, "medium"),
    Limit("credits", "credits", 0, 60, "critical"),
]

# Name, severity, warn, critical, minutes, messages: as the app's team wrote them down.
FAMILIES = [
    ("request-timeout", "high", 5, 10, 5, ("HMS API request timeout",)),
    ("create-room", "critical", 2, 5, 10, ("HMS create room error", "Error creating HMS room")),
    ("recording", "high", 3, 7, 15, ("HMS start recording error", "HMS stop recording error")),
    ("hls-stream", "high", 3, 8, 15, ("HMS start HLS stream error", "HMS stop HLS stream error")),
    ("stream-key", "medium", 5, 10, 20, ("stream key error", "HMS get stream key error")),
    ("status", "medium", 10, 20, 10, ("get room details error", "get HLS stream status error")),
]
WARNINGS = [
    Limit(name, "hms", warn, minutes, severity, messages)
    for name, severity, warn, _, minutes, messages in FAMILIES
]
LIMITS = [*AREAS, *WARNINGS]
limits = pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)


def test_no_count_of_the_shipped_folder_is_left_out() -> None:
    shipped: Tally[tuple[str, int, float]] = Tally()
    for name, area in RULES.areas.root.items():
        for threshold in area.threshold:
            if threshold.more_than is not None:
                shipped[name, threshold.more_than, threshold.minutes] += 1
        for family in area.families.values():
            assert family.warn is not None
            assert family.warn.more_than is not None
            shipped[name, family.warn.more_than, family.warn.minutes] += 1
    tried = Tally((one.area, one.more_than, one.minutes) for one in LIMITS if one.more_than)
    assert shipped == tried
    anything = {name for name, area in RULES.areas.root.items() if area.threshold[0].any}
    assert anything == {"credits", "performance"}


def spread(limit: Limit, number: int, start: datetime) -> list[Alert]:
    """So many alerts over the whole of one window, the last in its last second."""
    span = limit.minutes * MINUTE - timedelta(seconds=1)
    step = span / max(number - 1, 1)
    return [limit.alert(start + step * n, n) for n in range(number)]


def in_order(alerts: list[Alert]) -> Arrivals:
    return now_and_then(alerts)


def shuffled(alerts: list[Alert]) -> Arrivals:
    """In any order, with their true times."""
    mixed = random.Random(len(alerts)).sample(alerts, len(alerts))
    end = max(one.occurred_at or NOON for one in alerts)
    return [(one, end + timedelta(seconds=n)) for n, one in enumerate(mixed, 1)]


def some_late(alerts: list[Alert]) -> Arrivals:
    """Every third only an hour after the others."""
    on_time = [one for n, one in enumerate(alerts) if n % 3 != 1]
    late = [one for n, one in enumerate(alerts) if n % 3 == 1]
    end = max(one.occurred_at or NOON for one in alerts) + HOUR
    return [
        *now_and_then(on_time),
        *((one, end + timedelta(seconds=n)) for n, one in enumerate(late)),
    ]


def told_often(alerts: list[Alert]) -> Arrivals:
    """Each by two rules and by the stream of errors, one of them long after."""
    by_error = [replace(one, resource="error", action="created") for one in alerts]
    end = max(one.occurred_at or NOON for one in alerts) + 2 * HOUR
    return [*now_and_then([*alerts, *by_error]), *((one, end) for one in alerts)]


HOWS = [in_order, shuffled, some_late, told_often]
hows = pytest.mark.parametrize("how", HOWS, ids=lambda how: how.__name__)
WHENS = {
    "an ordinary day": NOON,
    "New Year in UTC": datetime(2026, 12, 31, 23, 57, tzinfo=UTC),
    "clocks go forward": datetime(2026, 3, 29, 1, 57, tzinfo=BERLIN),
    "clocks go back": datetime(2026, 10, 25, 2, 57, tzinfo=BERLIN),
}
whens = pytest.mark.parametrize("start", WHENS.values(), ids=WHENS)


def in_local_time(alert: Alert, zone: tzinfo | None) -> Alert:
    return replace(alert, occurred_at=alert.occurred_at and alert.occurred_at.astimezone(zone))


@limits
@hows
@whens
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_only_above_the_threshold_an_incident_opens(
    limit: Limit, how: Callable[[list[Alert]], Arrivals], start: datetime, beyond: int
) -> None:
    """Elapsed time counts, whatever the clocks on the wall do: local times are read as such."""
    number = limit.more_than + beyond
    if number <= 0:
        return
    arrivals = how(spread(limit, number, start.astimezone(UTC)))
    verdicts = play((in_local_time(one, start.tzinfo), arrived) for one, arrived in arrivals)
    opened = openings(verdicts)
    if beyond <= 0:
        assert opened == []
        counts = [verdict.count for verdict in verdicts if verdict.outcome is Outcome.COUNTED]
        assert max(filter(None, counts)) == number
        return
    (one,) = opened
    assert (one.outcome, one.severity, one.count) == (Outcome.OPENED, limit.severity, number)
    assert one.match is not None
    assert one.match.area == limit.area
    # It opens with the last that counts: nothing after it does.
    after = verdicts[verdicts.index(one) + 1 :]
    assert {verdict.outcome for verdict in after} <= {Outcome.SAME_EVENT}


@limits
def test_the_window_s_edges(limit: Limit) -> None:
    """The first and the last minute of a window count together, and those just outside do not."""
    if limit.more_than == 0:
        return
    window = limit.minutes * MINUTE
    before = [limit.alert(NOON, n) for n in range(limit.more_than)]
    for apart, too_much in (
        (window, False),  # exactly so long after
        (window - timedelta(milliseconds=1), True),
        (window - MINUTE, True),
        (window + MINUTE, False),
    ):
        verdicts = play(now_and_then([*before, limit.alert(NOON + apart, 999)]))
        assert bool(openings(verdicts)) is too_much, apart


@limits
def test_windows_are_by_environment(limit: Limit) -> None:
    if limit.more_than == 0:
        return
    alerts = spread(limit, limit.more_than + 1, NOON)
    apart = [*alerts[:-1], replace(alerts[-1], environment="staging")]
    assert openings(play(now_and_then(apart))) == []


def test_clocks_going_back_tell_one_hour_twice_and_it_is_two() -> None:
    """Half past two comes twice on that night, an hour apart: not one window."""
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN)
    second = first.replace(fold=1)
    six = [in_area("auth", first, n) for n in range(6)]
    five = [in_area("auth", second, n) for n in range(6, 11)]
    end = second.astimezone(UTC) + MINUTE
    assert openings(play((one, end) for one in [*six, *five])) == []
    more = [in_area("auth", first + timedelta(minutes=1), n) for n in range(11, 16)]
    assert openings(play((one, end) for one in [*six, *more]))


def test_clocks_going_forward_leave_an_hour_out_and_it_is_none() -> None:
    """A minute after 01:59 it is 03:00."""
    before = datetime(2026, 3, 29, 1, 59, tzinfo=BERLIN)
    after = datetime(2026, 3, 29, 3, 0, tzinfo=BERLIN)
    alerts = [in_area("auth", before if n < 6 else after, n) for n in range(11)]
    end = after.astimezone(UTC)
    assert len(openings(play((one, end) for one in alerts))) == 1


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family[0])
@hows
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_a_family_over_its_critical_threshold_is_critical(
    family: tuple[str, str, int, int, int, tuple[str, ...]],
    how: Callable[[list[Alert]], Arrivals],
    beyond: int,
) -> None:
    """Above `warn` it opens; above `critical` the open incident is raised to critical."""
    name, severity, warn, critical, minutes, messages = family
    history = History()
    limit = Limit(name, "hms", critical, minutes, severity, messages)
    verdicts = play(how(spread(limit, critical + beyond, NOON)), history)
    (opened,) = openings(verdicts)
    assert (opened.count, opened.severity) == (warn + 1, severity)
    (incident,) = history.open["hms"]
    raised = [verdict for verdict in verdicts if verdict.worsens]
    assert incident.severity == ("critical" if beyond > 0 else severity)
    assert len(raised) == (1 if beyond > 0 and severity != "critical" else 0)
    for verdict in raised:
        assert (verdict.outcome, verdict.severity) == (Outcome.JOINED, "critical")
        assert verdict.count == critical + 1
        assert verdict.breached is not None
        assert f"more than {critical} in {minutes} minutes" in verdict.breached.describe()


def test_a_family_is_counted_by_itself_and_with_its_area() -> None:
    """Fifty of six families are a spike of the area, whatever each of them says."""
    history = History()
    alerts = []
    for n in range(51):  # one every seventy seconds: each family far below its own threshold
        name, severity, _, _, minutes, messages = FAMILIES[n % 6]
        family = Limit(name, "hms", 0, minutes, severity, messages)
        alerts.append(family.alert(NOON + timedelta(seconds=70) * n, n))
    verdicts = play(now_and_then(alerts), history)
    (opened,) = openings(verdicts)
    assert (opened.count, opened.severity) == (51, "high")
    assert opened is verdicts[-1]


def test_the_most_severe_of_several_breaches_counts() -> None:
    """A medium family goes over its threshold in the alert that makes its area's spike."""
    spike = [in_area("hms", NOON, n) for n in range(45)]
    keys = [fired(NOON, n, title="stream key error") for n in range(45, 51)]
    (opened,) = openings(play(now_and_then([*spike, *keys])))
    assert (opened.count, opened.severity) == (51, "high")
    assert len([reading for reading in opened.readings if reading.breached]) == 2


def test_what_is_nearest_to_a_breach_is_shown() -> None:
    (verdict,) = play(now_and_then([fired(NOON, 1, title="HMS create room error")]))
    assert (verdict.count, verdict.threshold) == (1, "more than 2 in 10 minutes")
    (verdict,) = play(now_and_then([in_area("hms", NOON)]))
    assert verdict.count == 1
    assert verdict.threshold == RULES.areas.root["hms"].describe_threshold()


# ── the same event, told in several ways ────────────────────────────────────────────────────

THREE_WAYS = list(permutations(("issue", "error", "event_alert")))
ways = pytest.mark.parametrize("order", THREE_WAYS, ids=lambda order: "-".join(order))


def told(event: Alert, order: Sequence[str], **of_issue: Any) -> Arrivals:
    forms = {
        "issue": issue_of(event, **of_issue),
        "error": replace(event, resource="error", action="created"),
        "event_alert": event,
    }
    return [(forms[way], NOON + timedelta(seconds=n)) for n, way in enumerate(order, 1)]


def all_counts(history: History) -> dict[tuple[str, str], int]:
    totals = {counter: sum(minutes.values()) for counter, minutes in history.alerts.items()}
    return {counter: total for counter, total in totals.items() if total}


@ways
@pytest.mark.parametrize("area", ["auth", "hms", "database", "webhooks"])
def test_a_new_issue_is_told_once_and_its_event_counted_once(
    area: str, order: Sequence[str]
) -> None:
    history = History()
    verdicts = play(told(in_area(area, NOON), order), history)
    assert all_counts(history) == {(area, "production"): 1}
    assert [verdict.outcome for verdict in verdicts].count(Outcome.FIRST_SEEN) == 1
    assert openings(verdicts) == []


@ways
@pytest.mark.parametrize(("area", "severity"), [("default", "medium"), ("credits", "critical")])
def test_a_new_issue_opens_one_incident_and_is_one_alert_of_it(
    area: str, severity: str, order: Sequence[str]
) -> None:
    history = History()
    verdicts = play(told(in_area(area, NOON), order), history)
    assert all_counts(history) == {(area, "production"): 1}
    (opened,) = openings(verdicts)
    assert opened.severity == severity
    assert Outcome.JOINED not in {verdict.outcome for verdict in verdicts}
    assert opened.opens is not None
    later = verdicts[verdicts.index(opened) + 1 :]
    assert {verdict.joins for verdict in later} <= {opened.opens.key}


@ways
def test_an_issue_put_elsewhere_does_not_hide_what_its_event_says(order: Sequence[str]) -> None:
    """An issue tells only where the newest frame is; the event's stack leads to credits."""
    frames = (Frame(FRAMES["database"], in_app=True), Frame(FRAMES["credits"], in_app=True))
    event = fired(NOON, 1, title="PostgrestError", frames=frames)
    history = History()
    verdicts = play(told(event, order), history)
    assert all_counts(history) == {("credits", "production"): 1}
    (opened,) = openings(verdicts)
    assert (opened.match and opened.match.area, opened.severity) == ("credits", "critical")


def test_an_event_told_with_less_first_does_not_hide_what_makes_it_worse() -> None:
    """The legacy plugin may send an event without its stack; nothing moves it back."""
    worse = in_area("credits", NOON)
    less = replace(worse, frames=())
    history = History()
    verdicts = play([(one, NOON) for one in (less, worse, less, worse)], history)
    assert [verdict.outcome for verdict in verdicts] == [
        Outcome.COUNTED,
        Outcome.OPENED,
        Outcome.SAME_EVENT,
        Outcome.SAME_EVENT,
    ]
    assert all_counts(history) == {("credits", "production"): 1}


@ways
def test_the_tenth_known_only_by_its_issue_counts_where_its_event_is(order: Sequence[str]) -> None:
    """Ten in production and the eleventh told in three ways: too many, in any order."""
    history = History()
    play(now_and_then([in_area("auth", NOON, n) for n in range(10)]), history)
    verdicts = play(told(in_area("auth", NOON, 11, issue_id="11"), order), history)
    assert all_counts(history) == {("auth", "production"): 11}
    (opened,) = openings(verdicts)
    assert opened.count == 11


def test_an_issue_stands_for_one_event_of_its_millisecond() -> None:
    """Two events of one issue at the same moment are two, though the issue tells of one."""
    history = History()
    one, other = in_area("auth", NOON, 1), in_area("auth", NOON, 2)
    play([(alert, NOON) for alert in (issue_of(one), one, other, issue_of(one), other)], history)
    assert all_counts(history) == {("auth", "production"): 2}


@pytest.mark.parametrize("action", ["created", "unresolved"])
def test_an_issue_alone_counts(action: str) -> None:
    history = History()
    play([(issue_of(in_area("auth", NOON), action), NOON)], history)
    assert all_counts(history) == {("auth", ""): 1}


@pytest.mark.parametrize("signal", [Signal.RESOLVED, Signal.NOTE])
@pytest.mark.parametrize("area", ["auth", "credits"])
def test_a_resolve_is_never_a_duplicate(signal: Signal, area: str) -> None:
    """It has its event's issue and time, and yet says something else."""
    history = History()
    event = in_area(area, NOON)
    (first,) = play([(event, NOON)], history)
    said = replace(issue_of(event), action="resolved", signal=signal, first_seen=False)
    (verdict,) = play([(said, NOON)], history)
    if first.opens is not None:
        assert (verdict.outcome, verdict.joins) == (Outcome.NOTED, first.opens.key)
    else:
        assert verdict.outcome is Outcome.KEPT
    assert all_counts(history) == {(area, "production"): 1}
    again = issue_of(event, "unresolved", occurred_at=NOON + MINUTE)
    (verdict,) = play([(again, NOON + MINUTE)], history)
    assert verdict.outcome in (Outcome.COUNTED, Outcome.JOINED)


def test_the_same_event_through_a_replay_is_not_one_more() -> None:
    history = History()
    alerts = [in_area("auth", NOON, n) for n in range(10)]
    play(now_and_then(alerts), history)
    match = place(alerts[-1], RULES)
    verdict = judge(alerts[-1], match, Arrival(NOON + MINUTE, replay=True), history, RULES)
    assert (verdict.outcome, verdict.count) == (Outcome.COUNTED, 10)
    fresh = in_area("auth", NOON, 99)  # never counted: what would it have made of them?
    verdict = judge(fresh, place(fresh, RULES), Arrival(NOON, replay=True), history, RULES)
    assert (verdict.outcome, verdict.count) == (Outcome.OPENED, 11)
    assert all_counts(history) == {("auth", "production"): 10}


# ── issues nobody has seen before ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("area", "outcome"),
    [
        ("default", Outcome.OPENED),
        ("auth", Outcome.FIRST_SEEN),
        ("hms", Outcome.FIRST_SEEN),
        ("database", Outcome.FIRST_SEEN),
        ("webhooks", Outcome.FIRST_SEEN),
        ("credits", Outcome.OPENED),  # for any error does
    ],
)
def test_an_issue_seen_for_the_first_time(area: str, outcome: Outcome) -> None:
    event = in_area(area, NOON)
    (verdict,) = play([(issue_of(event), NOON)])
    assert (verdict.outcome, verdict.count) == (outcome, 1)
    (known,) = play([(issue_of(event, "unresolved"), NOON)])
    assert known.outcome is (Outcome.OPENED if area == "credits" else Outcome.COUNTED)


def test_many_new_issues_are_one_incident() -> None:
    history = History()
    alerts = [issue_of(in_area("default", NOON, n, issue_id=str(n))) for n in range(300)]
    verdicts = play(now_and_then(alerts), history)
    assert [verdict.outcome for verdict in verdicts] == [Outcome.OPENED] + [Outcome.JOINED] * 299
    assert [len(open_) for open_ in history.open.values() if open_] == [1]


# ── failure rates ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("area", "failures", "attempts", "severity"),
    [
        # sessions and video: more than 5 % of at least 20
        ("hms", 49, 1000, None),
        ("hms", 50, 1000, None),
        ("hms", 51, 1000, "high"),
        ("hms", 1, 20, None),
        ("hms", 2, 20, "high"),
        ("hms", 19, 19, None),
        ("hms", 0, 1000, None),
        # webhooks: more than 2 % of at least 20
        ("webhooks", 19, 1000, None),
        ("webhooks", 20, 1000, None),
        ("webhooks", 21, 1000, "high"),
        ("webhooks", 1, 20, "high"),
        ("webhooks", 19, 19, None),
        # everything else: more than 2, 5 and 10 % of at least 50
        ("default", 20, 1000, None),
        ("default", 21, 1000, "medium"),
        ("default", 50, 1000, "medium"),
        ("default", 51, 1000, "high"),
        ("default", 100, 1000, "high"),
        ("default", 101, 1000, "critical"),
        ("default", 5, 50, "high"),
        ("default", 6, 50, "critical"),
        ("default", 49, 49, None),
        # areas without a rate keep figures for themselves
        ("auth", 1000, 1000, None),
        ("credits", 1000, 1000, None),
    ],
)
@whens
@pytest.mark.parametrize("pieces", [1, 5])
@pytest.mark.parametrize("late", [timedelta(seconds=1), HOUR])
def test_a_failure_rate_opens_only_above_it(
    area: str,
    failures: int,
    attempts: int,
    severity: str | None,
    start: datetime,
    pieces: int,
    late: timedelta,
) -> None:
    """In one piece or in five minutes, on time or an hour late, in any order."""
    start = start.astimezone(UTC)
    figures = []
    for n in range(pieces):
        some = attempts * (n + 1) // pieces - attempts * n // pieces
        few = failures * (n + 1) // pieces - failures * n // pieces
        figures.append((start + n * MINUTE, some, few))
    mixed = random.Random(failures).sample(figures, len(figures))
    good_first = sorted(mixed, key=lambda one: one[2] / max(one[1], 1))
    history = History()
    verdicts = play(
        [
            (measured(at, area=area, attempts=some, failures=few), start + 5 * MINUTE + late)
            for at, some, few in good_first
        ],
        history,
    )
    opened = openings(verdicts)
    if pieces == 1 or severity is None:
        assert [one.severity for one in opened] == ([severity] if severity else [])
    if severity is not None:
        assert [one.severity for one in history.open[area]] == [severity]
    total = history.outcomes[area, ""]
    assert sum(row[0] for row in total.values()) == attempts
    assert sum(row[1] for row in total.values()) == failures


LADDER = [("critical", 10, 5), ("high", 5, 10), ("medium", 2, 30)]


@pytest.mark.parametrize(("severity", "percent", "minutes"), LADDER)
def test_the_ladder_looks_at_so_many_minutes(severity: str, percent: int, minutes: int) -> None:
    """What is above the rate in the whole window opens; a minute less in it and it does not."""
    one_more = percent * 10 + 1

    def worst(apart: int) -> list[str]:
        history = History()
        figures = [(0, 500, one_more), (apart, 500, 0)]  # together just above the rate
        play(
            [
                (
                    measured(NOON + at * MINUTE, area="default", attempts=some, failures=few),
                    NOON + HOUR,
                )
                for at, some, few in reversed(figures)
            ],
            history,
            _only(severity),
        )
        return [incident.severity for incident in history.open["default"]]

    assert worst(minutes - 1) == [severity]
    lone = measured(NOON, area="default", attempts=1000, failures=percent * 10)
    assert openings(play([(lone, NOON)], rules=_only(severity))) == []


def _only(severity: str) -> Rules:
    """The shipped rules with one rung of the ladder."""
    default = RULES.areas.root["default"]
    rungs = tuple(
        threshold
        for threshold in default.threshold
        if threshold.failure_rate is not None and (threshold.severity or "medium") == severity
    )
    assert len(rungs) == 1
    areas = RULES.areas.model_copy(
        update={
            "root": RULES.areas.root | {"default": default.model_copy(update={"threshold": rungs})}
        }
    )
    return replace(RULES, areas=areas)


@pytest.mark.parametrize(("area", "minutes"), [("hms", 15), ("webhooks", 15), ("default", 30)])
def test_figures_a_window_apart_do_not_add_up(area: str, minutes: int) -> None:
    """Too few attempts in each of two windows are not enough in one."""
    few = RULES.areas.root[area].threshold[-1 if area == "default" else 0].at_least - 1

    def opens(apart: int) -> bool:
        figures = [measured(NOON, area=area, attempts=few, failures=few)]
        figures.append(measured(NOON + apart * MINUTE, area=area, attempts=few, failures=few))
        return bool(openings(play(now_and_then(figures))))

    assert not opens(minutes)
    assert opens(minutes - 1)


def test_the_ladder_is_climbed() -> None:
    """An incident opened at 2 % is worse at 5 %, and worst at 10 %."""
    history = History()
    steps = [
        (21, 1000, "medium"),
        (100, 1000, "high"),
        (500, 1000, "critical"),
        (0, 9000, "critical"),
    ]
    for n, (failures, attempts, severity) in enumerate(steps):
        figure = measured(NOON + n * MINUTE, area="default", attempts=attempts, failures=failures)
        (verdict,) = play(now_and_then([figure]), history)
        (incident,) = history.open["default"]
        assert incident.severity == severity
        assert verdict.worsens is (n in (1, 2))
        assert verdict.outcome is (Outcome.OPENED if n == 0 else Outcome.MEASURED)


def test_an_alert_in_an_area_that_fails_too_often_opens_with_its_severity() -> None:
    """One error, where a tenth of everything failed and nobody had an incident of it yet."""
    history = History()
    play([(measured(NOON, area="default", attempts=40, failures=30), NOON)], history)
    play([(measured(NOON, area="default", attempts=9, failures=9), NOON)], history)
    assert history.open["default"] == []  # 49: too few to tell
    history.outcomes["default", "production"] = history.outcomes["default", ""]
    history.add_outcome(("default", "production"), minute_of(NOON), 1, 1)
    spike = [in_area("default", NOON, n) for n in range(51)]
    (opened,) = openings(play([(one, NOON) for one in spike], history))
    assert (opened.severity, opened.count) == ("critical", 1)


# ── times ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "opens"), [(2999.0, False), (3000.0, False), (3000.5, True), (60000.0, True)]
)
def test_p95_above_three_seconds_opens_performance(value: float, opens: bool) -> None:
    history = History()
    (verdict,) = play([(measured(NOON, objective="api-response", value=value), NOON)], history)
    assert bool(verdict.opens) is opens
    if opens:
        assert (verdict.match and verdict.match.area, verdict.severity) == ("performance", "medium")
        assert "API response time" in verdict.reason
        (again,) = play([(measured(NOON, objective="api-response", value=value), NOON)], history)
        assert (again.outcome, again.joins) == (
            Outcome.MEASURED,
            verdict.opens and verdict.opens.key,
        )
    assert len(history.open["performance"]) == int(opens)


@pytest.mark.parametrize("action", ["critical", "warning"])
def test_sentry_s_own_alert_about_p95_opens_performance(action: str) -> None:
    history = History()
    metric = Metric("7", "P95 response time > 3000ms", "", "p95(span.duration)", "")
    alert = Alert("sentry", "metric_alert", action, Signal.FIRING, metric=metric, occurred_at=NOON)
    (verdict,) = play([(alert, NOON)], history)
    assert verdict.outcome is Outcome.OPENED
    assert (verdict.match and verdict.match.area, verdict.severity) == ("performance", "medium")
    assert (verdict.count, verdict.threshold) == (None, "Sentry's own")
    (resolved,) = play([(replace(alert, signal=Signal.RESOLVED, action="resolved"), NOON)], history)
    assert (resolved.outcome, resolved.joins) == (
        Outcome.NOTED,
        verdict.opens and verdict.opens.key,
    )
    assert history.open["performance"]  # that is for people


# ── whatever the order ──────────────────────────────────────────────────────────────────────

FORMS = ("issue", "error", "event_alert", "another rule")
SPAN = 150  # minutes


@st.composite
def tellings(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, str]]]:
    """Minutes of events, and the ways each is told, all of them mixed."""
    minutes = draw(st.lists(st.integers(0, SPAN), min_size=1, max_size=25))
    each = st.sets(st.sampled_from(FORMS), min_size=1)
    ways = [(n, form) for n in range(len(minutes)) for form in sorted(draw(each))]
    return minutes, draw(st.permutations(ways))


def tell(minutes: list[int], ways: Sequence[tuple[int, str]]) -> tuple[History, list[Verdict]]:
    arrivals: Arrivals = []
    for n, form in ways:
        at = NOON + minutes[n] * MINUTE + timedelta(milliseconds=n)
        event = in_area("auth", at, n)
        alert = {
            "issue": issue_of(event, "unresolved"),
            "error": replace(event, resource="error"),
        }.get(form, event)
        arrivals.append((alert, NOON + (SPAN + 1) * MINUTE + timedelta(seconds=len(arrivals))))
    history = History()
    return history, play(arrivals, history)


def most_in_an_hour(minutes: Sequence[int]) -> int:
    return max((sum(0 <= one - start < 60 for one in minutes) for start in minutes), default=0)


@given(tellings())
@settings(max_examples=150, deadline=None)
def test_counts_are_exact_however_events_are_told(
    telling: tuple[list[int], list[tuple[int, str]]],
) -> None:
    minutes, ways = telling
    history, verdicts = tell(minutes, ways)
    by_event = {n for n, form in ways if form != "issue"}
    expected = Tally(
        ("production" if n in by_event else "", minute_of(NOON) + minute)
        for n, minute in enumerate(minutes)
    )
    assert expected == {
        (counter[1], minute): count
        for counter, counts in history.alerts.items()
        for minute, count in counts.items()
        if count
    }
    assert all(verdict.match and verdict.match.area == "auth" for verdict in verdicts)


@given(st.lists(st.integers(0, SPAN), min_size=1, max_size=40), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_whether_there_was_too_much_does_not_depend_on_the_order(
    minutes: list[int], chance: random.Random
) -> None:
    ways = [(n, "event_alert") for n in range(len(minutes))]
    chance.shuffle(ways)
    _, verdicts = tell(minutes, ways)
    too_much = most_in_an_hour(minutes) > 10
    assert any(verdict.breached for verdict in verdicts) is too_much
    assert len(openings(verdicts)) == int(too_much)
    assert max(verdict.count or 0 for verdict in verdicts) >= min(most_in_an_hour(minutes), 11)


@given(
    st.dictionaries(st.integers(0, 40), st.integers(0, 5), max_size=30),
    st.integers(1, 12),
    st.integers(0, 40),
    st.integers(0, 20),
)
@settings(max_examples=300)
def test_the_busiest_window_is_the_busiest(
    minutes: dict[int, int], span: int, happened: int, since: int
) -> None:
    now = happened + since
    threshold = Threshold(more_than=1, per=timedelta(minutes=span))
    ends = [end for end in range(100) if end - span < happened <= end <= now]
    expected = max(
        sum(n for minute, n in minutes.items() if end - span < minute <= end) for end in ends
    )
    assert busiest(minutes, threshold, happened, now) == expected
