"""What stand-ins have in common: how their answers go wrong, and how they are served."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


@dataclass
class Fault:
    """How coming calls of a method (`*` for any) go wrong.

    `http` answers with a bare status, `garbled` with no JSON, `hang` does nothing and never
    answers, `lost` does what was asked and hangs up, `late` does it and answers after some
    `seconds`. A stand-in may have kinds of its own.
    """

    method: str
    kind: str
    times: int
    details: dict[str, Any]

    @property
    def is_done(self) -> bool:
        """Whether what was asked is done all the same."""
        return self.kind in ("lost", "late")


@dataclass
class Faults:
    """Those to come, in the order in which they were asked for."""

    coming: list[Fault] = field(default_factory=list)

    def add(self, *, method: str, kind: str, times: int = 1, **details: Any) -> None:
        """Make coming calls go wrong."""
        self.coming.append(Fault(method, kind, times, details))

    def next(self, method: str) -> Fault | None:
        """The fault that this call meets; it is used up."""
        for fault in self.coming:
            if fault.times > 0 and fault.method in (method, "*"):
                fault.times -= 1
                return fault
        return None


async def broken(fault: Fault, request: Request) -> Response:
    """The answer to a call that is not done."""
    if fault.kind == "http":
        status, headers = fault.details.get("status", 500), fault.details.get("headers")
        return Response("<h1>Oh no</h1>", status, headers, media_type="text/html")
    if fault.kind == "garbled":
        return Response("{not json", media_type="application/json")
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return HangUp()


async def delivered(fault: Fault | None, answer: Response) -> Response:
    """The answer to a call that is done, as far as it arrives."""
    if fault is None:
        return answer
    if fault.kind == "lost":
        return HangUp()
    await asyncio.sleep(fault.details["seconds"])
    return answer


class HangUp(Response):
    """Cuts the connection with no answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["hang_up"]()


class Server:
    """The application, with a way to cut its connections, which ASGI has not."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["hang_up"] = send.__self__.transport.abort  # type: ignore[attr-defined]
        await self._app(scope, receive, send)


def serve(port: int, application: Callable[[str], Starlette]) -> None:
    """Serve on loopback until killed. The first line of output is the port.

    Args:
        port: 0 for any.
        application: makes it, given the address it will have.
    """
    with socket.create_server(("127.0.0.1", port)) as listening:
        port = listening.getsockname()[1]
        app = Server(application(f"http://127.0.0.1:{port}"))
        print(port, flush=True)
        config = uvicorn.Config(app, log_level="critical", lifespan="off")
        uvicorn.Server(config).run(sockets=[listening])
