"""Block Kit's rules for the blocks and elements that responder sends. Pure.

After Slack's Block Kit reference, with lengths counted as strictly as they can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

BLOCKS = {"message": 50, "modal": 100}
ALL_TEXT = 12_000  # seen in practice, in no reference

Json = Any


def problems(blocks: Json, *, surface: str = "message") -> list[str]:
    """What Slack would refuse, one line each with a JSON pointer; empty when nothing."""
    return list(_blocks(blocks, surface))


def text_size(value: Json) -> int:
    """The length of all texts in some blocks together."""
    if isinstance(value, dict):
        own = value.get("text")
        return (len(own) if isinstance(own, str) else 0) + sum(map(text_size, value.values()))
    return sum(map(text_size, value)) if isinstance(value, list) else 0


def _blocks(blocks: Json, surface: str) -> Iterator[str]:
    if not isinstance(blocks, list) or not blocks:
        yield _problem("must be a list with at least one block", "/blocks")
        return
    if len(blocks) > BLOCKS[surface]:
        yield _problem(f"no more than {BLOCKS[surface]} items allowed", "/blocks")
    seen: set[str] = set()
    for index, block in enumerate(blocks):
        at = f"/blocks/{index}"
        if not isinstance(block, dict) or block.get("type") not in _BLOCKS:
            yield _problem("unsupported type", f"{at}/type")
            continue
        allowed, check = _BLOCKS[block["type"]]
        yield from _fields(block, {"type", "block_id", *allowed}, at)
        block_id = block.get("block_id")
        if block_id is not None:
            yield from _string(block_id, 255, f"{at}/block_id")
            if block_id in seen:
                yield _problem("block_id already exists", f"{at}/block_id")
            seen.add(block_id)
        yield from check(block, at)


def _header(block: Json, at: str) -> Iterator[str]:
    yield from _text(block.get("text"), 150, f"{at}/text", only="plain_text")


def _section(block: Json, at: str) -> Iterator[str]:
    if "text" not in block and "fields" not in block:
        yield _problem("needs text or fields", at)
    if "text" in block:
        yield from _text(block["text"], 3000, f"{at}/text")
    if "fields" in block:
        yield from _list(block["fields"], 10, f"{at}/fields")
        for index, field in _numbered(block["fields"]):
            yield from _text(field, 2000, f"{at}/fields/{index}")
    if "accessory" in block:
        yield from _element(block["accessory"], f"{at}/accessory")


def _context(block: Json, at: str) -> Iterator[str]:
    yield from _list(block.get("elements"), 10, f"{at}/elements")
    for index, element in _numbered(block.get("elements")):
        yield from _text(element, 3000, f"{at}/elements/{index}")


def _actions(block: Json, at: str) -> Iterator[str]:
    yield from _list(block.get("elements"), 25, f"{at}/elements")
    seen: set[str] = set()
    for index, element in _numbered(block.get("elements")):
        yield from _element(element, f"{at}/elements/{index}")
        action_id = element.get("action_id") if isinstance(element, dict) else None
        if action_id in seen:
            yield _problem("action_id already exists", f"{at}/elements/{index}/action_id")
        seen.add(str(action_id))


def _divider(block: Json, at: str) -> Iterator[str]:
    yield from ()


_BLOCKS: dict[str, tuple[set[str], Callable[[Json, str], Iterator[str]]]] = {
    "header": ({"text"}, _header),
    "section": ({"text", "fields", "accessory", "expand"}, _section),
    "context": ({"elements"}, _context),
    "actions": ({"elements"}, _actions),
    "divider": (set(), _divider),
}


def _element(element: Json, at: str) -> Iterator[str]:
    kind = element.get("type") if isinstance(element, dict) else None
    if kind == "button":
        yield from _button(element, at)
    elif kind == "checkboxes":
        yield from _checkboxes(element, at)
    else:
        yield _problem("unsupported type", f"{at}/type")


def _button(element: Json, at: str) -> Iterator[str]:
    allowed = {"type", "action_id", "text", "value", "url", "style", "confirm"}
    yield from _fields(element, allowed | {"accessibility_label"}, at)
    yield from _string(element.get("action_id"), 255, f"{at}/action_id")
    yield from _text(element.get("text"), 75, f"{at}/text", only="plain_text")
    if "value" in element:
        yield from _string(element["value"], 2000, f"{at}/value")
    if "url" in element:
        yield from _url(element["url"], f"{at}/url")
    if element.get("style", "primary") not in ("primary", "danger"):
        yield _problem("must be primary or danger", f"{at}/style")
    if "confirm" in element:
        yield from _confirm(element["confirm"], f"{at}/confirm")


def _confirm(confirm: Json, at: str) -> Iterator[str]:
    if not isinstance(confirm, dict):
        yield _problem("must be an object", at)
        return
    yield from _fields(confirm, {"title", "text", "confirm", "deny", "style"}, at)
    yield from _text(confirm.get("title"), 100, f"{at}/title", only="plain_text")
    yield from _text(confirm.get("text"), 300, f"{at}/text", only="plain_text")
    yield from _text(confirm.get("confirm"), 30, f"{at}/confirm", only="plain_text")
    yield from _text(confirm.get("deny"), 30, f"{at}/deny", only="plain_text")


def _checkboxes(element: Json, at: str) -> Iterator[str]:
    allowed = {"type", "action_id", "options", "initial_options", "confirm", "focus_on_load"}
    yield from _fields(element, allowed, at)
    yield from _string(element.get("action_id"), 255, f"{at}/action_id")
    options = element.get("options")
    yield from _list(options, 10, f"{at}/options")
    for index, option in _numbered(options):
        yield from _option(option, f"{at}/options/{index}")
    values = [option.get("value") for _, option in _numbered(options) if isinstance(option, dict)]
    if len(set(map(str, values))) != len(values):
        yield _problem("values must be unique", f"{at}/options")
    if "initial_options" in element:
        chosen = element["initial_options"]
        yield from _list(chosen, 10, f"{at}/initial_options")
        for index, option in _numbered(chosen):
            if option not in options:
                yield _problem("must be one of the options", f"{at}/initial_options/{index}")


def _option(option: Json, at: str) -> Iterator[str]:
    if not isinstance(option, dict):
        yield _problem("must be an object", at)
        return
    yield from _fields(option, {"text", "value", "description"}, at)
    yield from _text(option.get("text"), 75, f"{at}/text")
    yield from _string(option.get("value"), 150, f"{at}/value")
    if "description" in option:
        yield from _text(option["description"], 75, f"{at}/description")


def _text(text: Json, limit: int, at: str, *, only: str | None = None) -> Iterator[str]:
    kinds = {"plain_text": {"emoji"}, "mrkdwn": {"verbatim"}}
    if not isinstance(text, dict) or text.get("type") not in kinds:
        yield _problem("must be a text object", at)
        return
    if only is not None and text["type"] != only:
        yield _problem(f"must be {only}", f"{at}/type")
    yield from _fields(text, {"type", "text", *kinds[text["type"]]}, at)
    yield from _string(text.get("text"), limit, f"{at}/text")


def _string(value: Json, limit: int, at: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield _problem("must be a string", at)
        return
    try:
        length = len(value.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        yield _problem("is not valid Unicode", at)
        return
    if not value.strip():
        yield _problem("must be more than 0 characters", at)
    if length > limit:
        yield _problem(f"must be less than {limit + 1} characters", at)


def _url(value: Json, at: str) -> Iterator[str]:
    yield from _string(value, 3000, at)
    if isinstance(value, str):
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https", "mailto") or " " in value or not parts.netloc:
            yield _problem("must be a valid URL", at)


def _list(value: Json, limit: int, at: str) -> Iterator[str]:
    if not isinstance(value, list) or not value:
        yield _problem("must have at least 1 item", at)
    elif len(value) > limit:
        yield _problem(f"no more than {limit} items allowed", at)


def _fields(value: Json, allowed: set[str], at: str) -> Iterator[str]:
    for name in value.keys() - allowed:
        yield _problem(f"no such field: {name}", at)


def _numbered(value: Json) -> Iterator[tuple[int, Json]]:
    return enumerate(value if isinstance(value, list) else [])


def _problem(text: str, pointer: str) -> str:
    return f"[ERROR] {text} [json-pointer:{pointer}]"
