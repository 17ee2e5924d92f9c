"""responder serve, sign-in and db upgrade: running the service."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys

import typer
import uvicorn

from responder import local, log
from responder.app import Responder, utcnow
from responder.chat.words import one_line
from responder.people.roles import Person, Role
from responder.settings import Settings, SettingsError, load
from responder.store.database import Store
from responder.store.migrate import upgrade
from responder.web import create_app
from responder.web.auth import SignIn

GRACE_SECONDS = 10
MOST_CONNECTIONS = 1000  # further ones are answered 503 at once


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(epilog="Example: RESPONDER_PORT=9000 responder serve")(serve)
    app.command("sign-in", epilog="Example: responder sign-in --as 'Rosa Okafor'")(sign_in)
    database = typer.Typer(help="The database's shape.", no_args_is_help=True)
    database.command("upgrade", epilog="Example: responder db upgrade")(db_upgrade)
    app.add_typer(database, name="db")


def serve() -> None:
    """Start the service. Settings come from RESPONDER_… variables; none is needed to try it."""
    settings = load()
    log.configure(pretty=sys.stderr.isatty())
    listening = _listen(settings)
    settings = settings.model_copy(update={"port": listening.getsockname()[1]})
    asyncio.run(_serve(Responder(settings), listening))


def sign_in(
    name: str = typer.Option("local admin", "--as", help="Whose name the timeline shows."),
    role: Role = typer.Option(Role.ADMIN, help="What they may do."),
) -> None:
    """Print a one-time link that signs a person in to the pages."""
    name = one_line(name)
    if not name:
        raise typer.BadParameter("say who signs in, such as 'Rosa Okafor'", param_hint="--as")
    settings = load()
    local.check_database(settings)
    signing = SignIn(local.secrets_of(settings).secret_key)
    store = Store(settings.database_url)
    upgrade(store)
    try:
        link = asyncio.run(_link(store, settings, signing, Person(name, role, f"web:{name}")))
    finally:
        store.close()
    typer.echo(link)


def db_upgrade() -> None:
    """Bring the database up to date. `serve` does this by itself."""
    settings = load()
    store = Store(settings.database_url)
    upgrade(store)
    store.close()
    typer.echo(f"{store.url.render_as_string(hide_password=True)} is up to date")


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # The protocol is named so that asyncio turns Nagle's algorithm off for connections of this
    # socket: it looks there, and an answer in two parts would wait 40 ms for the first's receipt.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"can't listen on {settings.host}:{settings.port}: {error.strerror}. {_advice(error)}"
        ) from None
    return listening


def _advice(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return (
            "Set RESPONDER_HOST to an address of this machine: 127.0.0.1 for itself only, "
            "0.0.0.0 for everybody."
        )
    if error.errno == errno.EACCES:
        return "Set RESPONDER_PORT to a port above 1023."
    return "Is another responder running? Set RESPONDER_PORT to a free port."


async def _serve(responder: Responder, listening: socket.socket) -> None:
    config = uvicorn.Config(
        create_app(responder),
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = uvicorn.Server(config)
    await responder.prepare()  # here, for uvicorn would bury its words in a stack trace
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started and not serving.done():  # noqa: ASYNC110 (uvicorn has no event)
        await asyncio.sleep(0.01)
    if server.started:
        await _say_where(responder)
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    if not server.started:
        raise typer.Exit(1)


async def _say_where(responder: Responder) -> None:
    settings = responder.settings
    typer.echo(f"responder is ready at {settings.base_url}")
    typer.echo(f"  webhooks  POST {settings.base_url}/webhooks/sentry")
    if responder.secrets.local:
        signing = SignIn(responder.secrets.secret_key)
        admin = Person("local admin", Role.ADMIN, "web:local admin")
        link = await _link(responder.store, settings, signing, admin)
        typer.echo(f"  sign in   {link} (once, within 30 minutes)")
        typer.echo(f"  local mode: secrets are kept in {local.secrets_path(settings)}")
        typer.echo("  next      responder demo (in another terminal) shows the whole story")
    sys.stdout.flush()


async def _link(store: Store, settings: Settings, signing: SignIn, person: Person) -> str:
    token = await store.write(lambda session: signing.new_link(session, person, now=utcnow()))
    return f"{settings.base_url}/sign-in?token={token}"
