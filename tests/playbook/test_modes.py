"""How far a playbook goes by itself: shadow, ask, act, and alerts too old or replayed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.in_process import ANN, Office, folder, office

PLAYBOOK = """
playbook: credits
title: Credits
area: credits
mode: {mode}
steps:
  - id: stop
    action: switch.hold
    switch: tips
    needs: []
  - id: announce
    action: chat.incident
    needs: []
  - id: resume
    action: switch.release
    switch: tips
    needs: [stop]
    approval: {{ by: responders }}
"""


async def held_only_after_approval(office: Office, incident: int) -> None:
    """The card goes out, the pause waits; then it comes."""
    assert await office.step_in(incident, "announce", "succeeded")
    stop = await office.step_in(incident, "stop", "waiting")
    assert stop.asks_approval
    assert stop.summary == "Pause tips"
    assert stop.attempts == 0
    await office.run_in(incident, "waiting")
    assert (await office.switch()).holds == []
    assert (await office.switch()).detail == "never changed"
    await office.responder.desk.decide(stop.step_id, ANN, approve=True)
    await office.step_in(incident, "stop", "succeeded")
    assert [hold.incident for hold in (await office.switch()).holds] == [incident]


async def test_in_mode_act_a_fresh_alert_pauses_at_once(tmp_path: Path, database_url: str) -> None:
    where = folder(tmp_path / "p", credits=PLAYBOOK.format(mode="act"))
    async with office(database_url, where) as here:
        incident = await here.opened(occurred_at=datetime.now(UTC) - timedelta(minutes=14))
        assert (await here.step_in(incident, "stop", "succeeded", "waiting")).state == "succeeded"
        assert (await here.switch()).state == "paused"
        assert (await here.run_in(incident, "waiting")).mode == "act"


async def test_in_mode_ask_a_person_approves_the_pause(tmp_path: Path, database_url: str) -> None:
    where = folder(tmp_path / "p", credits=PLAYBOOK.format(mode="ask"))
    async with office(database_url, where) as here:
        incident = await here.opened()
        await held_only_after_approval(here, incident)
        assert ("responder", "Stop: waiting for approval to pause tips") in await here.told(
            incident, "asked"
        )


async def test_an_old_alert_asks_before_it_pauses(tmp_path: Path, database_url: str) -> None:
    where = folder(tmp_path / "p", credits=PLAYBOOK.format(mode="act"))
    async with office(database_url, where) as here:
        old = datetime.now(UTC) - timedelta(minutes=15, seconds=5)
        incident = await here.opened(occurred_at=old)
        ((_, text),) = await here.told(incident, "run")
        assert text == (
            "Playbook credits started in mode ask: the alert is too old to act on unasked"
        )
        await held_only_after_approval(here, incident)


async def test_how_old_is_too_old_stands_in_the_area(tmp_path: Path) -> None:
    areas = (Path(tmp_path) / "p" / "areas.yaml", "act_within: 2h")
    where = folder(tmp_path / "p", credits=PLAYBOOK.format(mode="act"))
    text = areas[0].read_text()
    areas[0].write_text(text.replace("title: Credits", f"title: Credits\n    {areas[1]}"))
    async with office(f"sqlite:///{tmp_path / 'r.db'}", where) as here:
        incident = await here.opened(occurred_at=datetime.now(UTC) - timedelta(hours=1))
        await here.step_in(incident, "stop", "succeeded")


async def test_a_replay_asks_before_it_pauses(tmp_path: Path, database_url: str) -> None:
    where = folder(tmp_path / "p", credits=PLAYBOOK.format(mode="act"))
    async with office(database_url, where) as here:
        first = await here.decided(title="credit failure", event_id="e1")
        assert first.incident_id is not None
        await here.step_in(first.incident_id, "stop", "succeeded")
        await here.responder.desk.release("tips", ANN, "checked", first.incident_id)
        await here.responder.desk.resolve(first.incident_id, ANN)
        again = await here.responder.desk.replay(first.delivery_id, ANN)
        decision = await here.decision(again)
        assert decision.outcome == "opened"
        incident = decision.incident_id
        assert incident is not None
        assert incident != first.incident_id
        ((_, text),) = await here.told(incident, "run")
        assert text == "Playbook credits started in mode ask: the alert is a replay"
        stop = await here.step_in(incident, "stop", "waiting")
        await here.run_in(incident, "waiting")
        assert (await here.switch()).state == "running"
        await here.responder.desk.decide(stop.step_id, ANN, approve=True)
        await here.step_in(incident, "stop", "succeeded")


@pytest.mark.parametrize("how", ["fresh", "old"])
async def test_shadow_pauses_nothing_and_says_what_it_would_do(tmp_path: Path, how: str) -> None:
    where = folder(tmp_path / "p", credits=PLAYBOOK.format(mode="shadow"))
    async with office(f"sqlite:///{tmp_path / 'r.db'}", where) as here:
        age = timedelta(hours=3 if how == "old" else 0)
        incident = await here.opened(occurred_at=datetime.now(UTC) - age)
        run = await here.run_in(incident, "succeeded")
        assert run.mode == "shadow"
        steps = {step.id: step for step in run.steps}
        assert steps["stop"].state == steps["resume"].state == "skipped"
        assert steps["stop"].summary == "shadow: would pause tips"
        assert steps["announce"].state == "succeeded"
        switch = await here.switch()
        assert (switch.state, switch.detail, switch.holds) == ("running", "never changed", [])
        assert ("responder", "Stop: shadow: would pause tips") in await here.told(incident, "step")
