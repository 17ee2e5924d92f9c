"""One operation of the JSON API: how it is declared, routed, authorised and answered."""

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
    further_token: Callable[[Responder], str | None] | None = None  # besides the API token


def route(responder: Responder, operation: Operation) -> Route:
    """The operation behind the bearer token."""
    further = operation.further_token(responder) if operation.further_token else None
    tokens = [responder.secrets.api_token, *([further] if further else [])]

    async def endpoint(request: Request) -> Response:
        if not _authorised(request, tokens):
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


def _authorised(request: Request, tokens: Sequence[str]) -> bool:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    sent = given.strip().encode("latin-1", "replace")
    matches = [hmac.compare_digest(sent, token.encode()) for token in tokens]
    return kind.lower() == "bearer" and any(matches)


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
