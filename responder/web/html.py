"""From values to HTML: the templates, and how times, states and outside text are shown."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markdown_it import MarkdownIt
from markupsafe import Markup

from responder.chat.words import clean, severity_mark, step_mark, utc
from responder.incident.times import duration
from responder.web.labels import origin_words, outcome_mark

HERE = Path(__file__).parent
STATIC = HERE / "static"
JUST_NOW = timedelta(seconds=5)

_INCIDENTS = {"open": "●", "acknowledged": "◑", "mitigated": "◕", "resolved": "✓"}
_MODES = {
    "act": "acts by itself",
    "ask": "asks before each effect",
    "shadow": "only records what it would do",
}

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


def render(template: str, **values: object) -> str:
    """A page. Every value is escaped, and loses what could hide or reorder text."""
    return _environment.get_template(template).render(**values)


def markdown(text: str) -> Markup:
    """Markdown as HTML. Raw HTML in it is shown as text; links to scripts are not made."""
    return Markup(_markdown.render(clean(text)))  # noqa: S704 (the parser escapes; HTML is off)


def _visible(value: object) -> object:
    return clean(value) if type(value) is str else value  # not Markup, which is ours


@pass_context
def _clock(context: Context, at: datetime) -> str:
    """The time of day, with as much of the date as today leaves open."""
    at, now = utc(at), utc(context["now"])
    if at.date() == now.date():
        return f"{at:%H:%M:%S} UTC"
    day = f"{at.day} {at:%b}" if at.year == now.year else f"{at.day} {at:%b %Y}"
    return f"{day}, {at:%H:%M:%S} UTC"


@pass_context
def _ago(context: Context, at: datetime) -> str:
    span: timedelta = context["now"] - at
    return "just now" if span < JUST_NOW else f"{duration(span)} ago"


def _exact(at: datetime) -> str:
    return f"{utc(at):%Y-%m-%d %H:%M:%S.%f} UTC"


def _sentence(text: str) -> str:
    """With a full stop, unless it ends as a sentence does."""
    return text if text.endswith((".", "?", "!", "…")) else f"{text}."


def _again(step: Any) -> int:
    """Which attempt a step that failed before is at or waits for; 0 if it is at no such thing."""
    if not step.error or step.state not in ("pending", "running"):
        return 0
    return int(step.attempts) + int(step.state == "pending")


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _mark(show: Callable[[str], str]) -> Callable[[str], tuple[str, str]]:
    """A state as its shape, which screen readers pass over, and its word."""

    def split(state: str) -> tuple[str, str]:
        shape, _, word = show(state).partition(" ")
        return shape, word

    return split


def _web(url: str) -> str:
    """The address if a browser may follow it; an alert could carry `javascript:`."""
    return url if url.startswith(("https://", "http://")) else ""


def _versioned(name: str) -> str:
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"


def _made() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "clock": _clock,
        "ago": _ago,
        "exact": _exact,
        "iso": lambda at: utc(at).isoformat(),
        "duration": duration,
        "severity": _mark(severity_mark),
        "step": _mark(step_mark),
        "incident": _mark(lambda state: f"{_INCIDENTS.get(state, '?')} {state}"),
        "outcome": _mark(outcome_mark),
        "origin": origin_words,
        "mode": lambda mode: _MODES.get(mode, mode),
        "web": _web,
        "again": _again,
        "sentence": _sentence,
    }
    environment.filters.update(filters)
    environment.tests["again"] = _again
    environment.globals.update(
        count=_count, style=_versioned("style.css"), icon=_versioned("icon.svg")
    )
    return environment


_environment = _made()
