"""responder check and simulate: proving the playbooks folder before it is trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from responder import registry
from responder.chat.words import one_line
from responder.classify.areas import Area, Threshold, classify
from responder.classify.durations import in_words
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
        for name in ("area", "path", "found_in", "reason", "threshold", "playbook"):
            typer.echo(f"  {name:<10} {one_line(result[name] or '-')}")
        for step in result["steps"]:
            typer.echo(f"  step       {step['id']}: {step['action']}: {step['intent']}")


def print_schema() -> None:
    """Print the JSON Schema of the playbooks folder, for editors."""
    typer.echo(json.dumps(schema(), indent=2, ensure_ascii=False))


def _load(folder: Path | None) -> Configuration:
    return load(folder or load_settings().playbooks)


def _simulate(configuration: Configuration, file: Path, resource: str) -> dict[str, Any]:
    alert = _alert(file, resource)
    match = classify(alert, configuration.areas)
    area = configuration.areas.root[match.area]
    nothing = _nothing(alert, match.area, area)
    later = "" if nothing else _later(alert, area.threshold)
    pinned = None if nothing else configuration.playbook_for(match.area)
    return {
        "file": str(file),
        "signal": alert.signal.value,
        "starts": not (nothing or later),
        "outlook": nothing or later or "starts at once",
        "area": match.area,
        "path": match.path,
        "found_in": match.found_in,
        "reason": match.reason,
        "threshold": area.threshold.describe(),
        "playbook": pinned.playbook.playbook if pinned else None,
        "steps": [
            {"id": step.id, "action": step.action, "intent": _intent(step.action, step.params)}
            for step in (pinned.playbook.steps if pinned else ())
        ],
    }


_NOTHING = {
    Signal.TEST: "a test notification only proves that webhooks arrive",
    Signal.RESOLVED: "it says that something is over, and is noted on its incident if it has one",
    Signal.NOTE: "it is no alert, and is noted on its incident if it has one",
    Signal.UNKNOWN: "no rule knows what to do with it; it is kept to be looked at",
}


def _nothing(alert: Alert, name: str, area: Area) -> str:
    """Why an alert can't start anything; empty if it can."""
    why = _NOTHING.get(alert.signal, "")
    if not why and area.environments is not None and alert.environment not in area.environments:
        why = f"only {', '.join(area.environments)} counts for {name}"
    return why and f"would start nothing: {why}"


def _later(alert: Alert, threshold: Threshold) -> str:
    """What has to happen before it starts something; empty if it does at once."""
    if threshold.any or alert.metric is not None:  # a metric alert had a threshold in Sentry
        return ""
    if threshold.more_than is not None:
        return f"starts once there are {threshold.describe()}"
    return (
        f"starts once the {threshold.describe()}, of at least {threshold.at_least} attempts "
        f"in {in_words(threshold.per)}"
    )


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
