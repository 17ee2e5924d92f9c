"""Errors as RFC 9457 problem details: what is wrong, and how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from responder.incident.lifecycle import NotAllowed
from responder.people.roles import Forbidden
from responder.switches.base import SwitchError

TYPE = "application/problem+json"


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, **more: object
) -> Response:
    """One problem. `detail` is read by people."""
    body = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, headers=headers, media_type=TYPE)


class Invalid(Exception):
    """What was sent can't be used; the message says what to send instead."""


def status_of(error: Exception) -> int:
    """The status for something that went as it may go."""
    match error:
        case Invalid():
            return HTTPStatus.UNPROCESSABLE_ENTITY
        case LookupError():
            return HTTPStatus.NOT_FOUND
        case Forbidden():
            return HTTPStatus.FORBIDDEN
        case NotAllowed():
            return HTTPStatus.CONFLICT
        case SwitchError():
            return HTTPStatus.BAD_GATEWAY
        case HTTPException():
            return error.status_code
    return HTTPStatus.INTERNAL_SERVER_ERROR


async def on_fault(request: Request, error: Exception) -> Response:
    """For what should not have happened; the server logs it with its trace."""
    return problem(500, "this is a fault of responder's; its log has the details")


async def on_error(request: Request, error: Exception) -> Response:
    """For the JSON parts of the service."""
    detail = error.detail if isinstance(error, HTTPException) else str(error)
    headers = error.headers if isinstance(error, HTTPException) else None
    return problem(status_of(error), detail.strip("'\""), headers)


EXPECTED: tuple[type[Exception], ...] = (
    Invalid,
    LookupError,
    Forbidden,
    NotAllowed,
    SwitchError,
    HTTPException,
)
