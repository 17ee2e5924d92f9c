"""responder hold, release and switches: pausing by hand, and what that needs."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import typer

from responder import local
from responder.app import Responder, databases_of, driver_in_force
from responder.chat.words import one_line
from responder.cli.client import LARGEST, NoAnswer, NotRunning, Service, fail, service
from responder.databases import DatabaseError, Databases
from responder.people.roles import Person, Role
from responder.playbook.folder import Configuration, load
from responder.settings import Settings
from responder.settings import load as load_settings
from responder.store.migrate import upgrade
from responder.switches import install as switch_sql
from responder.switches.base import Reading, SwitchError
from responder.switches.postgres import PostgresOptions
from responder.web import queries

Act = Callable[[Responder, Person], Awaitable[Reading]]
REASON = typer.Option(..., "--reason", help="Why; shown wherever the hold is.")
UNSEEN = "recorded, but the app can't see it until the service runs"
AS_JSON = typer.Option(False, "--json", help="Print what a script would read.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(epilog="Example: responder hold credit-transactions --reason 'odd balances'")(hold)
    app.command(epilog="Example: responder release credit-transactions --reason 'checked'")(release)
    group = typer.Typer(help="The switches themselves.", no_args_is_help=True)
    group.command("list", epilog="Example: responder switches list")(list_)
    group.command("install", epilog="Example: responder switches install credit-transactions")(
        install
    )
    group.command("uninstall", epilog="Example: responder switches uninstall credit-transactions")(
        uninstall
    )
    app.add_typer(group, name="switches")


def hold(switch: str, reason: str = REASON, as_json: bool = AS_JSON) -> None:
    """Pause a switch by hand, with no incident. Works even when the service is down."""
    _change("hold", switch, reason, as_json, lambda r, person: r.desk.hold(switch, person, reason))


def release(
    switch: str,
    reason: str = REASON,
    incident: int | None = typer.Option(
        None, min=1, max=LARGEST, help="Lift this incident's hold instead of yours."
    ),
    as_json: bool = AS_JSON,
) -> None:
    """Lift the holds placed by hand; the switch resumes if no other hold stands."""
    _change(
        "release",
        switch,
        reason,
        as_json,
        lambda r, person: r.desk.release(switch, person, reason, incident),
        incident=incident,
    )


def list_(as_json: bool = AS_JSON) -> None:
    """Show every switch and who holds it."""
    try:
        found = service().get("/switches")
    except NotRunning as error:
        raise fail(error) from None
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for one in found["items"]:
        sure = "" if one["confirmed"] else " (not confirmed)"
        typer.echo(f"{one['name']}: {one['state']}{sure}; {one['detail']}")
        _tell_holds(one)


def install(
    switch: str,
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
) -> None:
    """Install a switch in the app's database, after showing the SQL that will run."""
    _with_sql(switch, yes, "install")


def uninstall(
    switch: str,
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
) -> None:
    """Take a switch out of the app's database again, after showing the SQL that will run."""
    _with_sql(switch, yes, "uninstall")


def _change(
    verb: str,
    switch: str,
    reason: str,
    as_json: bool,
    directly: Act,
    *,
    incident: int | None = None,
) -> None:
    there = Service()
    try:
        before = there.get(f"/switches/{switch}")
        extra = {"incident": incident} if incident is not None else {}
        after = there.post(f"/switches/{switch}/{verb}", reason=reason, **extra)
    except NotRunning as error:
        if isinstance(error, NoAnswer) and verb != "hold":
            raise fail(error) from None  # a hold may be placed twice; a release must not be guessed
        local.check_database(there.settings)
        typer.echo(f"{error}\nDoing it from here instead.", err=True)
        before, after = asyncio.run(_directly(verb, switch, directly, there.settings))
    if as_json:
        typer.echo(json.dumps(after))
    else:
        _tell(verb, before, after, incident)
    if not after["confirmed"]:
        said = f"{switch} is NOT CONFIRMED to be {after['state']}: {after['detail']}"
        typer.echo(said, err=True)
        raise typer.Exit(1)


def _tell(verb: str, before: Any, after: Any, incident: int | None) -> None:
    name = after["name"]
    if verb == "release" and all(hold["incident"] != incident for hold in before["holds"]):
        whose = f"of incident {incident}" if incident else "placed by hand"
        typer.echo(f"Nothing to release: no hold {whose} is on {name}.")
    if after["confirmed"]:
        typer.echo(f"{name} is {after['state']}: {after['detail']}")
    if verb == "release":
        _tell_holds(after)
        if any(hold["incident"] for hold in after["holds"]):
            typer.echo("  To lift an incident's hold, pass over its playbook with --incident.")


def _tell_holds(switch: Any) -> None:
    for held in switch["holds"]:
        about = f"incident {held['incident']}" if held["incident"] else "by hand"
        reason = one_line(held["reason"])
        typer.echo(f"  held by {held['by']} ({about}) since {held['since']}: {reason}")


async def _directly(verb: str, switch: str, act: Act, settings: Settings) -> tuple[Any, Any]:
    """Act with no service: containment must not need one.

    Returns:
        The switch before and after, as the API shows it.
    """
    local.secrets_of(settings)  # those that are there; a Responder would make some
    responder = Responder(settings)
    await asyncio.to_thread(upgrade, responder.store)
    try:
        spec = responder.configuration.switches.get(switch)
        if spec is None:
            known = ", ".join(responder.switches.names) or "none"
            raise LookupError(f"there is no switch {switch}; there are: {known}")
        before, user = await _shown(responder, switch), getpass.getuser()
        await act(responder, Person(user, Role.ADMIN, f"local:{user}"))
        after = await _shown(responder, switch)
    except LookupError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except SwitchError as error:
        typer.echo(f"The {verb} is recorded, but: {error}", err=True)
        raise typer.Exit(1) from None
    finally:
        await responder.databases.close()
        await responder.http.aclose()
        responder.store.close()
    if driver_in_force(spec, responder.databases) == "builtin":
        after |= {"confirmed": False, "detail": UNSEEN}
    return before, after


async def _shown(responder: Responder, switch: str) -> Any:
    found = await responder.store.read(lambda session: queries.switch(session, switch))
    return found.model_dump(mode="json")


def _with_sql(switch: str, yes: bool, verb: str) -> None:
    configuration = load(load_settings().playbooks)
    options = _postgres_options(configuration, switch)
    show = switch_sql.plan if verb == "install" else switch_sql.removal
    typer.echo(show(switch, options, configuration.folder))
    typer.echo(f"\nThis runs in the database {options.database}.", err=True)
    if not yes and not typer.confirm("Run it?", err=True):
        raise typer.Exit(1)
    act = switch_sql.install if verb == "install" else switch_sql.uninstall
    asyncio.run(_run_sql(act, switch, options, configuration))
    typer.echo(f"{switch}: {verb} done")


async def _run_sql(
    act: Callable[[Databases, str, PostgresOptions, Path], Awaitable[None]],
    switch: str,
    options: PostgresOptions,
    configuration: Configuration,
) -> None:
    databases = databases_of(configuration, os.environ)
    try:
        await act(databases, switch, options, configuration.folder)
    except (SwitchError, DatabaseError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    finally:
        await databases.close()


def _postgres_options(configuration: Configuration, switch: str) -> PostgresOptions:
    spec = configuration.switches.get(switch)
    if spec is None:
        known = ", ".join(sorted(configuration.switches)) or "none"
        typer.echo(f"there is no switch {switch}; switches.yaml has: {known}", err=True)
        raise typer.Exit(1)
    if spec.driver != "postgres":
        typer.echo(f"{switch} is driven by {spec.driver}, which needs no installing", err=True)
        raise typer.Exit(1)
    return PostgresOptions.model_validate(spec.options)
