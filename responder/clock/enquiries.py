"""Finding out what is around an incident: from its alert at once, from Sentry after containment.

What waits, waits as the `IncidentContext` row that an incident opens with: `due_at` says when
to look next. Sentry is asked nothing while a step that pauses something is about to be done,
and nothing here stands in a step's way: a Sentry that hangs delays only what is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from sqlmodel import Session, col, select

from responder.chat import outbox
from responder.incident import context, records
from responder.incident.context import EventFacts, IssueFacts, Privacy, SentryFacts
from responder.incident.issues import MOST, is_issue, issues_of
from responder.incident.lifecycle import IncidentState
from responder.playbook import steps
from responder.playbook.run import RunState, StepState
from responder.receive.fields import mapping, text
from responder.receive.sentry_api import Json, SentryApi, SentryApiError
from responder.receive.sentry_rest import as_webhook_event
from responder.receive.source import NotUnderstood, Source, json_object
from responder.store.database import Store
from responder.store.tables import Decision, Delivery, Incident, IncidentContext, Run

log = structlog.get_logger()

LOOK = 1.0  # seconds between looks at what is due
BATCH = 100  # rows looked at together; an area has few open incidents
AT_ONCE = 4  # incidents that Sentry is asked about at the same time
LEASE = timedelta(minutes=2)  # before whoever asks is taken for dead
REFRESH = timedelta(minutes=5)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), REFRESH  # before asking again in vain
NOT_THERE = 5  # answers 404 before an issue is taken for gone: Sentry is not always up to date
GIVE_UP = timedelta(days=1)
NOT_FOUND = 404

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Enquiry:
    """One incident to ask Sentry about. `issues` has the one that opened it first."""

    incident_id: int
    issues: tuple[str, ...]
    event: EventFacts
    known: SentryFacts


@dataclass(frozen=True, slots=True)
class _Due:
    """An incident whose row is due: what its alert tells, and what to ask, if it is time."""

    incident_id: int
    told: EventFacts
    over: bool  # nothing is to be asked any more
    enquiry: Enquiry | None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What Sentry told; `trouble` is the last thing that could not be found out."""

    facts: SentryFacts
    fresh: bool  # at least one issue was read
    trouble: SentryApiError | None


class Enquiries:
    """Looks for rows that are due, for ever.

    Args:
        sentry: None where no token is set; then only alerts are read.
        changed: called when chat should show something new.
    """

    def __init__(
        self,
        store: Store,
        sources: Mapping[str, Source],
        sentry: SentryApi | None,
        privacy: Privacy,
        *,
        now: Callable[[], datetime],
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._sources = sources
        self._sentry = sentry
        self._privacy = privacy
        self._now = now
        self._changed = changed
        self._asking: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Look for ever; on cancellation, stop asking."""
        if self._sentry is not None:
            await self._store.write(self._ask_what_was_not)
        try:
            while True:
                await self._look()
                await asyncio.sleep(LOOK)
        finally:
            asking = list(self._asking.values())
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    def _ask_what_was_not(self, session: Session) -> None:
        """Open incidents from a time without a token are asked about now that there is one."""
        rows = session.exec(
            select(IncidentContext)
            .join(Incident)
            .where(
                col(Incident.open_key).is_not(None),
                col(IncidentContext.due_at).is_(None),
                col(IncidentContext.error).is_(None),
            )
        )
        for row in rows:
            row.due_at = self._now()
            session.add(row)

    async def _look(self) -> None:
        # Read first: while a pause is on its way, nothing may queue for the disk before it.
        due = await self._store.read(self._due)
        if not due:
            return
        for enquiry in await self._store.write(lambda session: self._begin(session, due)):
            task = asyncio.create_task(self._ask_safely(enquiry))
            self._asking[enquiry.incident_id] = task

    def _due(self, session: Session) -> list[_Due]:
        """What there is to do now. Alerts are read here, where no transaction waits for it."""
        rows = session.exec(
            select(IncidentContext, Incident)
            .join(Incident)
            .where(
                col(IncidentContext.due_at) <= self._now(),
                col(IncidentContext.incident_id).not_in(list(self._asking)),
            )
            .order_by(col(IncidentContext.due_at))
            .limit(BATCH)
        ).all()
        found = []
        free = AT_ONCE - len(self._asking)
        for row, incident in rows:
            told = EventFacts.model_validate(row.event) if row.event else self._told(session, row)
            over = self._sentry is None or incident.state == IncidentState.RESOLVED
            enquiry = None
            if not over and free > 0 and not containing(session, row.incident_id):
                enquiry = self._enquiry(session, row, told)
                free -= 1
            if over or enquiry or not row.event:
                found.append(_Due(row.incident_id, told, over, enquiry))
        return found

    def _told(self, session: Session, row: IncidentContext) -> EventFacts:
        """What the alert that opened the incident tells."""
        delivery = session.get(Delivery, row.delivery_id) if row.delivery_id else None
        if delivery is None:
            return EventFacts()
        try:
            payload = json_object(delivery.body)
            alert = self._sources[delivery.source].normalise(delivery.resource, payload)
            return context.event_facts(alert, payload, self._privacy)
        except NotUnderstood:
            return EventFacts()
        except Exception:
            log.exception("context.not_read", delivery=delivery.id)  # shown is what is known
            return EventFacts()

    def _enquiry(self, session: Session, row: IncidentContext, told: EventFacts) -> Enquiry:
        first = session.get(Decision, row.delivery_id) if row.delivery_id else None
        issues = issues_of(session, row.incident_id)
        if first is not None and first.issue_id and is_issue(first.issue_id):
            # Of a storm only the newest are listed; this is what it began with.
            issues = [first.issue_id, *(one for one in issues if one != first.issue_id)]
        known = SentryFacts.model_validate(row.sentry or {})
        return Enquiry(row.incident_id, tuple(issues[:MOST]), told, known)

    def _begin(self, session: Session, due: list[_Due]) -> list[Enquiry]:
        """Write down what alerts tell, and that we are asking; another replica may be first."""
        granted = []
        for one in due:
            row = session.get(IncidentContext, one.incident_id, with_for_update=True)
            if row is None or row.due_at is None or row.due_at > self._now():
                continue
            row.event = row.event or one.told.model_dump(mode="json")
            if one.over:
                row.due_at = None
            elif one.enquiry is not None:
                row.due_at = self._now() + LEASE
                granted.append(one.enquiry)
            session.add(row)
        return granted

    async def _ask_safely(self, enquiry: Enquiry) -> None:
        try:
            answer = await self._ask(enquiry)
            if await self._store.write(lambda session: self._keep(session, enquiry, answer)):
                self._changed()
        except Exception:
            log.exception("context.not_asked", incident=enquiry.incident_id)  # once the lease ends
        finally:
            self._asking.pop(enquiry.incident_id, None)

    async def _ask(self, enquiry: Enquiry) -> _Answer:
        assert self._sentry is not None
        known = {issue.id: issue for issue in enquiry.known.issues}
        told: dict[str, IssueFacts] = {}
        event, trouble = enquiry.known.event, None
        for number, issue_id in enumerate(enquiry.issues):
            try:
                issue = await self._sentry.issue(issue_id)
            except SentryApiError as error:
                trouble = error
                if error.again:
                    break  # the next would meet the same
                continue
            facts = context.issue_facts(issue, self._privacy, known.get(issue_id))
            told[issue_id] = facts.model_copy(update={"id": issue_id})
            if number > 0:
                continue
            if not enquiry.event.event_id and event is None:
                event, trouble = await _unless(self._latest(issue_id, issue))
            event_id = (enquiry.event if enquiry.event.event_id else event or EventFacts()).event_id
            more, missing = await self._around(told[issue_id], issue, event_id)
            told[issue_id], trouble = more, trouble or missing
        issues = [told.get(one) or known.get(one) for one in enquiry.issues]
        kept = [issue for issue in issues if issue is not None]
        return _Answer(SentryFacts(issues=kept, event=event), bool(told), trouble)

    async def _latest(self, issue_id: str, issue: Json) -> EventFacts:
        """What the issue's latest event tells, as its webhook would."""
        assert self._sentry is not None
        event = as_webhook_event(await self._sentry.latest_event(issue_id), issue)
        payload = {"action": "triggered", "data": {"event": event}}
        alert = self._sources["sentry"].normalise("event_alert", payload)
        return context.event_facts(alert, payload, self._privacy)

    async def _around(
        self, facts: IssueFacts, issue: Json, event_id: str
    ) -> tuple[IssueFacts, SentryApiError | None]:
        """Suspect commits and replays, which need permissions of their own and may be denied."""
        assert self._sentry is not None
        trouble: SentryApiError | None = None
        project = text(mapping(issue.get("project")).get("slug"))
        more: dict[str, object] = {}
        if facts.commits is None and event_id and project:
            found, trouble = await _unless(self._sentry.committers(project, event_id))
            if found is not None:
                more["commits"] = context.commits_of(found, self._privacy)
        if not facts.replays:
            ids, missing = await _unless(self._sentry.replay_ids(facts.id))
            trouble = trouble or missing
            if ids is not None:
                more["replays"] = context.replays_of(ids, facts.url)
        return facts.model_copy(update=more), trouble

    def _keep(self, session: Session, enquiry: Enquiry, answer: _Answer) -> bool:
        """Write what Sentry told, and when to ask again; whether chat shows any of it."""
        now = self._now()
        incident = records.find(session, enquiry.incident_id)
        row = session.get_one(IncidentContext, enquiry.incident_id)
        if answer.fresh:
            row.sentry = answer.facts.model_dump(mode="json")
            row.fetched_at = now
        trouble = answer.trouble
        row.error = str(trouble) if trouble else None
        row.attempts = row.attempts + 1 if trouble else 0
        row.due_at = now + REFRESH
        if trouble is not None:
            wait = min(FIRST_WAIT * 2 ** min(row.attempts - 1, 20), LONGEST_WAIT)
            row.due_at = now + max(wait, timedelta(seconds=trouble.retry_after or 0))
            gone = trouble.status == NOT_FOUND and row.attempts >= NOT_THERE
            if not answer.fresh and (gone or now - incident.opened_at > GIVE_UP):
                row.due_at = None
        session.add(row)
        if incident.state == IncidentState.RESOLVED or not answer.fresh:
            return False
        return _tell(session, incident, answer.facts)


def _tell(session: Session, incident: Incident, facts: SentryFacts) -> bool:
    """Put into the incident what its card shows; whether that changes anything."""
    counted = [issue.users for issue in facts.issues if issue.users is not None]
    users = max([*counted, incident.users or 0]) if counted else incident.users
    url = incident.issue_url or next((issue.url for issue in facts.issues if issue.url), "")
    if (users, url) == (incident.users, incident.issue_url):
        return False
    incident.users, incident.issue_url = users, url
    session.add(incident)
    outbox.refresh(session, records.incident_id(incident))
    return True


def containing(session: Session, incident_id: int) -> bool:
    """Whether the incident's newest run has a pause to make that waits for nobody."""
    run = session.exec(
        select(Run).where(Run.incident_id == incident_id).order_by(col(Run.id).desc())
    ).first()
    if run is None or run.id is None or run.state != RunState.RUNNING:
        return False
    return any(
        step.spec.get("action") == "switch.hold"
        and step.state in (StepState.PENDING, StepState.RUNNING)
        for step in steps.of_run(session, run.id)
    )


async def _unless(asked: Awaitable[T]) -> tuple[T | None, SentryApiError | None]:
    """An answer, or why there is none."""
    try:
        return await asked, None
    except SentryApiError as error:
        return None, error
