"""What keeps alerts quiet, and snoozes."""

from __future__ import annotations

from pydantic import BaseModel

from responder.web import noise_queries, schema
from responder.web.operation import Call, Operation
from responder.web.problems import Invalid


async def _noise(call: Call) -> BaseModel:
    responder = call.responder
    rules, now = responder.configuration.noise, responder.now()
    return await responder.store.read(lambda session: noise_queries.noise(session, rules, now=now))


async def _snooze(call: Call) -> BaseModel:
    body, responder = call.body, call.responder
    try:
        number = await responder.desk.snooze(
            call.person,
            area=body.area,
            issue_id=body.issue_id,
            until=body.until or responder.now() + body.for_,
            reason=body.reason,
        )
    except LookupError as error:  # it is what was sent that names nothing, not the address
        raise Invalid(str(error)) from None
    return await _shown(call, number)


async def _end_snooze(call: Call) -> BaseModel:
    await call.responder.desk.end_snooze(call.id, call.person)
    return await _shown(call, call.id)


async def _shown(call: Call, number: int) -> schema.Snooze:
    now = call.responder.now()
    return await call.responder.store.read(
        lambda session: noise_queries.snooze(session, number, now=now)
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "/noise",
        "Ignore rules, maintenance windows and snoozes, with how many alerts each kept quiet",
        schema.Noise,
        _noise,
    ),
    Operation(
        "POST",
        "/snoozes",
        "Keep an area or an issue quiet for a while",
        schema.Snooze,
        _snooze,
        schema.SnoozeBody,
    ),
    Operation(
        "POST",
        "/snoozes/{id:number}/end",
        "End a snooze before its time",
        schema.Snooze,
        _end_snooze,
        schema.Act,
    ),
)
