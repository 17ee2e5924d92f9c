"""Objectives and failure rates."""

from __future__ import annotations

from pydantic import BaseModel

from responder.web import schema
from responder.web.objective_queries import objectives
from responder.web.operation import Call, Operation


async def _objectives(call: Call) -> BaseModel:
    responder = call.responder
    asks, now = responder.sentry is not None, responder.now()
    return await responder.store.read(
        lambda session: objectives(session, responder.configuration, asks=asks, now=now)
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "/objectives",
        "Objectives and failure rates, with their trends",
        schema.Objectives,
        _objectives,
    ),
)
