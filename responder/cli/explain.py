"""responder explain: why a delivery was decided as it was."""

from __future__ import annotations

import json
from typing import Any

import typer

from responder.chat.words import clean, one_line
from responder.cli.client import LARGEST, NotRunning, fail, service
from responder.web.labels import origin_words, outcome_mark

WIDTH = 14


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog="Example: responder explain 42")(explain)


def explain(
    number: int = typer.Argument(..., min=1, max=LARGEST, help="The delivery's number."),
    payload: bool = typer.Option(
        True, help="Print its payload too, without personal data and secrets."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print what a script would read."),
) -> None:
    """Say what became of a delivery, and everything that led to it."""
    try:
        found = service().get(f"/deliveries/{number}")
    except NotRunning as error:
        raise fail(error) from None
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    _tell(found)
    if payload:
        shown = found["payload"]
        text = shown if isinstance(shown, str) else json.dumps(shown, indent=2, ensure_ascii=False)
        typer.echo(clean(text))


def _tell(found: Any) -> None:
    what = f"{found['source']} {found['resource']}"
    what += f".{found['action']}" if found["action"] else ""
    typer.echo(f"Delivery {found['id']}: {one_line(what)}, {origin_words(found['origin'])}")
    _line("received", found["received_at"])
    _line("happened", found["happened_at"])
    _line("replay of", found["replay_of"])
    decision = found["decision"]
    if decision is None:
        _line("decision", "none is recorded" if found["decided_at"] else "not decided yet")
    else:
        _line("decided", found["decided_at"])
        _line("title", decision["title"])
        _line("outcome", outcome_mark(decision["outcome"]))
        _line("because", decision["reason"])
        _line("kept quiet by", found["suppressed_by"])
        _line("incident", decision["incident_id"])
        environment = f" in {decision['environment']}" if decision["environment"] else ""
        _line("area", decision["area"] and decision["area"] + environment)
        _line("place", decision["path"])
    why = found["explanation"] or {}
    _line("rule that won", why.get("matched"))
    for one in why.get("nearly", ()):
        _line("nearly", one)
    for reading in why.get("readings", ()):
        _line("breached" if reading["breached"] else "not breached", reading["text"])
    for one in why.get("counters", ()):
        _line("counted to", one)
    for one in why.get("notes", ()):
        _line("cut", one)
    for name, value in found["headers"].items():
        _line("header", f"{name}: {value}")
    for one in found["payload_notes"]:
        _line("payload", one)


def _line(name: str, value: object) -> None:
    if value not in (None, ""):
        typer.echo(f"  {name:<{WIDTH}} {one_line(str(value))}")
