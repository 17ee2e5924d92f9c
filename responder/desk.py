"""What people can do, from whichever page, chat, command or API call they do it.

Each act is one unit of work: checked, recorded on the timeline with who and when, and shown
in chat; then whoever must go on is woken.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from sqlmodel import Session, select

from responder.chat import base, outbox
from responder.chat.views import approvals_of, items_of, title_of
from responder.chat.words import one_line
from responder.classify.severity import Severity
from responder.incident import records, snoozes
from responder.incident.lifecycle import IncidentState, NotAllowed, check_resolve
from responder.incident.times import clock
from responder.people.roles import Forbidden, Person, Role
from responder.playbook import steps
from responder.playbook.begin import latest
from responder.playbook.folder import Configuration
from responder.playbook.run import RunState, StepState
from responder.postmortem import records as postmortems
from responder.store.database import Store
from responder.store.tables import Approval, ChecklistItem, Delivery, Incident, Run, Snooze, Step
from responder.switches.base import Reading
from responder.switches.board import SwitchBoard

T = TypeVar("T")


class Desk:
    """Carries out what people ask for.

    Everything here raises `LookupError` for what is not there, `Forbidden` for what the
    person may not do, and `NotAllowed` for what does not fit the present state.

    Args:
        configuration: gives the configuration in force.
        changed: wakes whoever acts on what was written.
    """

    def __init__(
        self,
        store: Store,
        switches: SwitchBoard,
        configuration: Callable[[], Configuration],
        *,
        now: Callable[[], datetime],
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._switches = switches
        self._configuration = configuration
        self._now = now
        self._changed = changed

    async def carry_out(self, command: base.Command, person: Person) -> str:
        """Do what somebody pressed in a chat.

        Returns:
            One line for the one who pressed it.
        """
        match command:
            case base.Acknowledge(incident_id):
                return await self.acknowledge(incident_id, person)
            case base.Escalate(incident_id):
                return await self.escalate(incident_id, person)
            case base.Resolve(incident_id):
                return await self.resolve(incident_id, person)
            case base.Tick(step_id, shown, done):
                return await self.tick(step_id, person, shown=shown, done=done)
            case base.Decide(step_id, approve, reason):
                return await self.decide(step_id, person, approve=approve, reason=reason)

    async def acknowledge(self, incident_id: int, person: Person) -> str:
        """Take an incident on."""
        person.must_be(Role.RESPONDER)

        def work(session: Session, now: datetime) -> str:
            incident = records.find(session, incident_id)
            first = records.acknowledge(session, incident, by=person.name, now=now)
            outbox.refresh(session, incident_id)
            if first:
                return f"Incident {incident_id} is yours"
            return f"Incident {incident_id} was acknowledged by {incident.acknowledged_by} already"

        return await self._act(work)

    async def escalate(self, incident_id: int, person: Person, reason: str = "") -> str:
        """Call for more help."""
        person.must_be(Role.RESPONDER)

        def work(session: Session, now: datetime) -> str:
            incident = records.find(session, incident_id)
            text = f"Escalated; turn to {self._called(incident.area)}" + (reason and f": {reason}")
            records.escalate(session, incident, by=person.name, text=text, now=now)
            key = f"escalated:{incident.escalation_level}"
            outbox.news(session, incident_id, key, f"{text} (by {person.name})", now=now)
            outbox.refresh(session, incident_id)
            return text

        return await self._act(work)

    async def resolve(self, incident_id: int, person: Person) -> str:
        """Close an incident; its post-mortem is drafted. Refused while it keeps a hold."""
        person.must_be(Role.RESPONDER)

        def work(session: Session, now: datetime) -> str:
            incident = records.find(session, incident_id)
            check_resolve(
                IncidentState(incident.state),
                holds=records.standing_holds(session, incident_id),
                changing=_changing(session, incident_id),
            )
            records.resolve(session, incident, by=person.name, now=now)
            postmortems.draft(session, incident, now=now)
            outbox.refresh(session, incident_id)
            return f"Incident {incident_id} is resolved; its post-mortem is drafted"

        return await self._act(work)

    async def tick(
        self, step_id: int, person: Person, *, shown: tuple[int, ...], done: tuple[int, ...]
    ) -> str:
        """Tick the items in `done` and untick the others in `shown`."""
        person.must_be(Role.RESPONDER)

        def work(session: Session, now: datetime) -> str:
            step, run = _step(session, step_id)
            items = items_of(session, step_id)
            if not items:  # or an empty list of ticks would complete a step that asks for approval
                raise NotAllowed(f"{title_of(step)} has no checklist to tick")
            for item in items:
                if item.id in shown:
                    _tick(session, item, item.id in done, run.incident_id, person, now)
            left = sum(item.done_at is None for item in items)
            if left == 0 and step.state == StepState.WAITING:
                step.state, step.finished_at = StepState.SUCCEEDED, now
                step.summary = f"all {len(items)} items checked"
                _go_on(session, step, run)
            outbox.refresh(session, run.incident_id)
            return f"{left} of {len(items)} items left" if left else "The checklist is complete"

        return await self._act(work)

    async def decide(self, step_id: int, person: Person, *, approve: bool, reason: str = "") -> str:
        """Approve or deny what a step asks for."""

        def work(session: Session, now: datetime) -> str:
            step, run = _step(session, step_id)
            plan = steps.plan(step, run)
            asks = plan.approval is not None and not items_of(session, step_id)
            if plan.approval is None or not asks or step.state != StepState.WAITING:
                raise NotAllowed(f"{title_of(step)} does not wait for an approval any more")
            person.must_be(Role.ADMIN if plan.approval.by == "admins" else Role.RESPONDER)
            said = approvals_of(session, step_id, step.round)
            if any(one.person_key == person.identity for one in said):
                raise NotAllowed("you have decided on this already; it takes somebody else")
            session.add(
                Approval(
                    step_id=step_id,
                    round=step.round,
                    person=person.name,
                    person_key=person.identity,
                    approve=approve,
                    reason=reason,
                    at=now,
                )
            )
            session.flush()
            text = f"{title_of(step)}: {'approved' if approve else 'denied'}" + (
                reason and f": {reason}"
            )
            _note(session, run, person, "approval", text, now)
            if not approve:
                step.state, step.finished_at = StepState.FAILED, now
                step.error = f"denied by {person.name}" + (reason and f": {reason}")
                _go_on(session, step, run)
            elif steps.approved(session, step, plan.approval):
                step.state = StepState.PENDING
                _go_on(session, step, run)
            outbox.refresh(session, run.incident_id)
            return text

        return await self._act(work)

    async def retry(self, step_id: int, person: Person) -> str:
        """Try a failed step again. If it asks for approval, it asks anew."""
        person.must_be(Role.RESPONDER)

        def work(session: Session, now: datetime) -> str:
            step, run = _step(session, step_id)
            if step.state != StepState.FAILED:
                raise NotAllowed(f"{title_of(step)} is {step.state}; only a failed step is retried")
            step.state, step.finished_at, step.due_at = StepState.PENDING, None, None
            step.attempts, step.round = 0, step.round + 1
            _go_on(session, step, run)
            _note(session, run, person, "retried", f"{title_of(step)}: tried again", now)
            outbox.refresh(session, run.incident_id)
            return f"{title_of(step)} is tried again"

        return await self._act(work)

    async def skip(self, step_id: int, person: Person, reason: str) -> str:
        """Go on without a step, saying why. A hold it would have released stays."""
        person.must_be(Role.RESPONDER)
        if not reason.strip():
            raise NotAllowed("say why the step is skipped; the post-mortem will ask")

        def work(session: Session, now: datetime) -> str:
            step, run = _step(session, step_id)
            if step.state not in (StepState.PENDING, StepState.WAITING, StepState.FAILED):
                raise NotAllowed(f"{title_of(step)} is {step.state} and can't be skipped")
            step.state, step.finished_at = StepState.SKIPPED, now
            step.summary, step.error = f"skipped by {person.name}: {reason}", None
            _go_on(session, step, run)
            _note(session, run, person, "skipped", f"{title_of(step)}: skipped: {reason}", now)
            outbox.refresh(session, run.incident_id)
            return f"{title_of(step)} is skipped"

        return await self._act(work)

    async def hold(self, switch: str, person: Person, reason: str) -> Reading:
        """Pause a switch by hand, with no incident.

        Raises:
            SwitchError: the hold stands, but the pause is not confirmed.
        """
        person.must_be(Role.RESPONDER)
        key = f"hand-{switch}-{self._now().timestamp()}"
        return await self._switches.hold(
            switch, key=key, by=person.name, reason=reason, incident_id=None
        )

    async def release(
        self, switch: str, person: Person, reason: str, incident_id: int | None = None
    ) -> Reading:
        """Lift the holds placed by hand, or those of an incident that can't do it itself.

        What a playbook asks of whoever approves its release, this asks too.

        Raises:
            SwitchError: the holds are lifted, but the resume is not confirmed.
        """
        person.must_be(Role.RESPONDER)
        if incident_id is not None:
            person.must_be(
                await self._store.read(lambda session: _releaser(session, incident_id, switch))
            )
        key = f"hand-{switch}-{self._now().timestamp()}"
        reading = await self._switches.release(
            switch, key=key, by=person.name, reason=reason, incident_id=incident_id
        )
        if incident_id is not None:
            text = f"{switch}: this incident's hold released by hand: {reason}"

            def work(session: Session, now: datetime) -> None:
                records.note(
                    session, incident_id, at=now, actor=person.name, kind="released", text=text
                )
                outbox.refresh(session, incident_id)

            await self._act(work)
        return reading

    async def snooze(
        self,
        person: Person,
        *,
        area: str | None = None,
        issue_id: str | None = None,
        until: datetime,
        reason: str,
    ) -> int:
        """Keep alerts of an area or of an issue quiet for a while. They are stored all the same.

        What is critical may be snoozed by admins only, and not for long.

        Returns:
            The snooze's id.
        """
        person.must_be(Role.RESPONDER)
        if (area is None) == (issue_id is None):
            raise NotAllowed("say what to snooze: either an area or an issue")
        reason = one_line(reason)
        if not reason:
            raise NotAllowed("say why; whoever wonders where the alerts are will ask")

        def work(session: Session, now: datetime) -> int:
            areas = [area] if area else snoozes.areas_of_issue(session, issue_id or "")
            critical = self._critical(areas, issue_id)
            if critical and not person.role.includes(Role.ADMIN):
                raise Forbidden(
                    f"{person.name} is {person.role.one}; {critical} is critical, and snoozing "
                    "it takes an admin"
                )
            snoozes.check_until(until, now, critical=bool(critical))
            row = snoozes.start(
                session,
                area=area,
                issue_id=issue_id,
                until=until,
                by=person.name,
                reason=reason,
                now=now,
            )
            assert row.id is not None
            text = f"{person.name} snoozed {snoozes.about(row)} until {clock(until)}"
            _tell_of_snooze(session, row, text, f"Why: {row.reason}", now)
            return row.id

        return await self._act(work)

    async def end_snooze(self, snooze_id: int, person: Person) -> str:
        """End a snooze before its time: alerts count again from now on."""
        person.must_be(Role.RESPONDER)

        def work(session: Session, now: datetime) -> str:
            row = snoozes.end(session, snooze_id, by=person.name, now=now)
            text = f"{person.name} ended the snooze of {snoozes.about(row)}"
            _tell_of_snooze(session, row, text, "Its alerts count again.", now)
            return f"Alerts about {snoozes.about(row)} count again"

        return await self._act(work)

    def _critical(self, areas: list[str], issue_id: str | None) -> str:
        """Which of the areas is critical; "" if none is.

        Raises:
            LookupError: there is no such area, or nobody has heard of the issue.
        """
        rules = self._configuration().rules
        if not areas:
            raise LookupError(
                f"no alert about an issue {issue_id} has come; take the number at the end of its "
                "address in Sentry, or from its delivery"
            )
        known = rules.areas.root
        if issue_id is None and areas[0] not in known:
            raise LookupError(f"there is no area {areas[0]}; there are: {', '.join(known)}")
        return next(
            (
                name
                for name in areas
                if name in known
                and Severity.CRITICAL in (known[name].severity, rules.severity_of(name))
            ),
            "",
        )

    async def replay(self, delivery_id: int, person: Person) -> int:
        """Send a stored delivery through again, marked as a replay, which starts no effects.

        Returns:
            The id of the new delivery.
        """
        person.must_be(Role.RESPONDER)

        def work(session: Session, now: datetime) -> int:
            delivery = session.get(Delivery, delivery_id)
            if delivery is None:
                raise LookupError(f"there is no delivery {delivery_id}")
            again = Delivery(
                source=delivery.source,
                resource=delivery.resource,
                action=delivery.action,
                key=f"replay:{delivery_id}:{now.timestamp()}",
                received_at=now,
                headers=delivery.headers,
                body=delivery.body,
                origin="replay",
                replay_of=delivery_id,
            )
            session.add(again)
            session.flush()
            assert again.id is not None
            return again.id

        return await self._act(work)

    async def _act(self, work: Callable[[Session, datetime], T]) -> T:
        now = self._now()
        result = await self._store.write(lambda session: work(session, now))
        self._changed()
        return result

    def _called(self, area: str) -> str:
        contacts = self._configuration().contacts_for(area)
        called = [f"{one.name} ({one.reach})" for one in contacts if one.escalation]
        return ", ".join(called) or "everybody here"


def _tell_of_snooze(session: Session, snooze: Snooze, text: str, more: str, now: datetime) -> None:
    """Say it where the alerts would have been: nothing is made quiet quietly."""
    key = f"snooze:{snooze.id}:{'ended' if snooze.ended_at else 'started'}"
    incidents = snoozes.open_incidents(session, snooze)
    for incident_id in incidents:
        outbox.news(session, incident_id, key, f"{text}. {more}", now=now)
        outbox.refresh(session, incident_id)
    if not incidents:
        outbox.tell(session, key, text, more, now=now)


def _changing(session: Session, incident_id: int) -> list[str]:
    """Steps of the incident's run that are in the middle of changing a switch."""
    run = latest(session, incident_id)
    return [
        title_of(step)
        for step in (steps.of_run(session, run.id) if run and run.id else [])
        if str(step.spec.get("action", "")).startswith("switch.")
        and (step.state == StepState.RUNNING or (step.state == StepState.PENDING and step.attempts))
    ]


def _releaser(session: Session, incident_id: int, switch: str) -> Role:
    """The role that the incident's own playbook wants for releasing the switch."""
    if session.get(Incident, incident_id) is None:
        raise LookupError(f"there is no incident {incident_id}")
    found = select(Step).join(Run).where(Run.incident_id == incident_id)
    for step in session.exec(found):
        spec = step.spec
        if spec.get("action") == "switch.release" and spec.get("switch") == switch:
            approval = spec.get("approval") or {}
            if approval.get("by") == "admins":
                return Role.ADMIN
    return Role.RESPONDER


def _step(session: Session, step_id: int) -> tuple[Step, Run]:
    step = session.get(Step, step_id)
    if step is None:
        raise LookupError(f"there is no step {step_id}")
    # The run's driver locks it before it looks at steps: what we change, it must see.
    run = session.get_one(Run, step.run_id, with_for_update=True)
    session.refresh(step, with_for_update=True)
    if session.get_one(Incident, run.incident_id).state == IncidentState.RESOLVED:
        raise NotAllowed("this incident is resolved already")
    return step, run


def _go_on(session: Session, step: Step, run: Run) -> None:
    run.state = RunState.RUNNING
    session.add(step)
    session.add(run)


def _tick(
    session: Session,
    item: ChecklistItem,
    done: bool,
    incident_id: int,
    person: Person,
    now: datetime,
) -> None:
    if done == (item.done_at is not None):
        return
    item.done_at, item.done_by = (now, person.name) if done else (None, None)
    session.add(item)
    records.note(
        session,
        incident_id,
        at=now,
        actor=person.name,
        kind="ticked",
        text=f"{'Checked' if done else 'Unchecked'}: {item.text}",
    )


def _note(session: Session, run: Run, person: Person, kind: str, text: str, now: datetime) -> None:
    records.note(session, run.incident_id, at=now, actor=person.name, kind=kind, text=text)
