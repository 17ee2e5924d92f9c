"""A running responder's HTTP side on a real socket, in the test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import uvicorn

from responder.app import Responder
from responder.receive.verify import sign
from responder.web import create_app

SECRET, TOKEN = "the-test-secret", "the-test-token"  # as tests/in_process.py sets them


@contextlib.asynccontextmanager
async def over_http(responder: Responder) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a responder that has been started already."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(responder), log_config=None, access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started:  # noqa: ASYNC110 (uvicorn has no event)
            await asyncio.sleep(0.005)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=address, timeout=15, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        await serving


async def send(
    client: httpx.AsyncClient,
    resource: str,
    payload: Any,
    *,
    secret: str | None = SECRET,
    **headers: str,
) -> httpx.Response:
    """A webhook of an integration, signed with that secret or, without one, not at all."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signed = {"Sentry-Hook-Signature": sign(body, secret)} if secret is not None else {}
    named = {"Content-Type": "application/json", "Sentry-Hook-Resource": resource}
    return await client.post("/webhooks/sentry", content=body, headers=named | signed | headers)


async def call(client: httpx.AsyncClient, method: str, path: str, **options: Any) -> httpx.Response:
    """A call of the JSON API."""
    headers = {"Authorization": f"Bearer {TOKEN}", **options.pop("headers", {})}
    return await client.request(method, f"/api/v1{path}", headers=headers, **options)
