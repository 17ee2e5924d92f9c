"""The service's HTTP side."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from responder.app import Responder
from responder.web import api, doors, health, pages, slack, webhooks
from responder.web.guard import Guard
from responder.web.problems import on_error, on_fault


def create_app(responder: Responder) -> Starlette:
    """The ASGI application. It starts and stops the responder with itself."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with responder:
            yield

    async def on_http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if request.url.path.startswith(("/api/", "/webhooks/", "/slack/")):
            return await on_error(request, error)
        return await doors.on_error(request, error)

    app = Starlette(
        routes=[
            *webhooks.routes(responder),
            *slack.routes(responder),
            *health.routes(responder),
            *api.routes(responder),
            *pages.routes(responder),
        ],
        middleware=[Middleware(Guard, base_url=responder.settings.base_url)],
        exception_handlers={HTTPException: on_http_error, Exception: on_fault},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # Sentry takes a redirect for success and does not follow
    return app
