"""Nothing from outside comes alive in Slack."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings

from responder.chat.base import ChecklistItem, Message, StepLine
from responder.chat.slack.blocks import Rendered, render
from tests.chat.messages import AT, any_message, approval, card, checklist, note

OUR_DATE = re.compile(
    r"<!date\^\d+\^\{date_short_pretty\} at \{time\} \(\{ago\}\)\|\d{4}-\d\d-\d\d \d\d:\d\d UTC>"
)
LIVE = re.compile(r"[<>]|&(?!(?:amp|lt|gt);)")

EVIL = "EVIL <!channel> <@U1> <https://evil.example|click> *bold* `code` & more"


def texts(value: Any) -> Iterator[tuple[str, str]]:
    """Every text object in some blocks, as type and text."""
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["type"], value["text"]
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)


def assert_dead(rendered: Rendered) -> None:
    for kind, text in texts(rendered.blocks):
        rest = OUR_DATE.sub("", text) if kind == "mrkdwn" else text
        assert not LIVE.search(rest), (kind, text)
    assert not LIVE.search(rendered.text)


def everywhere(text: str) -> list[Message]:
    step = StepLine(text, text, "failed", text)
    fields = ("severity", "area", "title", "culprit", "matched", "environment", "waiting_for")
    evil = dict.fromkeys(fields, text)
    people = {"acknowledged_by": text, "acknowledged_at": AT}
    lines = {"paused": (text,), "contacts": (text,), "steps": (step,)}
    return [
        card(**evil, **people, **lines),
        card(**evil, **people, **lines, state="resolved", resolved_by=text, resolved_at=AT),
        checklist(ChecklistItem(1, text, text, AT), ChecklistItem(2, text * 9), title=text),
        approval(title=text, will=text, evidence=(step,)),
        approval(title=text, will=text, evidence=(step,), state="denied", decided_by=text),
        note(text),
    ]


@settings(max_examples=200, deadline=None)
@given(any_message)
def test_no_markup_is_alive_in_any_message(message: Message) -> None:
    assert_dead(render(message))


@pytest.mark.parametrize("message", everywhere(EVIL), ids=lambda one: type(one).__name__)
def test_text_from_outside_is_shown_but_never_as_mrkdwn(message: Message) -> None:
    rendered = render(message)
    assert_dead(rendered)
    kinds = {kind for kind, text in texts(rendered.blocks) if "EVIL" in text}
    assert kinds == {"plain_text"}


def test_text_is_escaped_once_and_cut_between_characters() -> None:
    (block,) = render(note("<" * 5000)).blocks
    assert block["text"]["text"] == "&lt;" * 749 + "…"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb\x00", "a[2Jb"),
        ("safe\u202egnp.exe", "safegnp.exe"),
        ("zero\u200bwidth", "zerowidth"),
        ("half \ud83d emoji", "half  emoji"),
        ("👩\u200d🚒 stays", "👩\u200d🚒 stays"),
        ("\u2066\u200d \n", "–"),
    ],
)
def test_what_would_hide_or_reorder_text_is_left_out(text: str, shown: str) -> None:
    (block,) = render(note(text)).blocks
    assert block["text"]["text"] == shown
