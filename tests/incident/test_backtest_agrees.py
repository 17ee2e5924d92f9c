"""A backtest by the rules in force comes to what was decided live, delivery by delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from responder.backtest import _past, _recorded, _subjects, backtest
from responder.classify.backtest import Rehearsal
from responder.store.tables import Decision
from tests.in_process import ANN, Office, folder, office

AREAS = """
areas:
  credits:
    title: Credits
    severity: critical
    messages: [credit failure]
    threshold: { any: true }
  auth:
    title: Authentication
    severity: high
    messages: [OTP error]
    threshold:
      - { more_than: 2, per: 10m }
      - { failure_rate: 5%, per: 5m, at_least: 10, severity: critical }
    first_seen: tell
    families:
      codes:
        title: Codes
        messages: [OTP error code]
        severity: medium
        warn: { more_than: 1, per: 5m }
  staging:
    title: Staging is not counted
    severity: low
    messages: [quiet]
    environments: [production]
    threshold: { more_than: 1, per: 1h }
  default:
    title: Everything else
    severity: medium
    threshold: { more_than: 3, per: 1h }
    first_seen: open
"""
NOISE = """
ignore:
  network: { messages: [NetworkError] }
"""
NOW = datetime.now(UTC).replace(second=30, microsecond=0)

alerts = st.fixed_dictionaries(
    {
        "title": st.sampled_from(
            ["credit failure", "OTP error", "OTP error code 7", "quiet", "NetworkError", "other"]
        ),
        "environment": st.sampled_from(["production", "staging", ""]),
        "issue_id": st.sampled_from(["", "1", "2", "3"]),
        "event_id": st.sampled_from(["", "a", "b", "c", "d", "e", "f", "g", "h"]),
        "first_seen": st.booleans(),
        "ago": st.integers(0, 25),
    }
)
figures = st.fixed_dictionaries(
    {
        "signal": st.just("measured"),
        "measure": st.fixed_dictionaries(
            {
                "area": st.sampled_from(["auth", "auth", "nowhere"]),
                "attempts": st.integers(1, 20),
                "failures": st.integers(0, 1),
            }
        ),
        "environment": st.just("production"),
        "ago": st.integers(0, 8),
    }
)
others = st.fixed_dictionaries(
    {
        "signal": st.sampled_from(["resolved", "test", "unknown"]),
        "issue_id": st.sampled_from(["1", "2"]),
        "ago": st.just(0),
    }
)
acts = st.sampled_from(["resolve", "replay"])
story = st.lists(st.one_of(alerts, alerts, alerts, figures, others, acts), min_size=5, max_size=40)


async def live(here: Office, what: Sequence[Any]) -> None:
    """Deliver, and now and then resolve what is open or replay what came."""
    last = 0
    for one in what:
        if isinstance(one, dict):
            fields = dict(one)
            happened = NOW - timedelta(minutes=fields.pop("ago"))
            last = await here.deliver(occurred_at=happened, **fields)
        elif one == "replay" and last:
            last = await here.responder.desk.replay(last, ANN)
        elif last:
            await here.decision(last)
            for incident in await here.incidents():
                if incident.state != "resolved" and incident.id is not None:
                    await here.responder.desk.resolve(incident.id, ANN)
                    break
    if last:
        await here.decision(last)


async def agrees(here: Office) -> None:
    """Every recorded decision is what the backtest comes to, and so is every incident."""
    responder = here.responder
    started = NOW - timedelta(days=1)
    store = responder.store
    past = await store.read(lambda session: _past(session, started))
    rehearsal = Rehearsal(
        responder.configuration.rules,
        past,
        started=started,
        subjects=await store.read(lambda session: _subjects(session, started)),
    )
    decisions = await store.read(_decisions)
    names: dict[int, int] = {}
    async for recorded in _recorded(store, responder.sources, started):
        verdict = rehearsal.judge(recorded)
        was = decisions[recorded.id]
        assert verdict is not None
        assert (verdict.outcome, verdict.count, verdict.threshold) == (
            was.outcome,
            was.count,
            was.threshold,
        ), was
        assert (verdict.match.area if verdict.match else None) == was.area
        key = verdict.opens.key if verdict.opens else verdict.joins
        if key is not None and key < 0:
            key = names.setdefault(key, was.incident_id or 0)
        assert key == was.incident_id, was
    result = await backtest(
        store, responder.sources, responder.configuration, since=started, now=datetime.now(UTC)
    )
    assert result["deliveries"] == result["same"] == len(decisions)
    differences = {kind: result[kind] for kind in ("opens", "gone", "moved", "earlier")}
    assert not any(differences.values()), differences
    assert result["incidents_were"] == result["incidents_would_be"] == len(past)


def _decisions(session: Session) -> dict[int, Decision]:
    rows = session.exec(select(Decision).order_by(col(Decision.delivery_id)))
    return {row.delivery_id: row for row in rows}


@settings(
    max_examples=20,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(story)
def test_a_backtest_agrees_with_what_was_decided_live(tmp_path: Path, what: list[Any]) -> None:
    database = tmp_path / f"{len(list(tmp_path.iterdir()))}.db"
    where = folder(tmp_path / "p", areas=AREAS, noise=NOISE)

    async def play() -> None:
        async with office(f"sqlite:///{database}", where) as here:
            await live(here, what)
            await agrees(here)

    asyncio.run(play())
