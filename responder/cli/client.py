"""Talking to the running service from the command line."""

from __future__ import annotations

import getpass
from typing import Any

import httpx
import typer

from responder import local
from responder.settings import Settings, load

NOT_RUNNING = 3


class NotRunning(Exception):
    """Nobody answers at the service's address."""


class Service:
    """The JSON API of the service that these settings describe."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load()
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        host = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 (reached from here)
        self.address = f"http://{host}:{self.settings.port}"
        token = local.secrets_of(self.settings).api_token
        self._client = httpx.Client(
            base_url=f"{self.address}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60.0,
        )

    def get(self, path: str, **query: str | None) -> Any:
        """The JSON at a path."""
        return self._answer(
            "GET", path, params={key: value for key, value in query.items() if value}
        )

    def post(self, path: str, **body: Any) -> Any:
        """Act, in the name of whoever is logged in here unless `by` says otherwise."""
        return self._answer("POST", path, json={"by": getpass.getuser(), **body})

    def _answer(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = self._client.request(method, path, **options)
        except httpx.ConnectError:
            raise NotRunning(
                f"no responder answers at {self.address}; start it with `make run`, "
                "or set RESPONDER_HOST and RESPONDER_PORT to where it is"
            ) from None
        if response.is_success:
            return response.json()
        try:
            detail = response.json()["detail"]
        except (ValueError, KeyError):
            detail = f"{response.status_code} {response.reason_phrase}"
        typer.echo(detail, err=True)
        raise typer.Exit(1)


def service() -> Service:
    """The service, for commands that can do nothing without it."""
    return Service()


def fail(error: NotRunning) -> typer.Exit:
    """Say that nobody answers, and how to mend it."""
    typer.echo(str(error), err=True)
    return typer.Exit(NOT_RUNNING)
