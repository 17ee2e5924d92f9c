"""Switches."""

from __future__ import annotations

from pydantic import BaseModel

from responder.switches.base import SwitchError
from responder.web import queries, schema
from responder.web.operation import Call, Operation


async def _switches(call: Call) -> BaseModel:
    names = call.responder.switches.names
    items = await call.responder.store.read(
        lambda session: [queries.switch(session, name) for name in names]
    )
    return schema.Page[schema.Switch](items=items, next=None)


def _name(call: Call) -> str:
    name = str(call.request.path_params["name"])
    if name not in call.responder.switches.names:
        known = ", ".join(call.responder.switches.names) or "none"
        raise LookupError(f"there is no switch {name}; there are: {known}")
    return name


async def _switch(call: Call) -> BaseModel:
    name = _name(call)
    return await call.responder.store.read(lambda session: queries.switch(session, name))


async def _hold(call: Call) -> BaseModel:
    try:
        await call.responder.desk.hold(_name(call), call.person, call.body.reason)
    except SwitchError as error:
        raise SwitchError(
            f"the hold is recorded and will be applied again every few seconds; for now: {error}"
        ) from error
    return await _switch(call)


async def _release(call: Call) -> BaseModel:
    await call.responder.desk.release(
        _name(call), call.person, call.body.reason, call.body.incident
    )
    return await _switch(call)


OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/switches", "List switches", schema.Page[schema.Switch], _switches),
    Operation(
        "GET", "/switches/{name}", "One switch; poll it with If-None-Match", schema.Switch, _switch
    ),
    Operation(
        "POST",
        "/switches/{name}/hold",
        "Pause a switch by hand",
        schema.Switch,
        _hold,
        schema.HoldBody,
    ),
    Operation(
        "POST",
        "/switches/{name}/release",
        "Lift the holds placed by hand",
        schema.Switch,
        _release,
        schema.ReleaseBody,
    ),
)
