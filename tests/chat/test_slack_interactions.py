"""What people press becomes a command, and what is malformed becomes a clear error."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from responder.chat.base import (
    Acknowledge,
    ChecklistItem,
    Command,
    Decide,
    Escalate,
    Message,
    Resolve,
    Tick,
)
from responder.chat.slack.blocks import render
from responder.chat.slack.interactions import parse
from tests.chat.messages import AT, approval, card, checklist

ITEMS = tuple(ChecklistItem(n, f"Check {n}") for n in range(1, 13))


def pressed(message: Message, action_id: str, *ticked: int) -> dict[str, Any]:
    """The payload Slack sends for a press on a message as we render it."""
    blocks = render(message).blocks
    block, element = next(
        (block, element)
        for block in blocks
        for element in block.get("elements", [])
        if element.get("action_id") == action_id
    )
    action = {name: element[name] for name in ("type", "action_id", "value") if name in element}
    action |= {"block_id": block["block_id"], "action_ts": "1773324123.000100"}
    if element["type"] == "checkboxes":
        action["selected_options"] = [o for o in element["options"] if int(o["value"]) in ticked]
    return {
        "type": "block_actions",
        "user": {"id": "U1", "username": "ann", "name": "ann", "team_id": "T1"},
        "team": {"id": "T1", "domain": "kind"},
        "trigger_id": "1.2.3",
        "response_url": "https://hooks.example/actions/1",
        "message": {"ts": "1773324123.000100", "blocks": blocks},
        "actions": [action],
    }


@pytest.mark.parametrize(
    ("message", "action_id", "command"),
    [
        (card(), "acknowledge", Acknowledge(3)),
        (card(), "escalate", Escalate(3)),
        (card(), "resolve", Resolve(3)),
        (approval(), "approve", Decide(9, approve=True)),
        (approval(), "deny", Decide(9, approve=False)),
    ],
)
def test_a_button_is_a_command(message: Message, action_id: str, command: Command) -> None:
    assert parse(pressed(message, action_id)).command == command


def test_ticks_say_what_was_shown_and_what_is_done() -> None:
    payload = pressed(checklist(*ITEMS), "tick:7:0", 2, 5)
    assert parse(payload).command == Tick(7, tuple(range(1, 11)), (2, 5))


def test_ticks_of_one_group_leave_the_others_alone() -> None:
    payload = pressed(checklist(*ITEMS), "tick:7:1", 12)
    assert parse(payload).command == Tick(7, (11, 12), (12,))


def test_unticking_everything_is_a_command_too() -> None:
    done = (ChecklistItem(1, "Check 1", "Ann", AT), *ITEMS[1:3])
    assert parse(pressed(checklist(*done), "tick:7:0")).command == Tick(7, (1, 2, 3), ())


def test_who_pressed_it_comes_along() -> None:
    interaction = parse(pressed(card(), "acknowledge"))
    assert (interaction.user_id, interaction.user_name, interaction.team_id) == ("U1", "ann", "T1")
    assert interaction.response_url == "https://hooks.example/actions/1"
    assert interaction.trigger_id == "1.2.3"


def test_an_installation_for_a_whole_organisation_has_no_team_of_its_own() -> None:
    assert parse(pressed(card(), "acknowledge") | {"team": None}).team_id == "T1"


@pytest.mark.parametrize("action_id", ["open_page", "acknowledge2", "tick:x:0", "tick:7:0 "])
def test_what_we_do_not_know_is_no_command(action_id: str) -> None:
    payload = pressed(card(), "acknowledge")
    payload["actions"][0]["action_id"] = action_id
    assert parse(payload).command is None


@pytest.mark.parametrize("kind", ["view_submission", "shortcut", "view_closed"])
def test_other_kinds_of_interaction_are_no_command(kind: str) -> None:
    assert parse(pressed(card(), "acknowledge") | {"type": kind}).command is None


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("type",), None, "type is missing"),
        (("user",), None, "user is missing"),
        (("user", "id"), 7, "id is missing or is not text"),
        (("actions",), [], "actions is empty"),
        (("actions",), {}, "actions is missing or is not a list"),
        (("actions", 0), "acknowledge", r"actions\[0\] is missing or is not an object"),
        (("actions", 0, "value"), "3; drop table", "value of acknowledge is not an id"),
        (("actions", 0, "value"), "-3", "value of acknowledge is not an id"),
        (("actions", 0, "value"), 3, "value of acknowledge is not an id"),
        (("actions", 0, "value"), "9" * 19, "value of acknowledge is not an id"),
        (("actions", 0, "value"), "３", "value of acknowledge is not an id"),
    ],
)
def test_a_malformed_press_says_what_is_wrong(path: tuple[Any, ...], value: Any, says: str) -> None:
    payload = pressed(card(), "acknowledge")
    inner: Any = payload
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(ValueError, match=says):
        parse(payload)


def test_items_that_were_not_shown_can_not_be_ticked() -> None:
    payload = pressed(checklist(*ITEMS), "tick:7:0", 2)
    payload["actions"][0]["selected_options"][0] = {"value": "99"}
    with pytest.raises(ValueError, match=r"\[99\] are not among those shown"):
        parse(payload)


@pytest.mark.parametrize("blocks", [None, [], [{"block_id": "tick:7:0:0"}], ["no block"]])
def test_ticks_without_their_checkboxes_are_malformed(blocks: Any) -> None:
    payload = copy.deepcopy(pressed(checklist(*ITEMS), "tick:7:0", 2))
    payload["message"]["blocks"] = blocks
    with pytest.raises(ValueError, match=r"missing|no checkboxes"):
        parse(payload)
