"""responder check and simulate: proving the playbooks folder before it is trusted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from responder import registry
from responder.chat.words import one_line
from responder.classify.areas import classify
from responder.playbook.folder import Configuration, load
from responder.playbook.schema import schema
from responder.receive.alert import Alert
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
    pinned = configuration.playbook_for(match.area)
    return {
        "file": str(file),
        "signal": alert.signal.value,
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
