"""A switch behind the app's own HTTP endpoint."""

from __future__ import annotations

import asyncio
import os
from typing import ClassVar, Literal

import httpx
from pydantic import BaseModel, ConfigDict, HttpUrl, ValidationError

from responder.switches.base import Reach, Reading, SwitchError, SwitchState

SECONDS = 5.0


class HttpOptions(BaseModel):
    """What `switches.yaml` says about a switch of this kind.

    `url` takes the change by POST; `read_url`, the same unless given, tells the state by GET.
    `secret_env` names the environment variable whose value both get as a bearer token.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: HttpUrl
    read_url: HttpUrl | None = None
    secret_env: str | None = None


class _Answer(BaseModel):
    state: Literal["paused", "running"]


class HttpDriver:
    """Tells the app, then asks it."""

    Options: ClassVar[type[BaseModel]] = HttpOptions

    def __init__(self, name: str, options: HttpOptions, reach: Reach) -> None:
        self._name = name
        self._url = str(options.url)
        self._read_url = str(options.read_url or options.url)
        self._secret_env = options.secret_env
        self._http = reach.http

    async def pause(self, *, reason: str, key: str) -> Reading:
        """Tell the app to pause, and read it back."""
        return await self._apply(SwitchState.PAUSED, reason, key)

    async def resume(self, *, reason: str, key: str) -> Reading:
        """Tell the app to run again, and read it back."""
        return await self._apply(SwitchState.RUNNING, reason, key)

    async def read(self) -> Reading:
        """Ask the app."""
        response = await self._send("GET", self._read_url)
        try:
            state = SwitchState(_Answer.model_validate_json(response.content).state)
        except ValidationError:
            raise SwitchError(
                f"{self._read_url} does not tell the state of switch {self._name}: it must "
                'answer GET with the JSON {"state": "paused"} or {"state": "running"}'
            ) from None
        return Reading(state, confirmed=True, detail=f"{self._read_url} says {state}")

    async def _apply(self, wanted: SwitchState, reason: str, key: str) -> Reading:
        body = {"switch": self._name, "state": str(wanted), "reason": reason}
        await self._send("POST", self._url, body, {"Idempotency-Key": key})
        reading = await self.read()
        if reading.state is wanted:
            return reading
        return Reading(
            reading.state,
            confirmed=False,
            detail=f"{self._url} accepted {wanted}, but {reading.detail}",
        )

    async def _send(
        self,
        method: str,
        url: str,
        body: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        try:
            async with asyncio.timeout(SECONDS):
                response = await self._http.request(
                    method,
                    url,
                    json=body,
                    headers={**(headers or {}), **self._authorization()},
                    follow_redirects=False,
                    timeout=SECONDS,
                )
        except (TimeoutError, httpx.TimeoutException):
            raise SwitchError(
                f"{method} {url} did not answer within {SECONDS:g} s; is the app up?"
            ) from None
        except httpx.HTTPError as error:
            raise SwitchError(f"{method} {url} can't be reached: {error}") from error
        if not response.is_success:
            raise SwitchError(
                f"{method} {url} answered {response.status_code}; {_advice(response)}"
            )
        return response

    def _authorization(self) -> dict[str, str]:
        if self._secret_env is None:
            return {}
        secret = os.environ.get(self._secret_env)
        if not secret:
            raise SwitchError(f"switch {self._name} needs its secret: set {self._secret_env}")
        return {"Authorization": f"Bearer {secret}"}


def _advice(response: httpx.Response) -> str:
    status = response.status_code
    if response.is_redirect:
        return "give the address it leads to in switches.yaml, for redirects are not followed"
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return "check that secret_env in switches.yaml names the secret the app expects"
    if status in (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED):
        return "check url and read_url in switches.yaml"
    return "look into the app's own log"
