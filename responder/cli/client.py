"""Talking to the running service from the command line."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import typer

from responder import local
from responder.settings import Settings, load

NOT_RUNNING = 3
LARGEST = 10**18 - 1  # as large as a number in an address may be


SECONDS = 30.0  # for an answer: a pause may wait for writers and for other changes


class NotRunning(Exception):
    """Nobody answers at the service's address, or somebody else does."""


class NoAnswer(NotRunning):
    """Somebody is there and did not answer in time; what was asked may have happened."""


class Service:
    """The JSON API of the service that these settings describe.

    Raises:
        SettingsError: its token is neither set nor kept where the settings point.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load()
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        host = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 (reached from here)
        self.address = f"http://{host}:{self.settings.port}"
        token = local.token_of(self.settings)
        self._client = httpx.Client(
            base_url=f"{self.address}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=SECONDS,
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
        except httpx.ConnectError as error:
            raise NotRunning(self._unreached(error)) from None
        except httpx.TimeoutException:
            raise NoAnswer(
                f"{self.address} did not answer in time; what came of it is not known. "
                "Look at `responder switches list` and the pages."
            ) from None
        except httpx.TransportError:
            raise NotRunning(self._stranger()) from None
        try:
            answer = response.json()
        except ValueError:
            raise NotRunning(self._stranger()) from None
        if response.is_success:
            return answer
        if response.headers.get("content-type") != "application/problem+json":
            raise NotRunning(self._stranger())
        detail = answer["detail"]
        if response.status_code == httpx.codes.UNAUTHORIZED:
            detail = (
                f"the service at {self.address} has another token: set RESPONDER_API_TOKEN, "
                "or run this in the service's folder"
            )
        typer.echo(detail, err=True)
        raise typer.Exit(1)

    def _unreached(self, error: httpx.ConnectError) -> str:
        if any(isinstance(cause, socket.gaierror) for cause in _causes(error)):
            return f"the host {self.settings.host} can't be found; check RESPONDER_HOST"
        return (
            f"no responder answers at {self.address}; start it with `make run`, "
            "or set RESPONDER_HOST and RESPONDER_PORT to where it is"
        )

    def _stranger(self) -> str:
        return (
            f"what answers at {self.address} is not responder; "
            "set RESPONDER_HOST and RESPONDER_PORT to where it is"
        )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def service() -> Service:
    """The service, for commands that can do nothing without it."""
    return Service()


def fail(error: NotRunning) -> typer.Exit:
    """Say that nobody answers, and how to mend it."""
    typer.echo(str(error), err=True)
    return typer.Exit(NOT_RUNNING)
