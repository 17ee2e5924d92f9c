"""responder check and simulate: proving the playbooks folder before it is trusted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from responder import registry
from responder.chat.words import one_line
from responder.classify.areas import Area
from responder.classify.history import History
from responder.classify.match import classify
from responder.classify.verdict import Arrival, Outcome, Verdict, judge, place
from responder.playbook.folder import Configuration, load
from responder.playbook.schema import schema
from responder.receive.alert import Alert, Signal
from responder.receive.source import NotUnderstood, json_object
from responder.settings import load as load_settings

FOLDER = typer.Option(None, "--playbooks", help="The folder; by default RESPONDER_PLAYBOOKS.")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(epilog="Example: responder check --playbooks ./playbooks")(check)
    app.command(epilog="Example: responder simulate payload.json --json")(simulate)
    app.command("schema", epilog="Example: responder schema > playbooks/playbook.schema.json")(
        print_schema
    )


def check(folder: Path | None = FOLDER) -> None:
    """Check the whole playbooks folder; every mistake is told with its line and column."""
    configuration = _load(folder)
    typer.echo(
        f"{configuration.folder}: {len(configuration.playbooks)} playbooks, "
        f"{len(configuration.areas.root)} areas, {len(configuration.switches)} switches: all well"
    )


def simulate(
    files: list[Path] = typer.Argument(..., help="Webhook bodies as Sentry sends them."),
    folder: Path | None = FOLDER,
    resource: str = typer.Option("", help="The Sentry-Hook-Resource; guessed if not given."),
    as_json: bool = typer.Option(False, "--json", help="Print what a script would read."),
) -> None:
    """Say what a webhook would do: offline, and without doing it."""
    configuration = _load(folder)
    results = [_simulate(configuration, file, resource) for file in files]
    if as_json:
        typer.echo(json.dumps(results[0] if len(results) == 1 else results, indent=2))
        return
    for result in results:
        typer.echo(f"{result['file']}: {result['signal']}")
        typer.echo(f"  {one_line(result['outlook'])}")
        for name in ("area", "path", "found_in", "reason", "threshold", "owner", "playbook"):
            typer.echo(f"  {name:<10} {one_line(result[name] or '-')}")
        for line in (*result["nearly"], *result["notes"]):
            typer.echo(f"  {'also':<10} {one_line(line)}")
        for step in result["steps"]:
            typer.echo(f"  step       {step['id']}: {step['action']}: {step['intent']}")


def print_schema() -> None:
    """Print the JSON Schema of the playbooks folder, for editors."""
    typer.echo(json.dumps(schema(), indent=2, ensure_ascii=False))


def _load(folder: Path | None) -> Configuration:
    return load(folder or load_settings().playbooks)


def _simulate(configuration: Configuration, file: Path, resource: str) -> dict[str, Any]:
    alert = _alert(file, resource)
    rules = configuration.rules
    at = alert.occurred_at or datetime.now(UTC)
    match = place(alert, rules)
    verdict = judge(alert, match, Arrival(at), History(), rules)
    found = verdict.match or classify(alert, rules.areas, rules.roots)
    outlook = _outlook(alert, verdict, rules.areas.root.get(found.area))
    starts = verdict.outcome is Outcome.OPENED
    pinned = configuration.playbook_for(found.area) if verdict.outcome in _LEADS else None
    return {
        "file": str(file),
        "signal": alert.signal.value,
        "outcome": verdict.outcome.value,
        "starts": starts,
        "outlook": outlook,
        "area": found.area,
        "path": found.path,
        "found_in": found.found_in,
        "reason": found.reason,
        "nearly": list(found.nearly),
        "threshold": rules.areas.root[found.area].describe_threshold(),
        "family": next((name for name, _ in verdict.counters if "/" in name), ""),
        "owner": configuration.owners.of(found.path),
        "suppressed_by": verdict.quiet.rule if verdict.quiet else None,
        "playbook": pinned.playbook.playbook if pinned else None,
        "steps": [
            {"id": step.id, "action": step.action, "intent": _intent(step.action, step.params)}
            for step in (pinned.playbook.steps if pinned else ())
        ],
        "notes": list(alert.notes),
    }


_LEADS = (Outcome.OPENED, Outcome.COUNTED, Outcome.FIRST_SEEN)  # to an incident, now or later
_NOTHING = {
    Signal.TEST: "a test notification only proves that webhooks arrive",
    Signal.RESOLVED: "it says that something is over, and is noted on its incident if it has one",
    Signal.NOTE: "it is no alert, and is noted on its incident if it has one",
    Signal.UNKNOWN: "no rule knows what to do with it; it is kept to be looked at",
}


def _outlook(alert: Alert, verdict: Verdict, area: Area | None) -> str:
    """What would come of it, as the first of its kind."""
    if verdict.outcome is Outcome.OPENED:
        return "starts at once"
    if verdict.outcome in _LEADS and area is not None:
        told = "is told in chat as new, and " if verdict.outcome is Outcome.FIRST_SEEN else ""
        return f"{told}starts once there is too much: {area.describe_threshold()}"
    return f"would start nothing: {_NOTHING.get(alert.signal, verdict.reason)}"


def _alert(file: Path, resource: str) -> Alert:
    source = registry.find("sources")["sentry"]()
    try:
        body = file.read_bytes()
        described = source.describe({"sentry-hook-resource": resource}, body)
        alert: Alert = source.normalise(described.resource, json_object(body))
    except (OSError, NotUnderstood) as error:
        typer.echo(f"{file}: {error}", err=True)
        raise typer.Exit(1) from None
    return alert


def _intent(action: str, params: dict[str, Any]) -> str:
    kind = registry.find("actions")[action]
    text: str = kind().intent(kind.Params.model_validate(params))
    return text
