"""What people press in Slack, as commands. Pure; the caller has verified the signature."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from responder.chat.base import Acknowledge, Command, Decide, Escalate, Resolve, Tick

_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_TICK = re.compile(r"tick:([1-9][0-9]{0,17}):[0-9]{1,4}", re.ASCII)

_BUTTONS: dict[str, Callable[[int], Command]] = {
    "acknowledge": Acknowledge,
    "escalate": Escalate,
    "resolve": Resolve,
    "approve": lambda step_id: Decide(step_id, approve=True),
    "deny": lambda step_id: Decide(step_id, approve=False),
}


@dataclass(frozen=True, slots=True)
class Interaction:
    """Who pressed what. `command` is None for what needs no action of ours, as a link does."""

    user_id: str
    user_name: str
    team_id: str
    response_url: str | None
    trigger_id: str | None
    command: Command | None


def parse(payload: Mapping[str, object]) -> Interaction:
    """Read the payload of an interaction.

    Raises:
        ValueError: it is not shaped as Slack shapes it; the text says where.
    """
    kind = _text(payload, "type")
    user = _mapping(payload.get("user"), "user")
    team = payload.get("team")  # null where the app is installed for a whole organisation
    user_id = _text(user, "id")
    return Interaction(
        user_id=user_id,
        user_name=_optional(user, "username") or _optional(user, "name") or user_id,
        team_id=_text(team, "id") if isinstance(team, Mapping) else _text(user, "team_id"),
        response_url=_optional(payload, "response_url"),
        trigger_id=_optional(payload, "trigger_id"),
        command=_command(payload) if kind == "block_actions" else None,
    )


def _command(payload: Mapping[str, object]) -> Command | None:
    actions = _sequence(payload.get("actions"), "actions")
    if not actions:
        raise ValueError("actions is empty")
    action = _mapping(actions[0], "actions[0]")
    action_id = _text(action, "action_id")
    if button := _BUTTONS.get(action_id):
        return button(_id(action.get("value"), f"value of {action_id}"))
    if tick := _TICK.fullmatch(action_id):
        return _tick(payload, action, action_id, int(tick[1]))
    return None


def _tick(
    payload: Mapping[str, object], action: Mapping[str, object], action_id: str, step_id: int
) -> Tick:
    message = _mapping(payload.get("message"), "message")
    shown = _options_shown(message, _text(action, "block_id"), action_id)
    done = _values(action.get("selected_options"), "selected_options")
    if strange := set(done) - set(shown):
        raise ValueError(f"ticked items {sorted(strange)} are not among those shown")
    return Tick(step_id, shown, done)


def _options_shown(message: Mapping[str, object], block_id: str, action_id: str) -> tuple[int, ...]:
    for block in _sequence(message.get("blocks"), "message.blocks"):
        if not isinstance(block, Mapping) or block.get("block_id") != block_id:
            continue
        for element in _sequence(block.get("elements"), f"elements of block {block_id}"):
            if isinstance(element, Mapping) and element.get("action_id") == action_id:
                return _values(element.get("options"), "options")
    raise ValueError(f"the message has no checkboxes {action_id} in a block {block_id}")


def _values(options: object, name: str) -> tuple[int, ...]:
    return tuple(
        _id(_mapping(option, name).get("value"), f"value in {name}")
        for option in _sequence(options, name)
    )


def _id(value: object, name: str) -> int:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError(f"{name} is not an id")
    return int(value)


def _text(mapping: Mapping[str, object], name: str) -> str:
    value = mapping.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is missing or is not text")
    return value


def _optional(mapping: Mapping[str, object], name: str) -> str | None:
    return _text(mapping, name) if mapping.get(name) else None


def _mapping(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is missing or is not an object")
    return value


def _sequence(value: object, name: str) -> Sequence[object]:
    if not isinstance(value, list):
        raise ValueError(f"{name} is missing or is not a list")
    return value
