"""responder snooze: keeping an area or an issue quiet for a while."""

from __future__ import annotations

import json
from typing import Any

import typer
from pydantic import TypeAdapter, ValidationError

from responder.chat.words import one_line
from responder.classify.durations import Duration
from responder.cli.client import LARGEST, NotRunning, fail, service

_DURATION: TypeAdapter[Any] = TypeAdapter(Duration)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog="Example: responder snooze webhooks --for 2h --reason 'provider is down'")(
        snooze
    )


def snooze(
    area: str | None = typer.Argument(None, help="The area to keep quiet."),
    issue: str | None = typer.Option(None, help="Keep an issue of Sentry quiet instead."),
    for_: str | None = typer.Option(
        None, "--for", help="How long, such as 30m, 2h or 3d; 7d at most, 4h for what is critical."
    ),
    reason: str = typer.Option("", help="Why; shown wherever the snooze is."),
    list_: bool = typer.Option(False, "--list", help="List snoozes and what they kept quiet."),
    end: int | None = typer.Option(
        None, "--end", min=1, max=LARGEST, help="End the snooze of this number now."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print what a script would read."),
) -> None:
    """Keep alerts of an area or an issue quiet for a while. They are stored and listed."""
    wanted = [what is not None for what in (area, issue, end)]
    if sum(wanted) + list_ != 1:
        raise typer.BadParameter("say one of: an AREA, --issue ID, --list, --end ID")
    try:
        if list_:
            _tell(service().get("/noise")["snoozes"], as_json)
        elif end is not None:
            _tell([service().post(f"/snoozes/{end}/end", reason=reason)], as_json, one=True)
        else:
            body = _what(for_, reason) | ({"area": area} if area else {"issue_id": issue})
            _tell([service().post("/snoozes", **body)], as_json, one=True)
    except NotRunning as error:
        raise fail(error) from None


def _what(for_: str | None, reason: str) -> dict[str, str]:
    if not for_:
        raise typer.BadParameter("say how long, such as 2h", param_hint="--for")
    if not one_line(reason):
        raise typer.BadParameter("say why", param_hint="--reason")
    try:
        _DURATION.validate_python(for_)
    except ValidationError as error:
        text = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(text, param_hint="--for") from None
    return {"for": for_, "reason": reason}


def _tell(snoozes: list[Any], as_json: bool, *, one: bool = False) -> None:
    if as_json:
        typer.echo(json.dumps(snoozes[0] if one else {"items": snoozes, "next": None}, indent=2))
        return
    if not snoozes:
        typer.echo("Nobody has snoozed anything.")
    for snooze in snoozes:
        what = f"the area {snooze['area']}" if snooze["area"] else f"issue {snooze['issue_id']}"
        until = snooze["until"][:16].replace("T", " ")
        if snooze["ended_at"]:
            state = f"ended by {snooze['ended_by']}"
        elif snooze["active"]:
            state = f"snoozed until {until} UTC"
        else:
            state = f"over since {until} UTC"
        typer.echo(f"{snooze['id']}: {one_line(what)} is {state}; kept quiet: {snooze['in_all']}")
        typer.echo(f"  by {snooze['by']}: {one_line(snooze['reason'])}")
