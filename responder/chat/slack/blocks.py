"""Messages as Slack's Block Kit. Pure.

Text from outside stands in plain_text only, escaped: no markup, mention or link in it comes
alive. The one mrkdwn sent is our own, for times, which Slack shows in each reader's zone.

Slack refuses a whole message for one text too long, so every text is cut. The limits are those
of Slack's Block Kit reference, counted in UTF-16 units after escaping, which is the strictest
way to read them. One is not in the reference: all texts of a message together may not pass
about 12,000 characters, hence the tighter limits of our own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from responder.chat.base import (
    Approval,
    Checklist,
    ChecklistItem,
    IncidentCard,
    Message,
    Note,
    StepLine,
)
from responder.chat.words import clean, one_line, severity_mark, step_mark, utc

BLOCKS = 50
HEADER, SECTION, LABEL, OPTION, CONFIRM, URL = 150, 3000, 75, 75, 300, 3000
OPTIONS = 10  # in one group of checkboxes
CHECKLIST = 8000  # our own, for all texts of a checklist
LINE = 280  # our own, for one line of a list

_COLOURS = {"critical": "🔴", "high": "🟠", "medium": "🟡", "low": "🔵"}
_DECISIONS = {
    "waiting": "◔ Approval needed",
    "approved": "✓ Approved",
    "denied": "✗ Denied",
    "closed": "– No longer asked",
}
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message for Slack. `text` is what notifications and screen readers get."""

    text: str
    blocks: list[Block]


def render(message: Message) -> Rendered:
    """Put a message into blocks, within every limit of Slack's."""
    match message:
        case IncidentCard():
            blocks = _resolved(message) if message.state == "resolved" else _card(message)
            return Rendered(_text(*_summary(message)), blocks)
        case Checklist():
            return Rendered(
                _text(f"Checklist: {message.title}", _progress(message)), _checklist(message)
            )
        case Approval():
            return Rendered(_text(_decision(message), message.will), _approval(message))
        case Note():
            return Rendered(_text(message.text), [_section(message.text)])


# The card


def _card(card: IncidentCard) -> list[Block]:
    colour = _COLOURS.get(card.severity, "")
    mark = severity_mark(card.severity)
    blocks = [
        _header(f"{colour} {mark} · {card.area} · {card.state}"),
        _title(card),
        _facts(card),
        _times(card),
        _section(_listed("Paused", card.paused or ("nothing",), 1000)),
    ]
    if card.steps:
        blocks.append(_section(_listed("Run", [_step(step) for step in card.steps], 2000)))
    if card.waiting_for:
        blocks.append(_section(f"Waiting for {card.waiting_for}", 500))
    if card.contacts:
        blocks.append(_context(_plain(_listed("Contacts", card.contacts, 600), 600)))
    blocks.append(_actions(f"incident:{card.incident_id}", _card_buttons(card)))
    return blocks


def _resolved(card: IncidentCard) -> list[Block]:
    blocks = [_header(f"✓ Resolved · {card.area}"), _title(card), _times(card)]
    if card.paused:  # nobody may overlook that
        blocks.append(_section(_listed("Still paused", card.paused, 1000)))
    blocks.append(_context(_plain(_outcome(card), 500)))
    if link := _link("open_page", "Open page", card.page_url):
        blocks.append(_actions(f"incident:{card.incident_id}", [link]))
    return blocks


def _summary(card: IncidentCard) -> list[str]:
    if card.state == "resolved":
        parts = [f"✓ Resolved: {card.area}: {card.title}"]
    else:
        parts = [f"{severity_mark(card.severity)} {card.area}: {card.title}", card.state]
    parts.append(card.environment)
    if card.paused:
        parts.append("paused: " + "; ".join(card.paused))
    if card.waiting_for and card.state != "resolved":
        parts.append(f"waiting for {card.waiting_for}")
    return parts


def _title(card: IncidentCard) -> Block:
    block = _section(one_line(card.title), 600)
    if link := _link("view_issue", "View issue", card.issue_url):
        block["accessory"] = link
    return block


def _facts(card: IncidentCard) -> Block:
    culprit = _cut(one_line(card.culprit), 300) or "not known"
    matched = _cut(one_line(card.matched), 300)
    facts = {
        "Culprit": f"{culprit}\n({matched})" if matched else culprit,
        "Environment": _cut(one_line(card.environment), 100) or "not known",
        "Alerts": str(card.alerts),
        "Users": "not known" if card.users is None else str(card.users),
    }
    fields = [_plain(f"{name}\n{fact}", 800) for name, fact in facts.items()]
    return {"type": "section", "fields": fields}


def _times(card: IncidentCard) -> Block:
    elements = [_mrkdwn(f"Opened {_date(card.opened_at)}")]
    for word, person, at in (
        ("Acknowledged", card.acknowledged_by, card.acknowledged_at),
        ("Resolved", card.resolved_by, card.resolved_at),
    ):
        elements += _done(word, person, at)
    return _context(*elements)


def _outcome(card: IncidentCard) -> str:
    counts = Counter(step_mark(step.state) for step in card.steps)
    parts = [f"was {severity_mark(card.severity)}", one_line(card.environment)]
    parts.append(f"alerts: {card.alerts}")
    if card.users is not None:
        parts.append(f"users: {card.users}")
    parts += [f"{mark}: {count}" for mark, count in counts.items()]
    return " · ".join(part for part in parts if part)


def _card_buttons(card: IncidentCard) -> list[Block]:
    value = str(card.incident_id)
    buttons = []
    if card.state == "open":
        buttons.append(_button("acknowledge", "Acknowledge", value, style="primary"))
    buttons.append(_button("escalate", "Escalate", value))
    buttons.append(_button("resolve", "Resolve", value))
    if link := _link("open_page", "Open page", card.page_url):
        buttons.append(link)
    return buttons


# The checklist


def _checklist(message: Checklist) -> list[Block]:
    blocks = [_header(f"☑ {message.title}"), _context(_plain(_progress(message), LINE))]
    shown, size = 0, 0
    for start in range(0, len(message.items), OPTIONS):
        group = _group(message, start)
        size += _weight(group)
        if len(blocks) + len(group) > BLOCKS - 1 or size > CHECKLIST:
            break
        blocks += group
        shown += min(OPTIONS, len(message.items) - start)
    if left := len(message.items) - shown:
        rest = _section(f"{left} more {'is' if left == 1 else 'are'} on the page.")
        if link := _link("open_page", "Open page", message.page_url):
            rest["accessory"] = link
        blocks.append(rest)
    return blocks


def _group(message: Checklist, start: int) -> list[Block]:
    """Up to ten items as checkboxes, after a section with the full text of the long ones."""
    items = message.items[start : start + OPTIONS]
    options, long, mask = [], [], 0
    for offset, item in enumerate(items):
        text = one_line(item.text)
        if _size(text) > OPTION:
            text = f"{start + offset + 1}. {text}"
            long.append(text)
        options.append(_option(item, text))
        mask |= _is_done(item) << offset
    n = start // OPTIONS
    box: Block = {
        "type": "checkboxes",
        "action_id": f"tick:{message.step_id}:{n}",
        "options": options,
    }
    if mask:  # Slack refuses an empty list
        box["initial_options"] = [option for i, option in enumerate(options) if mask >> i & 1]
    # Slack keeps the ticks a reader sees for as long as the block's id is the same.
    block_id = f"tick:{message.step_id}:{n}:{mask:x}"
    return [
        *([_section(_lines(long, SECTION))] if long else []),
        _actions(block_id, [box]),
    ]


def _option(item: ChecklistItem, text: str) -> Block:
    option: Block = {"text": _plain(text, OPTION), "value": str(item.id)}
    if _is_done(item):
        when = f", {utc(item.done_at):%d %b %H:%M} UTC" if item.done_at else ""
        by = _cut(one_line(item.done_by or "somebody"), 50)
        option["description"] = _plain(f"✓ {by}{when}", OPTION)
    return option


def _is_done(item: ChecklistItem) -> bool:
    return item.done_at is not None or item.done_by is not None


def _progress(message: Checklist) -> str:
    if not message.items:
        return "nothing to check"
    return f"{sum(map(_is_done, message.items))} of {len(message.items)} done"


# The approval


def _approval(message: Approval) -> list[Block]:
    waits = message.state == "waiting"
    will = _cut(clean(message.will), 1500) or "not said"
    asks = "On approval: " if waits else "It was asked: "
    blocks = [_header(_decision(message)), _section(asks + will)]
    if message.evidence:
        evidence = [_step(step) for step in message.evidence]
        blocks.append(_section(_listed("Evidence", evidence, 2500)))
    if decided := _done(message.state.capitalize(), message.decided_by, message.decided_at):
        blocks.append(_context(*decided))
    buttons = _approval_buttons(message, will) if waits else []
    if link := _link("open_page", "Open page", message.page_url):
        buttons.append(link)
    if buttons:
        blocks.append(_actions(f"approval:{message.step_id}", buttons))
    return blocks


def _decision(message: Approval) -> str:
    return f"{_DECISIONS.get(message.state, message.state)}: {message.title}"


def _approval_buttons(message: Approval, will: str) -> list[Block]:
    value = str(message.step_id)
    approve = _button("approve", "Approve", value, style="primary")
    approve["confirm"] = {
        "title": _plain("Approve this?", LABEL),
        "text": _plain(will, CONFIRM),
        "confirm": _plain("Approve", LABEL),
        "deny": _plain("Not yet", LABEL),
    }
    return [approve, _button("deny", "Deny", value, style="danger")]


# What messages have in common


def _step(step: StepLine) -> str:
    title = _cut(one_line(step.title or step.name), 120)
    note = _cut(one_line(step.note), 140)
    return f"{step_mark(step.state)} · {title}" + (f": {note}" if note else "")


def _done(word: str, person: str | None, at: datetime | None) -> list[Block]:
    if person is None and at is None:
        return []
    who = f"{word} by {_cut(one_line(person or ''), 100) or 'somebody'}"
    return [_plain(who, LINE), *([_mrkdwn(_date(at))] if at else [])]


def _listed(title: str, lines: Sequence[str], limit: int) -> str:
    return f"{title}\n{_lines(lines, limit - len(title) - 1)}"


def _lines(lines: Sequence[str], limit: int) -> str:
    """As many lines as fit, then how many more there are."""
    rest = "… {} more on the page"
    room = limit - len(rest) - 10
    kept: list[str] = []
    for line in (_cut(one_line(line), LINE) for line in lines):
        room -= _size(line) + 1
        if room < 0:
            return "\n".join([*kept, rest.format(len(lines) - len(kept))])
        kept.append(line)
    return "\n".join(kept)


def _date(at: datetime) -> str:
    moment = utc(at)
    shown = "{date_short_pretty} at {time} ({ago})"
    return f"<!date^{int(moment.timestamp())}^{shown}|{moment:%Y-%m-%d %H:%M} UTC>"


# Blocks


def _header(text: str) -> Block:
    return {"type": "header", "text": _plain(one_line(text), HEADER)}


def _section(text: str, limit: int = SECTION) -> Block:
    return {"type": "section", "text": _plain(text, limit)}


def _context(*elements: Block) -> Block:
    return {"type": "context", "elements": list(elements)}


def _actions(block_id: str, elements: list[Block]) -> Block:
    return {"type": "actions", "block_id": block_id, "elements": elements}


def _button(action_id: str, label: str, value: str, *, style: str = "") -> Block:
    button = {"type": "button", "action_id": action_id, "text": _plain(label, LABEL)}
    button["value"] = value
    return button | ({"style": style} if style else {})


def _link(action_id: str, label: str, url: str) -> Block | None:
    """A button that opens an address, or None where Slack would refuse the address."""
    if not _is_web_address(url):
        return None
    text = _plain(label, LABEL)
    return {"type": "button", "action_id": action_id, "text": text, "url": url}


def _is_web_address(url: str) -> bool:
    if len(url) > URL or not url.isascii() or set(url) & set(' <>"|^`{}\\'):
        return False
    try:
        parts = urlsplit(url)
        return url.isprintable() and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


# Texts


def _plain(text: str, limit: int) -> Block:
    shown = _cut(clean(text), limit) or "–"  # Slack refuses empty text
    return {"type": "plain_text", "text": shown.translate(_ESCAPES), "emoji": False}


def _mrkdwn(text: str) -> Block:
    """Our own words with times in them; never a text from outside."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _text(*parts: str) -> str:
    shown = ", ".join(_cut(one_line(part), 900) for part in parts)
    return _cut(shown, 3500).translate(_ESCAPES) or "–"


def _cut(text: str, limit: int) -> str:
    """The text, or as much of it as takes up to `limit` units with an ellipsis."""
    if _size(text) <= limit:
        return text
    room = limit - 1
    for end, character in enumerate(text):
        room -= _size(character)
        if room < 0:
            return text[:end].rstrip() + "…"
    return text


def _size(text: str) -> int:
    """Length as Slack may count it: UTF-16 units, after escaping."""
    return len(text.translate(_ESCAPES).encode("utf-16-le", "surrogatepass")) // 2


def _weight(block: object) -> int:
    """The size of all texts in some blocks."""
    if isinstance(block, dict):
        return sum(
            len(value) if key == "text" and isinstance(value, str) else _weight(value)
            for key, value in block.items()
        )
    return sum(map(_weight, block)) if isinstance(block, list) else 0
