"""Serves route files with Starlette, and lets Sentry's SDK report what they raise.

Its argument: [{"name", "method", "url", "file", "what"}], each to be asked for once.
"""

import asyncio
import importlib
import json
import os
import sys
import threading

import httpx
import sentry_sdk
from lib.auth import session
from lib.hms import recorder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

DSN = os.environ["SENTRY_DSN"]
OPTIONS = {
    "environment": "production",
    "release": "kulti@2.14.0",
    "shutdown_timeout": 20,  # seconds; the default is short for a busy machine
}
CASES = {case["name"]: case for case in json.loads(sys.argv[1])}

sentry_sdk.init(DSN, **OPTIONS)
with_stacks = sentry_sdk.Client(DSN, attach_stacktrace=True, **OPTIONS)


async def serve(request: Request) -> Response:
    case = CASES[request.headers["x-case"]]
    route = importlib.import_module(case["file"].removesuffix(".py").replace("/", "."))
    sentry_sdk.set_tag("case", case["name"])
    with sentry_sdk.new_scope() as scope:
        if case["what"] == "message with a stack":
            scope.set_client(with_stacks)
        await route.handle(case["what"])
    return Response()


async def ask_for_all() -> None:
    urls = {case["url"] for case in CASES.values()}
    app = Starlette(routes=[Route(url, serve, methods=["GET", "POST"]) for url in urls])
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://kulti.example") as http:
        for case in CASES.values():
            await http.request(case["method"], case["url"], headers={"x-case": case["name"]})


asyncio.run(ask_for_all())

# Then what nobody catches. The last ends this process, with exit code 1.
with_stacks.close()
sentry_sdk.set_tag("case", "thread")
thread = threading.Thread(target=session.refresh)
thread.start()
thread.join()
sentry_sdk.set_tag("case", "uncaught exception")
recorder.stop()
