"""Incidents, and the steps of their runs."""

from __future__ import annotations

from pydantic import BaseModel

from responder.web import queries, schema
from responder.web.operation import Call, Operation


async def _incidents(call: Call) -> BaseModel:
    state, area, cursor = call.text("state"), call.text("area"), call.cursor()
    return await call.responder.store.read(
        lambda session: queries.incidents(session, state=state, area=area, before=cursor)
    )


async def _incident(call: Call) -> BaseModel:
    number = call.id
    return await call.responder.store.read(lambda session: queries.incident(session, number))


async def _acknowledge(call: Call) -> BaseModel:
    return schema.Done(message=await call.responder.desk.acknowledge(call.id, call.person))


async def _escalate(call: Call) -> BaseModel:
    message = await call.responder.desk.escalate(call.id, call.person, call.body.reason)
    return schema.Done(message=message)


async def _resolve(call: Call) -> BaseModel:
    return schema.Done(message=await call.responder.desk.resolve(call.id, call.person))


async def _tick(call: Call) -> BaseModel:
    message = await call.responder.desk.tick(
        call.id, call.person, shown=tuple(call.body.shown), done=tuple(call.body.done)
    )
    return schema.Done(message=message)


async def _decide(call: Call) -> BaseModel:
    message = await call.responder.desk.decide(
        call.id, call.person, approve=call.body.approve, reason=call.body.reason
    )
    return schema.Done(message=message)


async def _retry(call: Call) -> BaseModel:
    return schema.Done(message=await call.responder.desk.retry(call.id, call.person))


async def _skip(call: Call) -> BaseModel:
    message = await call.responder.desk.skip(call.id, call.person, call.body.reason)
    return schema.Done(message=message)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "/incidents",
        "List incidents, newest first",
        schema.Page[schema.IncidentLine],
        _incidents,
        query=("state", "area", "cursor"),
    ),
    Operation(
        "GET",
        "/incidents/{id:number}",
        "One incident with its run and timeline",
        schema.IncidentDetail,
        _incident,
    ),
    Operation(
        "POST",
        "/incidents/{id:number}/acknowledge",
        "Take an incident on",
        schema.Done,
        _acknowledge,
        schema.Act,
    ),
    Operation(
        "POST",
        "/incidents/{id:number}/escalate",
        "Call for more help",
        schema.Done,
        _escalate,
        schema.Act,
    ),
    Operation(
        "POST",
        "/incidents/{id:number}/resolve",
        "Close an incident",
        schema.Done,
        _resolve,
        schema.Act,
    ),
    Operation(
        "POST",
        "/steps/{id:number}/tick",
        "Tick a checklist's items",
        schema.Done,
        _tick,
        schema.TickBody,
    ),
    Operation(
        "POST",
        "/steps/{id:number}/decide",
        "Approve or deny a step",
        schema.Done,
        _decide,
        schema.DecideBody,
    ),
    Operation(
        "POST",
        "/steps/{id:number}/retry",
        "Try a failed step again",
        schema.Done,
        _retry,
        schema.Act,
    ),
    Operation(
        "POST",
        "/steps/{id:number}/skip",
        "Go on without a step, with a reason",
        schema.Done,
        _skip,
        schema.Act,
    ),
)
