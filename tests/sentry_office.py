"""A responder inside the test that talks to Sentry's stand-in and is fed what Sentry sends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from responder.receive.intake import Incoming
from responder.store.tables import Decision
from tests.in_process import Office, office
from tests.stand_ins.process import SentryStandIn

ISSUE = "5100200300"  # of most samples


@asynccontextmanager
async def connected(
    sentry: SentryStandIn, playbooks: Path, database_url: str, **more: Any
) -> AsyncIterator[Office]:
    """A responder with the stand-in's token; `more` are settings."""
    settings = {
        "sentry_api_url": sentry.api_url,
        "sentry_api_token": SecretStr(sentry.token),
        "sentry_org": sentry.org,
        **more,
    }
    async with office(database_url, playbooks, more=settings) as here:
        yield here


async def deliver(here: Office, resource: str, payload: dict[str, Any]) -> Decision:
    """Take a webhook of Sentry's in, signed as far as anybody can tell; what became of it."""
    body = json.dumps(payload).encode()
    described = here.responder.sources["sentry"].describe({"sentry-hook-resource": resource}, body)
    incoming = Incoming(
        source="sentry",
        resource=described.resource,
        action=described.action,
        key=described.key,
        headers={},
        body=body,
        received_at=datetime.now(UTC),
    )
    return await here.decision((await here.responder.intake.take(incoming)).id)
