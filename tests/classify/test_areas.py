"""Which area an alert is about, with the areas that are shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

from responder.classify.areas import Areas, parse_areas
from responder.classify.match import Match, classify
from responder.classify.paths import PathPatterns
from responder.classify.severity import Severity
from responder.classify.wildcards import contains, matches
from responder.receive.alert import Alert, Frame, Metric, Signal

SHIPPED = Path(__file__).parents[2] / "playbooks" / "areas.yaml"
DEFAULT: dict[str, Any] = {
    "title": "Else",
    "severity": "medium",
    "threshold": {"more_than": 50, "per": "1h"},
}


@pytest.fixture(scope="module")
def areas() -> Areas:
    return parse_areas(YAML(typ="safe").load(SHIPPED.read_text(encoding="utf-8"))["areas"])


def alert(*frames: str, **fields: Any) -> Alert:
    """An event with in-app frames, the newest first."""
    fields["frames"] = tuple(Frame(path, in_app=True) for path in frames)
    return Alert("sentry", "event_alert", "triggered", Signal.FIRING, **fields)


def metric(rule: str = "", query: str = "", aggregate: str = "count()") -> Alert:
    return alert(metric=Metric("1", rule, query, aggregate, ""), title=f"Critical: {rule}")


def area(**fields: Any) -> dict[str, Any]:
    return {"title": "An area", "severity": "high", "threshold": {"any": True}, **fields}


def test_the_shipped_areas(areas: Areas) -> None:
    assert {
        name: (area.severity.value, area.describe_threshold()) for name, area in areas.root.items()
    } == {
        "auth": ("high", "more than 10 in 1 hour"),
        "credits": ("critical", "any error"),
        "hms": ("high", "failure rate above 5 % in 15 minutes, or more than 50 in 1 hour"),
        "database": ("high", "more than 5 in 1 hour"),
        "webhooks": ("high", "failure rate above 2 % in 15 minutes, or more than 50 in 1 hour"),
        "performance": ("medium", "any error"),
        "default": (
            "medium",
            "more than 50 in 1 hour, or failure rate above 10 % in 5 minutes, or failure rate "
            "above 5 % in 10 minutes, or failure rate above 2 % in 30 minutes",
        ),
    }


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("./lib/auth/session.ts", "auth"),
        ("app/api/auth/callback/route.ts", "auth"),
        ("lib/credits/service.ts", "credits"),
        ("lib/credits/rules/deep/bonus.ts", "credits"),
        ("app:///_next/server/app/api/credits/tip/route.js", "credits"),
        ("components/session/Room.tsx", "hms"),
        ("lib/hms/client.ts", "hms"),
        ("lib/supabase/server.ts", "database"),
        ("app/api/webhooks/hms/route.ts", "webhooks"),
        ("components/dashboard/Card.tsx", "default"),
        ("other/lib/credits.ts", "default"),
        ("lib/creditscore/x.ts", "default"),
    ],
)
def test_a_frame_names_its_area(areas: Areas, path: str, name: str) -> None:
    match = classify(alert(path), areas)
    assert (match.area, match.found_in) == (name, "frame")


def test_a_match_says_what_matched(areas: Areas) -> None:
    assert classify(alert("./lib/credits/service.ts"), areas) == Match(
        area="credits",
        path="lib/credits/service.ts",
        found_in="frame",
        reason="frame lib/credits/service.ts matched credits: lib/credits/**",
    )


def test_the_newest_frame_wins_among_equals(areas: Areas) -> None:
    match = classify(alert("lib/supabase/server.ts", "app/api/webhooks/hms/route.ts"), areas)
    assert match.area == "database"
    match = classify(alert("app/api/webhooks/hms/route.ts", "lib/supabase/server.ts"), areas)
    assert match.area == "webhooks"


def test_a_critical_frame_beats_newer_ones_and_says_so(areas: Areas) -> None:
    match = classify(alert("lib/supabase/server.ts", "lib/credits/service.ts"), areas)
    assert (match.area, match.path) == ("credits", "lib/credits/service.ts")
    assert "being critical it goes before database" in match.reason
    assert "lib/supabase/server.ts" in match.reason


def test_a_critical_frame_says_more_than_a_critical_message(areas: Areas) -> None:
    match = classify(alert("lib/credits/service.ts", message="Failed to add credits"), areas)
    assert (match.area, match.found_in) == ("credits", "frame")


def test_the_most_severe_frame_wins_also_below_critical() -> None:
    minor, major = area(severity="low", paths=["lib/ui/**"]), area(paths=["lib/video/**"])
    areas = parse_areas({"default": DEFAULT, "minor": minor, "major": major})
    assert classify(alert("lib/ui/a.ts", "lib/video/b.ts"), areas).area == "major"


def test_an_issue_hits_the_area_its_event_would(areas: Areas) -> None:
    event = alert("lib/supabase/server.ts", "app/api/credits/tip/route.ts")
    issue = alert(location="lib/supabase/server.ts", culprit="POST /api/credits/tip")
    assert classify(event, areas).area == classify(issue, areas).area == "credits"


def test_a_frame_outranks_a_critical_route(areas: Areas) -> None:
    match = classify(alert("lib/auth/session.ts", transaction="POST /api/credits/tip"), areas)
    assert match.area == "auth"


@pytest.mark.parametrize(
    ("transaction", "message", "name", "found_in"),
    [
        ("POST /api/credits/tip", "Failed to tip user", "credits", "message"),
        ("GET /api/credits/balance", "Something else", "credits", "transaction"),
        ("POST /api/webhooks/hms", "Failed to add credits", "credits", "message"),
        ("POST /api/webhooks/hms", "HMS create room error", "webhooks", "transaction"),
        ("POST /api/rooms", "HMS create room error", "hms", "message"),
        ("POST /api/hms/get-token", "No role", "hms", "transaction"),
        ("POST /api/rooms", "Error creating HMS room", "hms", "message"),
        ("/login", "Send OTP error", "auth", "message"),
        ("/login", "Supabase Event: token refresh failed", "database", "message"),
        ("/session/:id", "Session Event: peer left", "hms", "message"),
        ("GET /dashboard", "Unexpected token", "default", "transaction"),
        ("incomplete-app-router-transaction", "Join room error", "hms", "message"),
    ],
)
def test_messages_without_a_stack(
    areas: Areas, transaction: str, message: str, name: str, found_in: str
) -> None:
    match = classify(alert(transaction=transaction, message=message, title=message), areas)
    assert (match.area, match.found_in) == (name, found_in)


def test_a_critical_message_beats_another_area_s_frame(areas: Areas) -> None:
    match = classify(alert("app/api/webhooks/hms/route.ts", message="Failed to add credits"), areas)
    assert (match.area, match.found_in) == ("credits", "message")
    assert "being critical it goes before webhooks" in match.reason


def test_an_issue_is_placed_by_its_location_and_culprit(areas: Areas) -> None:
    match = classify(alert(location="./lib/auth/session.ts", culprit="GET /dashboard"), areas)
    assert (match.area, match.found_in) == ("auth", "location")
    match = classify(alert(culprit="refresh(lib/auth/session)"), areas)
    assert (match.area, match.found_in) == ("auth", "culprit")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"query": 'transaction:"POST /api/webhooks/hms"', "aggregate": "failure_rate()"},
         "webhooks"),
        ({"query": "stack.filename:*lib/credits*"}, "credits"),
        ({"rule": "Credit system failures"}, "credits"),
        ({"rule": "HMS connection failure rate", "aggregate": "failure_rate()"}, "hms"),
        ({"rule": "Slow", "aggregate": "p95(span.duration)"}, "performance"),
        # Slow credits are slow, not corrupt: nothing to stop transactions for.
        ({"rule": "Credits P95", "query": 'transaction:"POST /api/credits/tip"',
          "aggregate": "p95(transaction.duration)"}, "performance"),
        ({"rule": "P95 response time > 3000ms", "aggregate": "max(span.duration)"}, "performance"),
        ({"rule": "Sign-ups", "aggregate": "count_unique(user)"}, "default"),
    ],
)  # fmt: skip
def test_metric_alerts(areas: Areas, fields: dict[str, str], name: str) -> None:
    assert classify(metric(**fields), areas).area == name


def test_tags_somebody_put_there_say_what_it_is() -> None:
    areas = parse_areas(
        {
            "default": DEFAULT,
            "video": area(tags={"feature": "video*"}, paths=["lib/video/**"]),
            "mail": area(paths=["lib/mail/**"], messages=["mail error"]),
            "db": area(tags={"layer": "db", "feature": "data"}),
        }
    )
    tagged = {"feature": "Video calls", "browser": "Firefox"}
    match = classify(alert(tags=tagged, transaction="GET /", message="mail error"), areas)
    assert (match.area, match.found_in) == ("video", "tag")
    assert match.reason == "tag feature: Video calls matched video: feature: video*"
    assert "message “mail error” matched mail: mail error" in match.nearly
    assert classify(alert("lib/mail/a.ts", tags=tagged), areas).area == "mail"  # a frame says more
    assert classify(alert(tags={"feature": "my video"}), areas).area == "default"
    assert classify(alert(tags={"layer": "DB"}), areas).area == "db"  # any of them is enough
    assert classify(alert(tags={"layer": ""}), areas).area == "default"


def test_a_project_is_what_is_left_to_go_by() -> None:
    areas = parse_areas({"default": DEFAULT, "mobile": area(projects=["kulti-app"])})
    assert classify(alert("lib/x.ts", project="kulti-app"), areas).area == "mobile"
    assert classify(alert("lib/x.ts", project="kulti"), areas).area == "default"
    assert classify(alert("lib/x.ts"), areas).area == "default"
    both = parse_areas(
        {
            "default": DEFAULT,
            "mobile": area(projects=["kulti-app"], severity="critical"),
            "mail": area(messages=["mail error"], severity="low"),
        }
    )
    match = classify(alert(project="kulti-app", title="A mail error"), both)
    assert match.area == "mail"
    assert match.nearly == ("project kulti-app matched mobile: kulti-app",)


def test_a_metric_alert_named_by_its_rule_s_id_goes_there() -> None:
    areas = parse_areas(
        {
            "default": DEFAULT,
            "slow": area(metric_rules=["p95("]),
            "signups": area(metric_alerts=["88421"], severity="low"),
            "credits": area(severity="critical", messages=["credits"]),
        }
    )

    def rule(rule_id: str, **fields: Any) -> Alert:
        return alert(metric=Metric("1", "r", "", "p95(x)", "", rule_id), **fields)

    match = classify(rule("88421", title="Critical: credits"), areas)
    assert (match.area, match.found_in) == ("signups", "metric")
    assert match.reason == "metric alert 88421 matched signups: 88421"
    assert classify(rule("884", title="x"), areas).area == "slow"
    assert classify(rule(""), areas).area == "slow"
    assert classify(alert(tags={"rule": "88421"}), areas).area == "default"


def test_nothing_to_go_by(areas: Areas) -> None:
    match = classify(alert(title="Something"), areas)
    assert (match.area, match.path, match.found_in) == ("default", "", "")
    assert "nothing matched" in match.reason


def test_what_is_unplaced_still_tells_its_path(areas: Areas) -> None:
    match = classify(alert("lib/logger.ts"), areas)
    assert match == Match("default", "lib/logger.ts", "frame", "nothing matched")


def test_the_more_specific_pattern_wins() -> None:
    areas = parse_areas(
        {
            "default": DEFAULT,
            "api": area(paths=["app/api/**"]),
            "tips": area(paths=["app/api/credits/tip/**", "app/**/tip/*"]),
            "all": area(severity="critical", paths=["**/*"]),
        }
    )
    assert classify(alert("app/api/credits/tip/route.ts"), areas).area == "tips"
    assert classify(alert("app/api/health/route.ts"), areas).area == "api"
    assert classify(alert("lib/logger.ts"), areas).area == "all"


def test_transactions_say_what_paths_cannot() -> None:
    areas = parse_areas(
        {
            "default": DEFAULT,
            "hooks": area(paths=["app/api/webhooks/**"]),
            "video": area(transactions=["/api/webhooks/hms*", "serverAction/join*"]),
        }
    )
    assert classify(alert(transaction="POST /api/webhooks/hms"), areas).area == "video"
    assert classify(alert(transaction="serverAction/joinRoom"), areas).area == "video"
    assert classify(alert(culprit="POST /api/webhooks/stripe"), areas).area == "hooks"
    # A source file knows more than the name of a transaction.
    named = alert(location="app/api/webhooks/hms/route.ts", transaction="POST /api/webhooks/hms")
    assert classify(named, areas).area == "hooks"


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("lib/credits/**", "lib/credits/a/b.ts", True),
        ("lib/credits/", "lib/credits/a.ts", True),
        ("/lib/credits/**", "lib/credits/a.ts", True),
        ("./lib/credits/**", "lib/credits/a.ts", True),
        ("src/lib/credits/**", "lib/credits/a.ts", True),
        ("lib/credits/**", "src/lib/credits/a.ts", True),
        ("lib/credits/**", "app/lib/credits/a.ts", False),
        ("lib/*/client.ts", "lib/hms/client.ts", True),
        ("lib/*/client.ts", "lib/hms/x/client.ts", False),
        # the extension makes no difference, so that modules and files agree
        ("lib/credits/service.ts", "lib/credits/service", True),
        ("lib/credits/service", "lib/credits/service.tsx", True),
        ("lib/credits/service.ts", "lib/credits/service.test.ts", False),
        # a name without a slash fits in any folder, but not for want of its `src/`
        ("middleware.ts", "lib/supabase/middleware.ts", True),
        ("/middleware.ts", "lib/supabase/middleware.ts", False),
        ("src/middleware.ts", "lib/supabase/middleware.ts", False),
        ("src/middleware.ts", "middleware", True),
        # brackets are names of folders
        ("app/session/[id]/**", "app/session/[id]/page.tsx", True),
        ("app/session/[id]/**", "app/session/i/page.tsx", False),
        ("app/docs/[[...slug]]/page.tsx", "app/docs/[[...slug]]/page", True),
        # route groups are not in URLs
        ("app/(dashboard)/sessions/**", "app/sessions/page", True),
        ("app/sessions/**", "app/(dashboard)/sessions/page.tsx", True),
        ("app/(dashboard)/**", "app/(dashboard)/page.tsx", True),
        ("app/(dashboard)/**", "app/(marketing)/page.tsx", False),
    ],
)
def test_path_patterns(pattern: str, path: str, fits: bool) -> None:
    assert (PathPatterns([pattern]).best(path) is not None) is fits


def test_a_pattern_with_an_exclamation_mark_takes_out() -> None:
    patterns = PathPatterns(["lib/credits/**", "!lib/credits/testing/**"])
    assert patterns.best("lib/credits/service.ts") is not None
    assert patterns.best("lib/credits/testing/service.ts") is None


@pytest.mark.parametrize(
    ("pattern", "text", "inside", "whole"),
    [
        ("hms *", "HMS create room error", True, True),
        ("create*error", "HMS create room error", True, False),
        ("*create*", "HMS create room error", True, True),
        ("error*create", "HMS create room error", False, False),
        ("HMS create room error", "hms CREATE room ERROR", True, True),
        ("a*a", "a", False, False),
        ("aa*a", "aaa", True, True),
        ("(a+)+$", "aaaaaaaa", False, False),
    ],
)
def test_wildcards(pattern: str, text: str, inside: bool, whole: bool) -> None:
    assert contains(pattern, text) is inside
    assert matches(pattern, text) is whole


def test_severities_compare_by_rank() -> None:
    worst_first = sorted(Severity, key=lambda severity: severity.rank, reverse=True)
    assert worst_first == ["critical", "high", "medium", "low"]


@pytest.mark.parametrize(
    ("content", "location", "says"),
    [
        ({}, (), "there must be an area `default`"),
        ([], (), "dictionary"),
        ({"default": DEFAULT, "a": area(severity="bad")}, ("a", "severity"), "'critical'"),
        ({"default": DEFAULT, "a": area(pahts=[])}, ("a", "pahts"), "not permitted"),
        ({"default": DEFAULT, "a": area(paths=["# x"])}, ("a", "paths", 0), "no path pattern"),
        ({"default": DEFAULT, "a": area(paths=[" "])}, ("a", "paths", 0), "no path pattern"),
        ({"default": DEFAULT, "a": area(messages=["**"])}, ("a", "messages", 0),
         "would match everything"),
        ({"default": DEFAULT, "a": area(threshold={})}, ("a", "threshold", 0), "write one of"),
        ({"default": DEFAULT, "a": area(act_within=5)}, ("a", "act_within"), "with its unit"),
        ({"default": DEFAULT, "a": area(paths=["lib/x.ts"]), "b": area(paths=["src/lib/x"])}, (),
         "a and b both claim"),
        ({"default": DEFAULT, "a": area(messages=["Oh"]), "b": area(messages=["oh"])}, (),
         "a and b both claim"),
    ],
)  # fmt: skip
def test_mistakes_are_told_where_they_are(
    content: object, location: tuple[str | int, ...], says: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        parse_areas(content)
    (error,) = caught.value.errors()
    assert error["loc"] == location
    assert says in error["msg"]


def test_folders_of_a_larger_repository_are_taken_off(areas: Areas) -> None:
    event = alert("services/web/lib/credits/service.ts")
    assert classify(event, areas).area == "default"
    found = classify(event, areas, ("services/web",))
    assert (found.area, found.path) == ("credits", "lib/credits/service.ts")
