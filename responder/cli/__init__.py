"""The command line. Each command is one file; this one only puts them together."""

from __future__ import annotations

import sys

import typer

from responder import __version__
from responder.cli import backtest, configuration, demo, explain, noise, records, serve, switches
from responder.playbook.source import ConfigurationError
from responder.settings import SettingsError
from responder.store.database import StoreError

app = typer.Typer(
    name="responder",
    help="Webhook-driven incident responder: Sentry alerts in, verified containment out.",
    epilog="Start with: responder serve   then, in another terminal: responder demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for part in (serve, demo, configuration, backtest, switches, records, explain, noise):
    part.register(app)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"responder {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Webhook-driven incident responder: Sentry alerts in, verified containment out."""


def main() -> None:
    """Run the command line; what a person can mend is told without a stack trace."""
    try:
        app()
    except (SettingsError, ConfigurationError, StoreError) as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
