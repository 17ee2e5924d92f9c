"""Refused webhooks: why, and letting them in."""

from __future__ import annotations

from pydantic import BaseModel

from responder.web import schema
from responder.web.operation import Call, Operation
from responder.web.refusal_queries import refusals


async def _refusals(call: Call) -> BaseModel:
    responder, cursor = call.responder, call.cursor()
    secrets, source = responder.secrets.sentry, responder.sources["sentry"]
    return await responder.store.read(
        lambda session: refusals(session, secrets, source, before=cursor)
    )


async def _let_in(call: Call) -> BaseModel:
    receipt = await call.responder.admission.let_in(call.id, call.person)
    return schema.LetIn(id=receipt.id, duplicate=receipt.duplicate)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "/refusals",
        "List refused webhooks, newest first",
        schema.Page[schema.Refusal],
        _refusals,
        query=("cursor",),
    ),
    Operation(
        "POST",
        "/refusals/{id:number}/let-in",
        "Take a refused webhook in as a delivery",
        schema.LetIn,
        _let_in,
        schema.Act,
    ),
)
