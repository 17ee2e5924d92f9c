"""Whether the process lives, whether it can do its work, and its figures."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlmodel import Session, col, func, select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from responder import metrics
from responder.app import Responder
from responder.incident import records
from responder.store.tables import ChatMessage, Delivery
from responder.web.openapi import document
from responder.web.problems import problem


def routes(responder: Responder) -> list[Route]:
    """The addresses that machines look at. They tell no secrets and need no token."""

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> Response:
        troubles = responder.troubles()
        try:
            overdue = await responder.store.read(responder.auditor.overdue)
            troubles += filter(None, [responder.auditor.trouble(overdue)])
        except Exception as error:
            troubles.append(f"the database does not answer: {type(error).__name__}")
        if troubles:
            return problem(503, "; ".join(troubles))
        return JSONResponse({"status": "ready"})

    async def figures(request: Request) -> Response:
        await responder.store.read(_measure)
        metrics.OVERDUE.set((await responder.store.read(responder.auditor.overdue)).count)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def openapi(request: Request) -> Response:
        return JSONResponse(document())

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", figures),
        Route("/openapi.json", openapi),
    ]


def _measure(session: Session) -> None:
    undecided = select(func.count()).select_from(Delivery).where(col(Delivery.decided_at).is_(None))
    behind = (
        select(func.count())
        .select_from(ChatMessage)
        .where(col(ChatMessage.sent) < col(ChatMessage.wanted))
    )
    metrics.UNDECIDED.set(session.exec(undecided).one())
    metrics.CHAT_BEHIND.set(session.exec(behind).one())
    metrics.OPEN_INCIDENTS.set(records.count_open(session))
