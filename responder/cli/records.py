"""responder incidents, post-mortem and replay: what happened, and sending it through again."""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from responder.chat.words import one_line
from responder.cli.client import LARGEST, NotRunning, fail, service
from responder.incident.lifecycle import IncidentState

NUMBER = typer.Argument(..., min=1, max=LARGEST, help="The delivery's number.")
AS_JSON = typer.Option(False, "--json", help="Print what a script would read.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(epilog="Example: responder incidents --state open --json")(incidents)
    app.command("post-mortem", epilog="Example: responder post-mortem 3 > incident-3.md")(
        post_mortem
    )
    app.command(epilog="Example: responder replay 42")(replay)


def incidents(
    state: IncidentState | None = typer.Option(None, help="Only those in this state."),
    area: str = typer.Option("", help="Only this area."),
    as_json: bool = AS_JSON,
) -> None:
    """List incidents, newest first."""
    found = _get("/incidents", state=state or "", area=area)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    if not found["items"] and (state or area):
        typer.echo(
            f"None is{f' {state}' if state else ''}{f' in the area {area}' if area else ''}."
        )
        return
    if not found["items"]:
        typer.echo("No incidents. Try `responder demo`, or point Sentry at the webhook address.")
        return
    table = Table("id", "severity", "area", "state", "alerts", "opened", "title")
    for one in found["items"]:
        table.add_row(
            str(one["id"]),
            one["severity"],
            one["area"],
            one["state"],
            str(one["alerts"]),
            one["opened_at"][:19].replace("T", " "),
            one_line(one["title"]),
        )
    _console().print(table)


def post_mortem(
    number: int | None = typer.Argument(
        None, min=1, max=LARGEST, help="Which one; without it, all are listed."
    ),
    as_json: bool = AS_JSON,
) -> None:
    """List post-mortems, or print one as Markdown."""
    found = _get(f"/post-mortems/{number}" if number else "/post-mortems")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    elif number:
        console = _console()
        if console.is_terminal:
            console.print(Markdown(found["body"]))
        else:
            typer.echo(found["body"])
    elif not found["items"]:
        typer.echo("No post-mortems yet: one is drafted when an incident is resolved.")
    else:
        table = Table("id", "incident", "severity", "area", "state", "title")
        for one in found["items"]:
            table.add_row(
                *(str(one[name]) for name in ("id", "incident", "severity", "area", "state")),
                one_line(one["title"]),
            )
        _console().print(table)


def replay(number: int = NUMBER, as_json: bool = AS_JSON) -> None:
    """Send a stored delivery through again. A replay never acts without asking."""
    try:
        answer = service().post(f"/deliveries/{number}/replay")
    except NotRunning as error:
        raise fail(error) from None
    typer.echo(json.dumps(answer) if as_json else f"Sent through again as delivery {answer['id']}")


def _console() -> Console:
    """One that takes text for text: titles come from outside, and `[x]` is in many of them."""
    return Console(markup=False, emoji=False, highlight=False)


def _get(path: str, **query: str) -> Any:
    try:
        return service().get(path, **query)
    except NotRunning as error:
        raise fail(error) from None
