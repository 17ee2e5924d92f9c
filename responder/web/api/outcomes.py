"""Figures that an app posts: how often something was tried and failed, or an objective's value."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from pydantic import BaseModel
from starlette.exceptions import HTTPException

from responder.app import Responder
from responder.receive.intake import Incoming, Receipt
from responder.web import schema
from responder.web.operation import Call, Operation
from responder.web.problems import Invalid

LONGEST_KEY = 100
OLDEST, AHEAD = timedelta(days=7), timedelta(minutes=5)


async def _outcomes(call: Call) -> BaseModel:
    responder, now = call.responder, call.responder.now()
    items: list[schema.Outcome] = call.body.items
    for number, item in enumerate(items):
        _check(f"items.{number}", item, responder, now)
    key = _key(call)
    incoming = [
        _incoming(responder, item, f"{key}:{number}", now) for number, item in enumerate(items)
    ]
    receipts = await asyncio.gather(
        *(responder.intake.take(one) for one in incoming), return_exceptions=True
    )
    stored = [
        schema.Posted(id=receipt.id, duplicate=receipt.duplicate)
        for receipt in receipts
        if isinstance(receipt, Receipt)
    ]
    if len(stored) < len(items):
        raise HTTPException(
            503,
            f"{len(stored)} of {len(items)} could be stored; send all of it again, with the same "
            "Idempotency-Key",
            {"Retry-After": "5"},
        )
    return schema.Page[schema.Posted](items=stored, next=None)


def _key(call: Call) -> str:
    """What the items' ids begin with: the caller's key, or one that never comes again."""
    key = call.request.headers.get("idempotency-key", "").strip()
    if len(key) > LONGEST_KEY:
        raise Invalid(f"Idempotency-Key: it may have {LONGEST_KEY} characters")
    return key or secrets.token_hex(16)


def _check(where: str, item: schema.Outcome, responder: Responder, now: datetime) -> None:
    rules = responder.configuration.rules
    if item.area is not None:
        _known(f"{where}.area", "area", item.area, rules.areas.root)
    if item.objective is not None:
        _known(f"{where}.objective", "objective", item.objective, rules.objectives)
    if item.at is not None and not now - OLDEST <= item.at <= now + AHEAD:
        raise Invalid(f"{where}.at: from 7 days ago to now; it is {now:%Y-%m-%dT%H:%M:%SZ} here")


def _known(where: str, kind: str, name: str, names: Collection[str]) -> None:
    if name not in names:
        known = ", ".join(names) or "none"
        raise Invalid(f"{where}: there is no {kind} {name}; there are: {known}")


def _incoming(responder: Responder, item: schema.Outcome, id_: str, now: datetime) -> Incoming:
    figures = item.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    body = json.dumps({"id": id_, **figures}).encode()
    source = responder.sources["outcomes"]
    described = source.describe({}, body)
    return Incoming(
        source=source.name,
        resource=described.resource,
        action=described.action,
        key=described.key,
        headers={},
        body=body,
        received_at=now,
        origin="posted",
    )


def _token(responder: Responder) -> str | None:
    token = responder.settings.outcomes_token
    return token.get_secret_value() if token else None


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "/outcomes",
        "Post figures: attempts and failures of an area, or an objective's value",
        schema.Page[schema.Posted],
        _outcomes,
        schema.OutcomesBody,
        further_token=_token,
    ),
)
