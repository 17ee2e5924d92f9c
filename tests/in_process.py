"""A Responder inside the test, fed with alerts in our own words instead of some sender's."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import structlog
from pydantic import SecretStr
from sqlmodel import Session, select

from responder.app import Responder
from responder.incident import records
from responder.people.roles import Person, Role
from responder.receive.alert import Alert, Measure, Metric, Signal
from responder.receive.intake import Incoming
from responder.receive.source import Description
from responder.settings import Settings
from responder.store.tables import Decision, Incident, TimelineEntry
from responder.web import queries, schema

T = TypeVar("T")
ANN, BEN = Person("ann", Role.RESPONDER), Person("ben", Role.RESPONDER)
DEFAULT_AREAS = """
areas:
  credits:
    title: Credits
    severity: critical
    messages: [credit failure]
    threshold: { any: true }
  default:
    title: Everything else
    severity: medium
    threshold: { more_than: 10, per: 1h }
"""
SWITCHES = """
switches:
  tips:
    title: Tips
    driver: builtin
"""


class PlainSource:
    """Reads an alert whose fields are the payload's. `raise` in it makes it break."""

    name = "plain"

    def describe(self, headers: Mapping[str, str], body: bytes) -> Description:
        """Not used: tests store deliveries themselves."""
        raise NotImplementedError

    def normalise(self, resource: str, payload: Mapping[str, object]) -> Alert:
        """The alert as it was put in."""
        fields: dict[str, Any] = {key: payload[key] for key in payload if key != "number"}
        if "raise" in fields:
            raise RuntimeError(fields["raise"])
        signal = Signal(fields.pop("signal", "firing"))
        if "metric" in fields:
            fields["metric"] = Metric(**fields["metric"])
        if "measure" in fields:
            fields["measure"] = Measure(**fields["measure"])
        if "occurred_at" in fields:
            fields["occurred_at"] = datetime.fromisoformat(fields["occurred_at"])
        return replace(Alert("plain", resource, "triggered", signal), **fields)


@dataclass
class Office:
    """A running responder with what tests ask of it."""

    responder: Responder

    def __post_init__(self) -> None:
        self._keys = itertools.count()

    async def deliver(self, resource: str = "alert", **alert: Any) -> int:
        """Store a delivery unlike any other; its id."""
        if isinstance(alert.get("occurred_at"), datetime):
            alert["occurred_at"] = alert["occurred_at"].isoformat()
        return await self.store(
            json.dumps({**alert, "number": next(self._keys)}).encode(), resource
        )

    async def store(self, body: bytes, resource: str = "alert") -> int:
        """Store a body as a delivery; its id."""
        incoming = Incoming(
            source="plain",
            resource=resource,
            action="triggered",
            key=f"plain:{next(self._keys)}",
            headers={},
            body=body,
            received_at=datetime.now(UTC),
        )
        return (await self.responder.intake.take(incoming)).id

    async def decision(self, delivery: int) -> Decision:
        """What became of a delivery, once that is decided."""
        found = await self.until(lambda session: session.get(Decision, delivery), bool)
        assert found is not None
        return found

    async def decided(self, resource: str = "alert", **alert: Any) -> Decision:
        """Store a delivery and wait for its decision."""
        return await self.decision(await self.deliver(resource, **alert))

    async def opened(self, **alert: Any) -> int:
        """Open an incident about credits; its id."""
        decision = await self.decided(**{"title": "credit failure", **alert})
        assert decision.outcome == "opened", decision
        assert decision.incident_id is not None
        return decision.incident_id

    async def incident(self, incident: int) -> schema.IncidentDetail:
        """An incident as the API shows it."""
        return await self.responder.store.read(lambda session: queries.incident(session, incident))

    async def incidents(self) -> list[Incident]:
        """Every incident."""
        return await self.responder.store.read(lambda s: list(s.exec(select(Incident)).all()))

    async def step_in(self, incident: int, name: str, *states: str) -> schema.Step:
        """One step of the incident's run, once it is in one of these states."""

        def look(session: Session) -> schema.Step:
            run = queries.incident(session, incident).run
            assert run is not None
            return next(step for step in run.steps if step.id == name)

        return await self.until(look, lambda step: step.state in states)

    async def run_in(self, incident: int, *states: str) -> schema.Run:
        """The incident's run, once it is in one of these states."""

        def look(session: Session) -> schema.Run:
            run = queries.incident(session, incident).run
            assert run is not None
            return run

        return await self.until(look, lambda run: run.state in states)

    async def timeline(self, incident: int) -> list[TimelineEntry]:
        """The incident's timeline."""
        return await self.responder.store.read(lambda s: records.timeline(s, incident))

    async def told(self, incident: int, kind: str) -> list[tuple[str, str]]:
        """Who did what of that kind, by the timeline."""
        return [(e.actor, e.text) for e in await self.timeline(incident) if e.kind == kind]

    async def switch(self, name: str = "tips") -> schema.Switch:
        """A switch as the API shows it."""
        return await self.responder.store.read(lambda session: queries.switch(session, name))

    async def until(
        self, look: Callable[[Session], T], good: Callable[[T], object], *, seconds: float = 10
    ) -> T:
        """Look again and again until what is seen is good."""
        deadline = time.monotonic() + seconds
        while True:
            found = await self.responder.store.read(look)
            if good(found):
                return found
            assert time.monotonic() < deadline, f"in vain for {seconds} s; last seen: {found}"
            await asyncio.sleep(0.02)


def folder(where: Path, **files: str) -> Path:
    """A playbooks folder: two areas and one switch, with these files added or put in place."""
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    for name, text in {"areas": DEFAULT_AREAS, "switches": SWITCHES, **files}.items():
        (where / f"{name}.yaml").write_text(text, encoding="utf-8")
    return where


def settings(database_url: str, playbooks: Path, **more: Any) -> Settings:
    """Settings with secrets, whatever the environment says."""
    return Settings(
        database_url=database_url,
        playbooks=playbooks,
        sentry_client_secret=(SecretStr("the-test-secret"),),
        api_token=SecretStr("the-test-token"),
        secret_key=SecretStr("the-test-key"),
        lease_seconds=2,
        slack_bot_token=None,
        **more,
    )


@contextlib.asynccontextmanager
async def office(
    database_url: str,
    playbooks: Path,
    *,
    more: Mapping[str, Any] | None = None,
    **environment: str,
) -> AsyncIterator[Office]:
    """A running responder; `more` are settings."""
    structlog.configure(  # not the default: it draws every frame of every trace, which takes long
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()]
    )
    configured = settings(database_url, playbooks, **(more or {}))
    responder = Responder(configured, {"NONE": "", **environment})
    responder.sources["plain"] = PlainSource()
    async with responder:
        yield Office(responder)
