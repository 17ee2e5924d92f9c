"""Post-mortems."""

from __future__ import annotations

from pydantic import BaseModel

from responder.web import queries, schema
from responder.web.operation import Call, Operation


async def _post_mortems(call: Call) -> BaseModel:
    cursor = call.cursor()
    return await call.responder.store.read(
        lambda session: queries.post_mortems(session, before=cursor)
    )


async def _post_mortem(call: Call) -> BaseModel:
    number = call.id
    return await call.responder.store.read(lambda session: queries.post_mortem(session, number))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "GET",
        "/post-mortems",
        "List post-mortems, newest first",
        schema.Page[schema.PostMortemLine],
        _post_mortems,
        query=("cursor",),
    ),
    Operation(
        "GET",
        "/post-mortems/{id:number}",
        "One post-mortem, as Markdown",
        schema.PostMortem,
        _post_mortem,
    ),
)
