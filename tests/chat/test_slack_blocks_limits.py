"""Every message fits into Slack's limits, and what is left out is said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from responder.chat.base import ChecklistItem, Message, StepLine
from responder.chat.slack.blocks import Rendered, render
from tests.chat.messages import AT, any_message, approval, card, checklist, note
from tests.stand_ins import block_kit


def shown(rendered: Rendered) -> str:
    """Everything a reader of the message sees."""
    return json.dumps(rendered.blocks, ensure_ascii=False)


def buttons(rendered: Rendered) -> dict[str, Any]:
    """What can be pressed in the rows of buttons, by action_id."""
    rows = [block["elements"] for block in rendered.blocks if block["type"] == "actions"]
    return {element["action_id"]: element for row in rows for element in row}


def boxes(rendered: Rendered) -> list[dict[str, Any]]:
    """The groups of checkboxes."""
    return [one for one in buttons(rendered).values() if one["type"] == "checkboxes"]


def items(count: int, text: str = "Check {}") -> tuple[ChecklistItem, ...]:
    return tuple(ChecklistItem(n, text.format(n)) for n in range(1, count + 1))


@settings(max_examples=300, deadline=None)
@given(any_message)
def test_any_message_is_within_every_limit(message: Message) -> None:
    rendered = render(message)
    assert block_kit.problems(rendered.blocks) == []
    assert block_kit.text_size(rendered.blocks) < block_kit.ALL_TEXT
    assert 0 < len(rendered.text.encode("utf-16-le")) // 2 < 4000


@pytest.mark.parametrize(
    ("blocks", "pointer"),
    [
        ([], "/blocks"),
        ([{"type": "divider"}] * 51, "/blocks"),
        ([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], "/0/text/text"),
        ([{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}], "/0/text/text"),
        ([{"type": "section", "text": {"type": "plain_text", "text": " "}}], "/0/text/text"),
        ([{"type": "actions", "elements": []}], "/0/elements"),
        ([{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}], "/1/block"),
    ],
)
def test_the_validator_refuses_what_slack_refuses(blocks: list[Any], pointer: str) -> None:
    found = block_kit.problems(blocks)
    assert len(found) == 1
    assert pointer in found[0]


def test_an_open_card_says_everything_and_can_be_acted_on() -> None:
    rendered = render(card())
    text = shown(rendered)
    for fact in (
        "◆ CRITICAL",
        "credits",
        "Balance mismatch after refund",
        "src/app/api/credits/refund/route.ts",
        "credits: src/app/api/credits in the stack",
        "production",
        "Alerts\\n12",
        "Users\\n4",
        "<!date^1773324123^{date_short_pretty} at {time} ({ago})|2026-03-12 14:02 UTC>",
        "credit-transactions since 14:02:04 UTC",
        "✓ done · Stop credit transactions: paused and read back",
        "◐ running · Check balances",
        "○ to do · Resume",
        "Waiting for somebody to acknowledge",
        "Payments on call: #payments",
    ):
        assert fact in text
    assert list(buttons(rendered)) == ["acknowledge", "escalate", "resolve", "open_page"]
    assert {buttons(rendered)[name]["value"] for name in ("acknowledge", "resolve")} == {"3"}
    assert "◆ CRITICAL credits: Balance mismatch after refund" in rendered.text


def test_an_acknowledged_card_says_by_whom_and_asks_no_more() -> None:
    rendered = render(card(state="acknowledged", acknowledged_by="Ann", acknowledged_at=AT))
    assert "Acknowledged by Ann" in shown(rendered)
    assert list(buttons(rendered)) == ["escalate", "resolve", "open_page"]


def test_a_resolved_card_is_calm() -> None:
    rendered = render(card(state="resolved", resolved_by="Ann", resolved_at=AT, paused=()))
    text = shown(rendered)
    assert rendered.blocks[0]["text"]["text"] == "✓ Resolved · credits"
    assert "Resolved by Ann" in text
    assert "✓ done: 1" in text
    assert "Waiting for" not in text
    assert "🔴" not in text
    assert list(buttons(rendered)) == ["open_page"]


def test_a_resolved_card_still_says_what_is_paused() -> None:
    assert "Still paused" in shown(render(card(state="resolved")))


def test_more_lines_than_fit_are_counted() -> None:
    steps = tuple(StepLine(f"s{n}", f"Step {n} " + "x" * 90, "pending") for n in range(100))
    (run,) = (
        block["text"]["text"]
        for block in render(card(steps=steps)).blocks
        if block["type"] == "section" and block.get("text", {}).get("text", "").startswith("Run")
    )
    lines = run.splitlines()[1:]
    assert lines[-1] == f"… {100 - len(lines) + 1} more on the page"


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://", "http://a b/", "https://ü.example/", "", "x" * 4000]
)
def test_an_address_slack_would_refuse_gives_no_button(url: str) -> None:
    rendered = render(card(page_url=url, issue_url=url))
    assert "open_page" not in buttons(rendered)
    assert "accessory" not in shown(rendered)


def test_a_checklist_is_split_into_groups_of_ten() -> None:
    rendered = render(checklist(*items(23)))
    assert [len(box["options"]) for box in boxes(rendered)] == [10, 10, 3]
    assert [box["action_id"] for box in boxes(rendered)] == ["tick:7:0", "tick:7:1", "tick:7:2"]
    values = [option["value"] for box in boxes(rendered) for option in box["options"]]
    assert values == [str(n) for n in range(1, 24)]


def test_ticked_items_are_ticked_and_say_who() -> None:
    done = ChecklistItem(1, "Check 1", "Ann", AT)
    (box,) = boxes(render(checklist(done, ChecklistItem(2, "Check 2"))))
    assert [option["value"] for option in box["initial_options"]] == ["1"]
    assert box["options"][0]["description"]["text"] == "✓ Ann, 12 Mar 14:02 UTC"
    assert "description" not in box["options"][1]


def test_ticks_made_elsewhere_are_shown() -> None:
    """Slack keeps a reader's own ticks while a block's id is the same, so the id must change."""
    before = render(checklist(*items(2)))
    after = render(checklist(ChecklistItem(1, "Check 1", "Ann", AT), *items(2)[1:]))
    assert before.blocks[-1]["block_id"] != after.blocks[-1]["block_id"]


def test_a_long_item_can_be_read_in_full() -> None:
    text = "Compare the sum of all transactions with the stored balance of each account touched"
    rendered = render(checklist(ChecklistItem(1, text)))
    assert f"1. {text}" in shown(rendered)
    (option,) = boxes(rendered)[0]["options"]
    assert option["text"]["text"].startswith("1. Compare the sum")
    assert option["text"]["text"].endswith("…")


def test_what_does_not_fit_into_a_checklist_is_on_the_page() -> None:
    rendered = render(checklist(*items(900)))
    held = sum(len(box["options"]) for box in boxes(rendered))
    assert len(rendered.blocks) == 50
    rest = rendered.blocks[-1]
    assert rest["text"]["text"] == f"{900 - held} more are on the page."
    assert rest["accessory"]["url"].endswith("/incidents/3")


def test_an_approval_asks_twice_and_says_what_happens() -> None:
    rendered = render(approval())
    pressable = buttons(rendered)
    assert list(pressable) == ["approve", "deny", "open_page"]
    assert pressable["approve"]["style"] == "primary"
    assert pressable["approve"]["confirm"]["text"]["text"] == "lift the hold on credit-transactions"
    assert pressable["deny"]["style"] == "danger"
    assert {pressable["approve"]["value"], pressable["deny"]["value"]} == {"9"}
    assert "✓ done · Check balances: no rows" in shown(rendered)


@pytest.mark.parametrize("state", ["approved", "denied", "closed"])
def test_a_decided_approval_can_not_be_pressed_again(state: str) -> None:
    by = None if state == "closed" else "Ann"
    rendered = render(approval(state=state, decided_by=by, decided_at=by and AT))
    assert list(buttons(rendered)) == ["open_page"]
    assert (f"{state.capitalize()} by Ann" in shown(rendered)) == (by is not None)


def test_a_note_is_its_text() -> None:
    (block,) = render(note("Escalated")).blocks
    assert block["text"]["text"] == "Escalated"
