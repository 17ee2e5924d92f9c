"""A stand-in for an app's own HTTP switch, which keeps a log of each state it was put in.

Run it with `python -m tests.stand_ins.switch`; it prints its port. It obeys Idempotency-Key,
so `applied` shows effects, not calls.
"""

from __future__ import annotations

import socket

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

state = {"now": "running"}
deaf = {"to": ""}  # a state that it answers to with 200 and never takes on
applied: list[str] = []
calls: list[str] = []
keys: set[str] = set()


async def change(request: Request) -> Response:
    """Take on the state asked for, once for each key."""
    wanted = (await request.json())["state"]
    key = request.headers["idempotency-key"]
    calls.append(wanted)
    if deaf["to"] == wanted:
        return JSONResponse({"state": state["now"]})
    if key not in keys:
        keys.add(key)
        state["now"] = wanted
        applied.append(wanted)
    return JSONResponse({"state": state["now"]})


async def read(request: Request) -> Response:
    """The present state."""
    return JSONResponse({"state": state["now"]})


async def control(request: Request) -> Response:
    """What happened; a POST changes `state` behind everybody's back, or makes it `deaf`."""
    if request.method == "POST":
        told = await request.json()
        if told.get("reset"):
            for log in (applied, calls, keys):
                log.clear()
            state["now"], deaf["to"] = "running", ""
        state["now"] = told.get("state", state["now"])
        deaf["to"] = told.get("deaf", deaf["to"])
    return JSONResponse({"applied": applied, "calls": calls})


app = Starlette(
    routes=[
        Route("/switches/{name}", change, methods=["POST"]),
        Route("/switches/{name}", read, methods=["GET"]),
        Route("/_control", control, methods=["GET", "POST"]),
    ]
)

if __name__ == "__main__":
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
