"""The rows of a run's steps: what each is for, and how its state changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel
from sqlmodel import Session, col, select

from responder import registry
from responder.actions.base import Action, Done, Failed, Outcome
from responder.chat import outbox
from responder.chat.views import approvals_of, step_id, title_of
from responder.incident import records
from responder.incident.lifecycle import IncidentState
from responder.playbook.model import ApprovalSpec, Mode, StepSpec
from responder.playbook.run import StepState, StepView
from responder.store.tables import Run, Step

LONGEST_WAIT = timedelta(seconds=30)  # between two attempts


@dataclass(frozen=True, slots=True)
class Plan:
    """A step's pinned text made usable."""

    spec: StepSpec
    action: Action[Any]
    params: BaseModel
    approval: ApprovalSpec | None
    withheld: bool  # shadow mode: recorded instead of done

    @property
    def intent(self) -> str:
        """What the step will do, in plain words."""
        return self.action.intent(self.params)


def plan(row: Step, run: Run) -> Plan:
    """Read a step as it was pinned. The mode adds an approval, or keeps an effect back."""
    spec = StepSpec.model_validate(row.spec)
    action: Action[Any] = registry.find("actions")[spec.action]()
    params = action.Params.model_validate(spec.params)
    approval = spec.approval
    if approval is None and action.effect and run.mode == Mode.ASK:
        approval = ApprovalSpec()
    return Plan(spec, action, params, approval, action.effect and run.mode == Mode.SHADOW)


def of_run(session: Session, run_id: int) -> list[Step]:
    """A run's steps in their author's order."""
    return list(
        session.exec(select(Step).where(Step.run_id == run_id).order_by(col(Step.position)))
    )


def view(session: Session, row: Step, plan: Plan) -> StepView:
    """As much of the row as decides what is due."""
    return StepView(
        name=row.name,
        needs=tuple(plan.spec.needs or ()),
        state=StepState(row.state),
        carries_on=plan.spec.on_failure == "continue",
        asks=plan.approval is not None and not approved(session, row, plan.approval),
        due_at=row.due_at,
    )


def approved(session: Session, row: Step, approval: ApprovalSpec) -> bool:
    """Whether enough people said yes in the present round."""
    said = approvals_of(session, step_id(row), row.round)
    return len({one.person_key for one in said if one.approve}) >= approval.count


def asks_by_mode(row: Step) -> bool:
    """Whether it would ask for approval only because of its run's mode."""
    spec = StepSpec.model_validate(row.spec)
    return spec.approval is None and bool(registry.find("actions")[spec.action].effect)


def ask(session: Session, row: Step, plan: Plan, incident_id: int, *, now: datetime) -> None:
    """Put the question to people."""
    row.state = StepState.WAITING
    row.summary = plan.intent
    outbox.approval(session, incident_id, step_id(row), row.round, now=now)
    records.note(
        session,
        incident_id,
        at=now,
        actor=records.RESPONDER,
        kind="asked",
        text=f"{title_of(row)}: waiting for approval to {_lower(plan.intent)}",
    )


def withhold(session: Session, row: Step, plan: Plan, incident_id: int, *, now: datetime) -> None:
    """Shadow mode: record what would be done."""
    row.state = StepState.SKIPPED
    row.finished_at = now
    row.summary = f"shadow: would {_lower(plan.intent)}"
    records.note(
        session,
        incident_id,
        at=now,
        actor=records.RESPONDER,
        kind="step",
        text=f"{title_of(row)}: {row.summary}",
    )


def leave_out(row: Step, *, now: datetime) -> None:
    """Nothing new starts for an incident that is resolved."""
    row.state = StepState.SKIPPED
    row.finished_at = now
    row.summary = "not started: the incident was resolved first"


def record(
    session: Session, row: Step, plan: Plan, outcome: Outcome, incident_id: int, *, now: datetime
) -> None:
    """Write down what came of a step: done, waiting, failed, or to be tried again."""
    match outcome:
        case Done(summary, evidence):
            row.state, row.finished_at = StepState.SUCCEEDED, now
            row.summary, row.evidence, row.error = summary, evidence, None
            kind, text = "step", f"{title_of(row)}: {summary}"
        case Failed(error, evidence, again):
            row.error, row.evidence = error, evidence
            kind, text = "step-failed", f"{title_of(row)} failed: {error}"
            if again and row.attempts < plan.spec.retry.attempts:
                row.state = StepState.PENDING
                doubled = plan.spec.retry.wait * 2 ** min(row.attempts - 1, 20)
                row.due_at = now + min(doubled, LONGEST_WAIT)
                text += f"; trying again (attempt {row.attempts} of {plan.spec.retry.attempts})"
            else:
                row.state, row.finished_at = StepState.FAILED, now
                if plan.spec.on_failure == "escalate":
                    _escalate(session, row, error, incident_id, now=now)
        case _:
            row.state, row.summary, row.error = StepState.WAITING, outcome.summary, None
            kind, text = "step", f"{title_of(row)}: {outcome.summary}"
    session.add(row)
    records.note(
        session,
        incident_id,
        at=now,
        actor=records.RESPONDER,
        kind=kind,
        text=text,
        evidence=row.evidence,
    )


def _escalate(session: Session, row: Step, error: str, incident_id: int, *, now: datetime) -> None:
    incident = records.find(session, incident_id)
    if incident.state == IncidentState.RESOLVED:
        return
    text = f"Escalated: {title_of(row)} failed: {error}"
    records.escalate(session, incident, by=records.RESPONDER, text=text, now=now)
    outbox.news(session, incident_id, f"{row.key}:failed:{row.attempts}", text, now=now)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
