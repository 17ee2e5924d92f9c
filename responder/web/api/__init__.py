"""The JSON API, a file for each topic. Routes and OpenAPI are made of the same declarations."""

from __future__ import annotations

from starlette.routing import Route

from responder.app import Responder
from responder.web.api import (
    deliveries,
    incidents,
    noise,
    objectives,
    outcomes,
    post_mortems,
    refusals,
    switches,
)
from responder.web.operation import Operation, route

OPERATIONS: tuple[Operation, ...] = (
    *incidents.OPERATIONS,
    *switches.OPERATIONS,
    *objectives.OPERATIONS,
    *deliveries.OPERATIONS,
    *noise.OPERATIONS,
    *refusals.OPERATIONS,
    *outcomes.OPERATIONS,
    *post_mortems.OPERATIONS,
)


def routes(responder: Responder) -> list[Route]:
    """Every operation, behind the bearer token."""
    return [route(responder, operation) for operation in OPERATIONS]
