"""Deliveries and their decisions."""

from __future__ import annotations

from pydantic import BaseModel

from responder.web import queries, schema
from responder.web.operation import Call, Operation


async def _deliveries(call: Call) -> BaseModel:
    cursor = call.cursor()
    return await call.responder.store.read(
        lambda session: queries.deliveries(session, before=cursor)
    )


async def _delivery(call: Call) -> BaseModel:
    number = call.id
    return await call.responder.store.read(lambda session: queries.delivery(session, number))


async def _replay(call: Call) -> BaseModel:
    return schema.Replayed(id=await call.responder.desk.replay(call.id, call.person))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "/deliveries",
        "List deliveries, newest first",
        schema.Page[schema.Delivery],
        _deliveries,
        query=("cursor",),
    ),
    Operation(
        "GET",
        "/deliveries/{id:number}",
        "One delivery and its decision",
        schema.Delivery,
        _delivery,
    ),
    Operation(
        "POST",
        "/deliveries/{id:number}/replay",
        "Send a delivery through again",
        schema.Replayed,
        _replay,
        schema.Act,
    ),
)
