"""The first draft of a post-mortem: the facts are right, and nothing in them is markup."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from responder.postmortem.draft import Facts, Moment, draft

AT = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def after(**span: float) -> datetime:
    return AT + timedelta(**span)


FACTS = Facts(
    incident_id=7,
    title="LedgerError: balance does not follow",
    area="credits",
    severity="critical",
    environment="production",
    culprit="lib/credits/service.ts",
    matched="frame lib/credits/service.ts matched credits: lib/credits/**",
    alerts=12,
    users=3,
    issue_url="https://kulti.sentry.io/issues/1/",
    first_alert_at=after(seconds=-42),
    opened_at=AT,
    acknowledged_at=after(minutes=3, seconds=5),
    acknowledged_by="ann",
    mitigated_at=after(hours=2, minutes=10),
    resolved_at=after(days=3, hours=4),
    resolved_by="ben",
    paused=[("credit-transactions", after(milliseconds=850), after(hours=2, minutes=10), 41)],
    timeline=[Moment(AT, "responder", "Opened"), Moment(after(seconds=5), "ann", "Acknowledged")],
)


def rows(text: str) -> dict[str, str]:
    """The table of the draft."""
    return {
        line.split("|")[1].strip(): line.split("|")[2].strip()
        for line in text.splitlines()
        if line.startswith("| ") and "---" not in line and "after" not in line
    }


def test_how_fast_each_thing_happened() -> None:
    assert rows(draft(FACTS)) == {
        "Detected": "42 s",
        "Acknowledged": "3 min 5 s",
        "Mitigated": "2 h 10 min",
        "Resolved": "3 d 4 h",
    }


def test_what_never_happened_says_so() -> None:
    facts = replace(FACTS, acknowledged_at=None, mitigated_at=None, first_alert_at=None)
    found = rows(draft(facts))
    assert found["Acknowledged"] == found["Mitigated"] == "never"
    assert found["Detected"] == "0 ms"


def test_a_clock_that_runs_ahead_gives_no_negative_times() -> None:
    assert rows(draft(replace(FACTS, first_alert_at=after(hours=1))))["Detected"] == "0 ms"


def test_the_impact() -> None:
    text = draft(FACTS)
    assert "- Alerts: 12\n" in text
    assert "- Users affected: 3\n" in text
    assert "- Paused for 2 h 9 min: credit-transactions; 41 operations refused in all\n" in text
    assert "<https://kulti.sentry.io/issues/1/>" in text
    bare = draft(replace(FACTS, users=None, issue_url="", paused=[("s", AT, None, None)]))
    assert "- Users affected: not known\n" in bare
    assert "- Paused for 3 d 4 h: s\n" in bare  # until the end, for nothing says otherwise
    assert "Sentry" not in bare


def test_the_timeline_in_order_with_who_and_when() -> None:
    text = draft(FACTS)
    first = text.index("- 2026-03-01 09:00:00 UTC, responder: Opened\n")
    assert first < text.index("- 2026-03-01 09:00:05 UTC, ann: Acknowledged\n")


def test_it_is_about_the_incident_and_leaves_the_judging_to_people() -> None:
    text = draft(FACTS)
    assert text.startswith("# LedgerError: balance does not follow\n")
    assert "Incident 7: critical trouble in credits (production)" in text
    assert "resolved by ben" in text
    for section in ("What went well", "What went badly", "Root cause", "Follow-ups"):
        assert f"## {section}\n" in text
    assert "no environment named" in draft(replace(FACTS, environment=""))


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "</textarea><script>x</script>",
    "# A heading\n\n## Another",
    "a\n\n- a list\n\n> a quote\n\n```\ncode\n```",
    "| a | table |\n| --- | --- |\n| 1 | 2 |",
    "**bold** _em_ `code` ~~gone~~",
    "<https://evil.example/>",
    "\\<b\\>x\\</b\\>",
    "&lt;script&gt; &#60;b&#62;",
    "***\n---\n===",
    "[ref]: https://evil.example/",
    "a  \nb\\\nc",
    "\u2028\u2029\x85\x0b\x0cx",
    "1. one\n2. two",
    "\t\tindented",
]
FIELDS = ("title", "environment", "culprit", "matched", "issue_url", "resolved_by", "area")


def skeleton(text: str) -> list[str]:
    """The Markdown structure of a text, without its words."""

    def walk(tokens: list[Token]) -> list[str]:
        found = []
        for token in tokens:
            if token.type not in ("text", "text_special", "softbreak"):
                found.append(token.type)
            found += walk(token.children or [])
        return found

    return walk(
        MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    )


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


def assert_inert(facts: Facts) -> None:
    """The draft has the structure that the same draft with harmless words has."""
    plain = {name: "x" for name in FIELDS if getattr(facts, name)} | {"issue_url": ""}
    harmless = replace(
        facts,
        **plain,  # type: ignore[arg-type]
        timeline=[Moment(moment.at, "x", "x") for moment in facts.timeline],
        paused=[("x", *rest) for _, *rest in facts.paused],  # type: ignore[misc]
    )
    assert skeleton(draft(replace(facts, issue_url=""))) == skeleton(draft(harmless))
    page = _Elements()
    page.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(draft(facts)))
    assert page.found <= {
        "h1",
        "h2",
        "p",
        "ul",
        "li",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "em",
        "a",
    }
    assert all(link.startswith(("https://", "http://")) for link in page.links)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(text: str) -> None:
    for name in FIELDS:
        assert_inert(replace(FACTS, **{name: text}))  # type: ignore[arg-type]
    assert_inert(
        replace(
            FACTS,
            timeline=[Moment(AT, text, text)],
            paused=[(text, AT, None, None)],
        )
    )


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_is_only_text(text: str) -> None:
    assert_inert(replace(FACTS, title=f"a{text}b", timeline=[Moment(AT, "x", f"a{text}b")]))


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://x/> <img src=x onerror=alert(1)>",
        "https://x/\n\n# Heading",
        "https://x y",
        "ftp://x/",
        "//x/",
    ],
)
def test_an_address_that_is_none_is_left_out(url: str) -> None:
    text = draft(replace(FACTS, issue_url=url))
    assert_inert(replace(FACTS, issue_url=url))
    assert "In Sentry" not in text
