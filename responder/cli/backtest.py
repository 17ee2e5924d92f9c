"""responder backtest: what rules would have made of what came."""

from __future__ import annotations

import asyncio
import json
import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from responder import local, registry
from responder.app import utcnow
from responder.backtest import backtest, keep
from responder.chat.words import one_line
from responder.classify.durations import Duration
from responder.playbook.folder import load
from responder.settings import Settings
from responder.settings import load as load_settings
from responder.store.database import Store
from responder.store.migrate import upgrade

SHOWN = 10  # of each kind in the terminal; the page has them all


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "backtest", epilog="Example: responder backtest --since 30d --playbooks ./new-playbooks"
    )(run)


def run(
    since: str = typer.Option("30d", help="How far back, such as 30d, 12h, or 2026-11-01."),
    folder: Path | None = typer.Option(
        None, "--playbooks", help="The rules to try; by default RESPONDER_PLAYBOOKS."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print what a script would read."),
) -> None:
    """Put stored deliveries through these rules, as of their own times, and show what differs.

    Nothing is done: no incident opens, nobody is told. The result is kept for the pages.
    """
    settings = load_settings()
    began = time.monotonic()
    now = utcnow()
    start = _start(since, now)
    local.check_database(settings)
    number, result = asyncio.run(_run(settings, folder or settings.playbooks, start, now))
    if as_json:
        typer.echo(json.dumps({"id": number, **result}, indent=2))
        return
    _show(result)
    took = time.monotonic() - began
    typer.echo(f"{result['deliveries']:,} deliveries in {took:.0f} s.")
    typer.echo(f"As a timeline: {settings.base_url}/backtests/{number}")


async def _run(
    settings: Settings, folder: Path, since: datetime, now: datetime
) -> tuple[int, dict[str, Any]]:
    configuration = load(folder)
    store = Store(settings.database_url)
    try:
        await asyncio.to_thread(upgrade, store)
        sources = {name: source() for name, source in registry.find("sources").items()}
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        ) as bar:
            task = bar.add_task("Judging deliveries", total=None)

            def progress(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)
                if not bar.console.is_terminal and done % 10_000 == 0:
                    bar.console.print(f"{done:,} of {total:,} deliveries")

            result = await backtest(
                store, sources, configuration, since=since, now=now, progress=progress
            )
        number = await store.write(lambda session: keep(session, result, str(folder), now=now))
        return number, result
    finally:
        await asyncio.to_thread(store.close)


def _start(since: str, now: datetime) -> datetime:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d.*", since):
            start = datetime.fromisoformat(since)
            start = start.replace(tzinfo=now.tzinfo) if start.tzinfo is None else start
        else:
            start = now - TypeAdapter[timedelta](Duration).validate_python(since)
    except (ValueError, ValidationError):
        raise typer.BadParameter(f"write 30d, 12h or 2026-11-01, not {since}") from None
    if start >= now:
        raise typer.BadParameter("nothing has come yet since then")
    return start


def _show(result: dict[str, Any]) -> None:
    console = Console(markup=False, emoji=False, highlight=False)
    if not result["deliveries"]:
        console.print("No deliveries are stored from that time.")
        return
    console.print(
        f"Incidents: {result['incidents_were']} were opened, "
        f"{result['incidents_would_be']} would be."
    )
    for key, heading in (
        ("opens", "Would newly open"),
        ("gone", "Would no longer open"),
        ("moved", "Would move to another area"),
        ("earlier", "Would open earlier"),
    ):
        _incidents(console, heading, result[key])
    different = result["deliveries"] - result["unreadable"] - result["same"]
    console.print(f"Decided otherwise: {different:,} of {result['deliveries']:,} deliveries.")
    for row in result["outcomes"][:SHOWN]:
        if row["was"] != row["would"]:
            console.print(f"  {row['deliveries']:,} were {row['was']}, would be {row['would']}")
    for example in result["examples"][:SHOWN]:
        console.print(
            one_line(
                f"  #{example['delivery']} {example['title']}: was {example['was']}, "
                f"would be {example['would']}: {example['reason']}"
            )
        )


def _incidents(console: Console, heading: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    table = Table("opened", "area", "severity", "title", title=f"{heading}: {len(rows)}")
    for row in rows[:SHOWN]:
        area = f"{row['was']} → {row['area']}" if "was" in row else row["area"]
        table.add_row(
            row["opened_at"][:16].replace("T", " "), area, row["severity"], one_line(row["title"])
        )
    console.print(table)
    if len(rows) > SHOWN:
        console.print(f"… and {len(rows) - SHOWN} more")
