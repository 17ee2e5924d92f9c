"""What a message shows, read from the store at the moment it is sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlmodel import Session, col, func, select

from responder.chat import outbox
from responder.chat.base import (
    Approval,
    Checklist,
    ChecklistItem,
    IncidentCard,
    Message,
    Note,
    StepLine,
)
from responder.incident import records
from responder.store import tables
from responder.store.tables import ChatMessage, Hold, Incident, Run, Step, SwitchRecord

Contacts = Callable[[str], tuple[str, ...]]  # lines to show for an area


class Views:
    """Builds messages. `contacts` gives the support contacts of an area, a line each."""

    def __init__(self, base_url: str, contacts: Contacts) -> None:
        self._base_url = base_url
        self._contacts = contacts

    def of(self, session: Session, message: ChatMessage) -> Message:
        """The present content of a message."""
        if message.incident_id is None:
            return Note(None, message.text, f"{self._base_url}/deliveries")
        incident = session.get_one(Incident, message.incident_id)
        if message.kind == outbox.NOTE:
            return Note(message.incident_id, message.text, self._page(message.incident_id))
        if message.kind == outbox.CARD:
            return self.card(session, incident)
        step = session.get_one(Step, message.step_id)
        if message.kind == outbox.CHECKLIST:
            return self._checklist(session, incident, step)
        return self._approval(session, incident, step, int(message.key.rsplit(":", 1)[1]))

    def card(self, session: Session, incident: Incident) -> IncidentCard:
        """The incident's card."""
        incident_id = records.incident_id(incident)
        steps = self._steps(session, incident_id)
        return IncidentCard(
            incident_id=incident_id,
            severity=incident.severity,
            area=incident.area,
            state=incident.state,
            title=incident.title,
            culprit=incident.culprit,
            matched=incident.matched,
            environment=incident.environment,
            alerts=incident.alerts,
            users=incident.users,
            opened_at=incident.opened_at,
            acknowledged_by=incident.acknowledged_by,
            acknowledged_at=incident.acknowledged_at,
            resolved_by=incident.resolved_by,
            resolved_at=incident.resolved_at,
            paused=tuple(_paused(session, incident_id)),
            steps=tuple(step_line(step) for step in steps),
            waiting_for=waiting_for(incident.state, steps),
            contacts=self._contacts(incident.area),
            page_url=self._page(incident_id),
            issue_url=incident.issue_url,
        )

    def _checklist(self, session: Session, incident: Incident, step: Step) -> Checklist:
        return Checklist(
            incident_id=records.incident_id(incident),
            step_id=step_id(step),
            title=title_of(step),
            items=tuple(
                ChecklistItem(item.id or 0, item.text, item.done_by, item.done_at)
                for item in items_of(session, step_id(step))
            ),
            page_url=self._page(records.incident_id(incident)),
        )

    def _approval(self, session: Session, incident: Incident, step: Step, round_: int) -> Approval:
        said = approvals_of(session, step_id(step), round_)
        denied = next((approval for approval in said if not approval.approve), None)
        last = denied or (said[-1] if said else None)
        if denied:
            state = "denied"
        elif step.state == "waiting" and round_ == step.round:
            state = "waiting"
        else:
            state = "approved" if said else "closed"
        incident_id = records.incident_id(incident)
        return Approval(
            incident_id=incident_id,
            step_id=step_id(step),
            title=title_of(step),
            will=step.summary,
            evidence=tuple(
                step_line(other)
                for other in self._steps(session, incident_id)
                if other.position < step.position
            ),
            state=state,
            decided_by=last.person if last and state != "waiting" else None,
            decided_at=last.at if last and state != "waiting" else None,
            page_url=self._page(incident_id),
        )

    def _steps(self, session: Session, incident_id: int) -> list[Step]:
        """Of the newest run: an earlier one, from before a relapse, is over."""
        newest = select(func.max(Run.id)).where(Run.incident_id == incident_id)
        return list(
            session.exec(
                select(Step)
                .where(Step.run_id == newest.scalar_subquery())
                .order_by(col(Step.position))
            )
        )

    def _page(self, incident_id: int) -> str:
        return f"{self._base_url}/incidents/{incident_id}"


def step_line(step: Step) -> StepLine:
    """One step as a reader sees it."""
    note = step.error if step.state in ("failed", "pending") and step.error else step.summary
    return StepLine(step.name, title_of(step), step.state, note)


def waiting_for(incident_state: str, steps: list[Step]) -> str:
    """Whom or what the incident waits for, in plain words; empty when nobody."""
    if incident_state == "resolved":
        return ""
    blocked = [step.name for step in steps if step.state == "failed" and _stops(step)]
    asked = [title_of(step) for step in steps if step.state == "waiting"]
    parts = []
    if incident_state == "open":
        parts.append("somebody to acknowledge")
    if blocked:
        parts.append(f"somebody to mend and retry {', '.join(blocked)}, or skip with a reason")
    if asked:
        parts.append("people: " + "; ".join(asked))
    return "; ".join(parts)


def items_of(session: Session, step_id: int) -> list[tables.ChecklistItem]:
    """A checklist's items in order."""
    return list(
        session.exec(
            select(tables.ChecklistItem)
            .where(tables.ChecklistItem.step_id == step_id)
            .order_by(col(tables.ChecklistItem.position))
        )
    )


def approvals_of(session: Session, step_id: int, round_: int) -> list[tables.Approval]:
    """What people said in one round of asking, oldest first."""
    return list(
        session.exec(
            select(tables.Approval)
            .where(tables.Approval.step_id == step_id, tables.Approval.round == round_)
            .order_by(col(tables.Approval.at))
        )
    )


def title_of(step: Step) -> str:
    """The step's title, or its name made readable."""
    return str(step.spec.get("title") or step.name.replace("-", " ").capitalize())


def step_id(step: Step) -> int:
    """The id of a stored step."""
    assert step.id is not None
    return step.id


def _stops(step: Step) -> bool:
    return step.spec.get("on_failure") != "continue"


def _paused(session: Session, incident_id: int) -> list[str]:
    rows = session.exec(
        select(Hold, SwitchRecord)
        .join(SwitchRecord, col(SwitchRecord.name) == col(Hold.switch), isouter=True)
        .where(Hold.incident_id == incident_id, col(Hold.released_at).is_(None))
        .order_by(col(Hold.since))
    )
    lines = []
    for hold, record in rows:
        sure = record is not None and record.confirmed and record.state == "paused"
        at: datetime = hold.since
        when = f"since {at:%H:%M:%S} UTC"
        lines.append(f"{hold.switch} {when}" + ("" if sure else ", NOT YET CONFIRMED"))
    return lines
