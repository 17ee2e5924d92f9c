"""The JSON API. Each operation is declared once; routes and OpenAPI are made of that."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from responder.app import Responder
from responder.people.roles import Person, Role
from responder.switches.base import SwitchError
from responder.web import queries, schema
from responder.web.numbers import Number
from responder.web.problems import EXPECTED, Invalid, on_error, problem

PREFIX = "/api/v1"
LARGEST_BODY = 256 * 1024


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised call, with its body checked."""

    responder: Responder
    request: Request
    body: Any

    @property
    def id(self) -> int:
        """The number in the path."""
        return int(self.request.path_params["id"])

    @property
    def person(self) -> Person:
        """Who acts: the token's holder, or the one it speaks for."""
        by = getattr(self.body, "by", "").strip()
        return Person(f"{by} (api)" if by else "api", Role.ADMIN, "token")

    def text(self, name: str) -> str | None:
        """A query parameter."""
        value = self.request.query_params.get(name) or None
        if value and "\x00" in value:
            raise Invalid(f"{name}: text has no NUL characters")
        return value

    def cursor(self) -> int | None:
        """Where the list goes on."""
        cursor = self.text("cursor")
        if cursor is None:
            return None
        if not re.fullmatch(Number.regex, cursor):
            raise Invalid("cursor: pass on what `next` of the page before gave")
        return int(cursor)


Handler = Callable[[Call], Awaitable[BaseModel]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as documented and as routed."""

    method: str
    path: str
    summary: str
    answer: type[BaseModel]
    handler: Handler
    body: type[BaseModel] | None = None
    query: Sequence[str] = field(default=())


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


def routes(responder: Responder) -> list[Route]:
    """Every operation, behind the bearer token."""
    return [_route(responder, operation) for operation in OPERATIONS]


def _route(responder: Responder, operation: Operation) -> Route:
    async def endpoint(request: Request) -> Response:
        if not _authorised(request, responder.secrets.api_token):
            return problem(
                401,
                "send the API token: Authorization: Bearer …",
                {"WWW-Authenticate": "Bearer"},
            )
        try:
            body = await _body(request, operation.body)
            answer = await operation.handler(Call(responder, request, body))
        except EXPECTED as error:
            return await on_error(request, error)
        return _answer(request, answer)

    return Route(PREFIX + operation.path, endpoint, methods=[operation.method])


def _authorised(request: Request, token: str) -> bool:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode("latin-1", "replace"), token.encode()
    )


async def _body(request: Request, model: type[BaseModel] | None) -> BaseModel | None:
    if model is None:
        return None
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > LARGEST_BODY:
            raise Invalid(f"the body is larger than {LARGEST_BODY} bytes")
    try:
        return model.model_validate(json.loads(raw) if raw.strip() else {})
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)
        lines = [f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in wrong]
        raise Invalid("; ".join(lines)) from None
    except (ValueError, RecursionError):
        raise Invalid("the body is not JSON") from None


def _answer(request: Request, answer: BaseModel) -> Response:
    response = JSONResponse(answer.model_dump(mode="json"))
    if request.method == "GET":
        tag = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"ETag": tag})
        response.headers["ETag"] = tag
        response.headers["Cache-Control"] = "no-cache"
    return response
