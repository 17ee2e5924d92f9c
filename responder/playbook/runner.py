"""Drives runs: claims them, starts the steps that are due, records what came of each.

A step is written down as started before its effect and as finished after. Whoever finds a
started step of a dead driver asks its action what happened before doing anything again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError
from sqlmodel import Session, col, or_, select, update

from responder import faults
from responder.actions.base import Done, Failed, Outcome, StepContext, Tools
from responder.chat import outbox
from responder.incident import records
from responder.incident.lifecycle import IncidentState
from responder.incident.times import duration
from responder.playbook import steps
from responder.playbook.run import RunState, StepState, next_of
from responder.playbook.steps import Plan
from responder.store.database import Store
from responder.store.tables import Incident, Run, Step

log = structlog.get_logger()

SAFETY_NET = 1.0  # seconds between looks when nobody woke us


class Fenced(Exception):
    """Another driver took this run over; whatever we still do must not be written."""


@dataclass(frozen=True, slots=True)
class _Lease:
    run_id: int
    fence: int


@dataclass(frozen=True, slots=True)
class _Job:
    """One step to work on, `crashed` if an earlier driver died in the middle of it."""

    context: StepContext
    plan: Plan
    crashed: bool


@dataclass(frozen=True, slots=True)
class _Round:
    jobs: tuple[_Job, ...]
    wake_at: datetime | None
    over: bool  # nothing more to do here until a person acts


class Runner:
    """Drives every run that has something to do, each in a task of its own.

    Args:
        owner: this process among replicas.
        lease: how long a run stays ours after we last said so.
        changed: called after each change that chat should show.
    """

    def __init__(
        self,
        store: Store,
        tools: Tools,
        *,
        owner: str,
        lease: timedelta,
        now: Callable[[], datetime],
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._tools = tools
        self._owner = owner
        self._lease = lease
        self._now = now
        self._changed = changed
        self._woken = asyncio.Event()
        self._driving: dict[_Lease, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Look at once; a run has something to do."""
        self._woken.set()

    async def run(self) -> None:
        """Claim and drive for ever; on cancellation, let go of what was claimed."""
        if self._store.is_sqlite:
            # Only one process drives a SQLite database, and the last one is dead.
            await self._store.write(_forget_leases)
        keeper = asyncio.create_task(self._keep_leases())
        try:
            while True:
                self._woken.clear()
                for lease in await self._store.write(self._claim):
                    self._driving[lease] = asyncio.create_task(self._drive_safely(lease))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SAFETY_NET):
                        await self._woken.wait()
        finally:
            driving = list(self._driving.values())
            for task in (keeper, *driving):
                task.cancel()
            await asyncio.gather(keeper, *driving, return_exceptions=True)
            # So that whoever runs next need not wait for our leases to end.
            await self._store.write(lambda session: _forget_leases(session, self._owner))

    def _claim(self, session: Session) -> list[_Lease]:
        now = self._now()
        runs = session.exec(
            select(Run)
            .where(
                Run.state == RunState.RUNNING,
                or_(col(Run.lease_until).is_(None), col(Run.lease_until) < now),
                col(Run.id).not_in([lease.run_id for lease in self._driving]),
            )
            .order_by(col(Run.id))
            .limit(50)
            .with_for_update(skip_locked=True)
        ).all()
        leases = []
        for run in runs:
            run.fence += 1
            run.lease_owner, run.lease_until = self._owner, now + self._lease
            session.add(run)
            assert run.id is not None
            leases.append(_Lease(run.id, run.fence))
        return leases

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            until = self._now() + self._lease
            renewal = (
                update(Run)
                .where(
                    col(Run.id).in_([lease.run_id for lease in self._driving]),
                    col(Run.lease_owner) == self._owner,
                )
                .values(lease_until=until)
            )
            try:
                await self._store.write(lambda session, one=renewal: session.execute(one))  # type: ignore[misc]
            except Exception:
                log.exception("lease.not_renewed")  # the next beat may

    async def _drive_safely(self, lease: _Lease) -> None:
        try:
            await self._drive(lease)
        except Fenced:
            log.warning("run.fenced", run=lease.run_id)
        except Exception:
            # The lease runs out and the run is claimed again: a fault here delays, never loses.
            log.exception("run.driver_failed", run=lease.run_id)
        finally:
            self._driving.pop(lease, None)

    async def _drive(self, lease: _Lease) -> None:
        under_way: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                mine = frozenset(under_way)
                found = await self._store.write(
                    lambda session, mine=mine: self._look(session, lease, mine)  # type: ignore[misc]
                )
                self._changed()
                for job in found.jobs:
                    faults.point("step.started")
                    under_way[job.context.step] = asyncio.create_task(self._work(lease, job))
                if found.over and not under_way:
                    return
                await self._until_something(under_way, found.wake_at)
        finally:
            for task in under_way.values():
                task.cancel()

    async def _until_something(
        self, under_way: dict[str, asyncio.Task[None]], wake_at: datetime | None
    ) -> None:
        """Wait for a step to end or a timer, at most for a moment: a person may have acted."""
        wait = SAFETY_NET
        if wake_at is not None:
            wait = min(wait, max((wake_at - self._now()).total_seconds(), 0.01))
        if not under_way:
            await asyncio.sleep(wait)
            return
        done, _ = await asyncio.wait(
            under_way.values(), timeout=wait, return_when=asyncio.FIRST_COMPLETED
        )
        for name in [name for name, task in under_way.items() if task in done]:
            await under_way.pop(name)

    def _look(self, session: Session, lease: _Lease, mine: frozenset[str]) -> _Round:
        """Find what is due, and write down what starts, asks, or is over."""
        now = self._now()
        run = _fenced(session, lease)
        rows = steps.of_run(session, lease.run_id)
        plans = {row.name: steps.plan(row, run) for row in rows}
        # Locked, so that nobody resolves it while a step of it is being started.
        resolved = records.find(session, run.incident_id).state == IncidentState.RESOLVED
        for row in rows:
            if row.state != StepState.PENDING:
                continue
            if resolved:
                steps.leave_out(row, now=now)
            elif plans[row.name].withheld:
                steps.withhold(session, row, plans[row.name], run.incident_id, now=now)
        following = next_of([steps.view(session, row, plans[row.name]) for row in rows], now=now)
        jobs = []
        for row in rows:
            crashed = row.state == StepState.RUNNING and row.name not in mine
            if row.name in following.ask:
                steps.ask(session, row, plans[row.name], run.incident_id, now=now)
            elif row.name in following.start or crashed:
                row.state = StepState.RUNNING
                row.started_at = row.started_at or now
                row.attempts += 1
                row.due_at = None
                jobs.append(_Job(self._context(session, run, row), plans[row.name], crashed))
            session.add(row)
        if jobs or following.ask:
            outbox.refresh(session, run.incident_id)
        if jobs or following.state is RunState.RUNNING:
            return _Round(tuple(jobs), following.wake_at, over=False)
        self._let_go(session, run, following.state, now)
        return _Round((), None, over=True)

    def _let_go(self, session: Session, run: Run, state: RunState, now: datetime) -> None:
        run.state = state
        run.lease_owner = run.lease_until = None
        if state is RunState.SUCCEEDED:
            run.finished_at = now
            incident = records.find(session, run.incident_id)
            if not records.standing_holds(session, run.incident_id):
                text = f"Every step of {run.playbook} is done"
                records.mitigate(session, incident, text=text, now=now)
        session.add(run)
        outbox.refresh(session, run.incident_id)

    def _context(self, session: Session, run: Run, row: Step) -> StepContext:
        incident = session.get_one(Incident, run.incident_id)
        assert run.id is not None
        assert row.id is not None
        return StepContext(
            incident_id=run.incident_id,
            incident_title=incident.title,
            run_id=run.id,
            step_id=row.id,
            step=row.name,
            key=f"{row.key}-{row.round}" if row.round else row.key,
            attempt=row.attempts,
            tools=self._tools,
            now=self._now,
        )

    async def _work(self, lease: _Lease, job: _Job) -> None:
        outcome = await self._outcome(job)
        faults.point("step.effected")
        try:
            await self._store.write(lambda session: self._finish(session, lease, job, outcome))
        except OperationalError:
            raise  # the database has trouble: whoever drives the run next finds out what happened
        except (StatementError, ValueError) as error:
            # Better to say only that than to do the step again and again for its answer.
            log.exception("step.outcome_not_stored", step=job.context.step)
            bare = Failed(f"its outcome can't be stored: {type(error).__name__}")
            await self._store.write(lambda session: self._finish(session, lease, job, bare))
        faults.point("step.finished")
        self._changed()

    async def _outcome(self, job: _Job) -> Outcome:
        action, params = job.plan.action, job.plan.params
        try:
            async with asyncio.timeout(job.plan.spec.timeout.total_seconds()):
                if job.crashed:
                    found = await action.reconcile(job.context, params)
                    if found is not None:
                        return found
                return await action.run(job.context, params)
        except TimeoutError:
            limit = duration(job.plan.spec.timeout)
            return Failed(f"no answer within {limit}; what came of it is not known", again=True)
        except DBAPIError:
            raise  # our database has trouble, not the step: it is looked into again
        except Exception as error:
            log.exception("step.broke", step=job.context.step)
            return Failed(f"the action itself broke: {type(error).__name__}: {error}")

    def _finish(self, session: Session, lease: _Lease, job: _Job, outcome: Outcome) -> None:
        now = self._now()
        run = _fenced(session, lease)
        row = session.get_one(Step, job.context.step_id)
        if row.state != StepState.RUNNING:
            return  # a person skipped it meanwhile
        steps.record(session, row, job.plan, outcome, run.incident_id, now=now)
        outbox.refresh(session, run.incident_id)
        if isinstance(outcome, Done) and job.plan.action.effect:
            outbox.news(
                session, run.incident_id, f"{row.key}:{row.attempts}", outcome.summary, now=now
            )


def _fenced(session: Session, lease: _Lease) -> Run:
    run = session.exec(select(Run).where(Run.id == lease.run_id).with_for_update()).one()
    if run.fence != lease.fence:
        raise Fenced
    return run


def _forget_leases(session: Session, owner: str | None = None) -> Any:
    query = update(Run).values(lease_owner=None, lease_until=None)
    return session.execute(query.where(col(Run.lease_owner) == owner) if owner else query)
