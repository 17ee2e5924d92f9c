"""Deliveries and their decisions."""

from __future__ import annotations

from pydantic import BaseModel

from responder.web import delivery_queries, schema
from responder.web.operation import Call, Operation


async def _deliveries(call: Call) -> BaseModel:
    cursor, outcome, rule = call.cursor(), call.text("outcome"), call.text("rule")
    return await call.responder.store.read(
        lambda session: delivery_queries.deliveries(
            session, before=cursor, outcome=outcome, rule=rule
        )
    )


async def _delivery(call: Call) -> BaseModel:
    number, hide = call.id, call.responder.settings.redact
    return await call.responder.store.read(
        lambda session: delivery_queries.delivery(session, number, hide=hide)
    )


async def _replay(call: Call) -> BaseModel:
    return schema.Replayed(id=await call.responder.desk.replay(call.id, call.person))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "/deliveries",
        "List deliveries, newest first",
        schema.Page[schema.Delivery],
        _deliveries,
        query=("outcome", "rule", "cursor"),
    ),
    Operation(
        "GET",
        "/deliveries/{id:number}",
        "One delivery with all that explains its decision",
        schema.DeliveryDetail,
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
