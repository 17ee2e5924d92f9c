"""People are told when it has become quiet; nothing is resolved or released by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlmodel import Session

from responder.clock.watching import Watching
from responder.store.tables import Incident
from tests.in_process import ANN, Office, folder, office
from tests.incident.test_enquiries import HOLD

AREAS = """
areas:
  credits:
    title: Credits
    severity: critical
    messages: [credit failure]
    threshold: { any: true }
  video:
    title: Video
    severity: high
    messages: [video]
    metric_rules: [video]
    threshold: { more_than: 2, per: 1h }
  default: { title: Everything else, severity: medium, threshold: { more_than: 10, per: 1h } }
"""


class Later:
    """A watch whose clock is ahead."""

    def __init__(self, here: Office) -> None:
        self.here = here
        self.by = timedelta(0)
        responder = here.responder
        self.watching = Watching(
            responder.store,
            lambda: responder.configuration,
            now=lambda: datetime.now(UTC) + self.by,
            changed=responder.sender.wake,
        )

    async def look(self, minutes: float) -> None:
        self.by = timedelta(minutes=minutes)
        await self.watching.look()


async def test_quiet_is_told_once_and_changes_nothing_else(
    tmp_path: Path, database_url: str
) -> None:
    files = {"areas": AREAS, "credits": HOLD.format(mode="act")}
    async with office(database_url, folder(tmp_path / "p", **files)) as here:
        later = Later(here)
        incident = await here.opened()
        await here.step_in(incident, "stop", "succeeded")
        await later.look(14)
        assert await here.told(incident, "watch") == []
        for minutes in (16, 17, 60):
            await later.look(minutes)
        ((actor, text),) = await here.told(incident, "watch")
        assert actor == "responder"
        assert text.startswith("The error rate has fallen: 0 in the last 15 minutes")
        found = await here.incident(incident)
        assert found.calm_since is not None
        assert (found.state, found.holds) == ("open", ["tips"])
        assert (await here.switch()).confirmed


async def test_alerts_that_come_again_are_told_once(tmp_path: Path) -> None:
    playbooks = folder(tmp_path / "p", areas=AREAS)
    async with office(f"sqlite:///{tmp_path / 'r.db'}", playbooks) as here:
        later = Later(here)
        incident = await here.opened()
        await later.look(16)
        await here.responder.store.write(lambda session: _from_now_on(session, incident))
        # One that happened before and is heard late breaks no quiet.
        then = datetime.now(UTC) - timedelta(minutes=30)
        assert (await here.decided(title="credit failure", occurred_at=then)).outcome == "joined"
        assert (await here.incident(incident)).calm_since is not None
        for _ in range(3):
            await here.decided(title="credit failure")
        assert (await here.incident(incident)).calm_since is None
        ((_, text),) = await here.told(incident, "goes-on")
        assert text.startswith("It goes on, after ")
        await later.look(14)
        assert len(await here.told(incident, "watch")) == 1
        await later.look(17)
        assert len(await here.told(incident, "watch")) == 2


async def test_sentrys_word_counts_only_after_the_last_alert(tmp_path: Path) -> None:
    playbooks = folder(tmp_path / "p", areas=AREAS)
    async with office(f"sqlite:///{tmp_path / 'r.db'}", playbooks) as here:
        later = Later(here)
        for _ in range(3):
            decision = await here.decided(title="video", issue_id="7")
        incident = decision.incident_id
        assert incident is not None
        resolved = {"signal": "resolved", "issue_id": "7", "actor": "Rosa"}
        await here.decided("issue", **resolved)
        await here.decided(title="video", issue_id="7")
        await later.look(20)
        assert await here.told(incident, "watch") == []
        await here.decided("issue", **resolved)
        await later.look(20)
        ((_, text),) = await here.told(incident, "watch")
        assert "Sentry: issue triggered by Rosa" in text  # the plain source's action


async def test_a_metric_alert_is_over_when_sentry_says_so(tmp_path: Path) -> None:
    metric = {"rule": "video", "query": "", "aggregate": "", "description": ""}
    playbooks = folder(tmp_path / "p", areas=AREAS)
    async with office(f"sqlite:///{tmp_path / 'r.db'}", playbooks) as here:
        later = Later(here)
        fired = await here.decided("metric_alert", title="video", metric={"id": "1", **metric})
        assert fired.incident_id is not None
        await later.look(24 * 60)
        assert await here.told(fired.incident_id, "watch") == []
        over = {"signal": "resolved", "metric": {"id": "1", **metric}}
        await here.decided("metric_alert", **over)
        await later.look(20)
        assert len(await here.told(fired.incident_id, "watch")) == 1


async def test_what_is_resolved_is_watched_no_more(tmp_path: Path) -> None:
    playbooks = folder(tmp_path / "p", areas=AREAS)
    async with office(f"sqlite:///{tmp_path / 'r.db'}", playbooks) as here:
        incident = await here.opened()
        await here.responder.desk.resolve(incident, ANN)
        await Later(here).look(60)
        assert await here.told(incident, "watch") == []


def _from_now_on(session: Session, incident: int) -> None:
    """The watch's clock was ahead; alerts keep to ours."""
    found = session.get_one(Incident, incident)
    found.calm_since = datetime.now(UTC)
    session.add(found)
