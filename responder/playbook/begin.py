"""Starting a run: the playbook's text is pinned and each step becomes a row."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, insert, select

from responder.incident.records import RESPONDER, note
from responder.playbook import steps
from responder.playbook.folder import Pinned
from responder.playbook.model import Mode
from responder.playbook.run import RunState, StepState
from responder.store.tables import Run, Step


def begin(
    session: Session, incident_id: int, pinned: Pinned, *, mode: Mode, why: str, now: datetime
) -> Run:
    """Write a run and its steps. `why` explains a mode other than the playbook's own."""
    playbook = pinned.playbook
    run = Run(
        incident_id=incident_id,
        playbook=playbook.playbook,
        title=playbook.title,
        source=pinned.source,
        digest=pinned.digest,
        mode=mode,
        state=RunState.RUNNING,
        created_at=now,
    )
    session.add(run)
    session.flush()
    assert run.id is not None
    # In one statement: this stands between the alert and the pause.
    session.execute(
        insert(Step),
        [
            {
                "run_id": run.id,
                "name": spec.id,
                "position": position,
                "spec": {
                    **spec.model_dump(mode="json"),
                    "needs": list(playbook.needs_of(position)),
                },
                "state": StepState.PENDING,
                "key": f"run-{run.id}-{spec.id}",
            }
            for position, spec in enumerate(playbook.steps)
        ],
    )
    note(
        session,
        incident_id,
        at=now,
        actor=RESPONDER,
        kind="run",
        text=f"Playbook {playbook.playbook} started in mode {mode}{why and ': ' + why}",
    )
    return run


def latest(session: Session, incident_id: int, *, lock: bool = True) -> Run | None:
    """The incident's newest run."""
    newest = select(Run).where(Run.incident_id == incident_id).order_by(col(Run.id).desc())
    return session.exec(newest.with_for_update() if lock else newest).first()


def let_act(session: Session, run: Run, *, now: datetime) -> None:
    """Let a run that had to ask before each effect act from now on."""
    run.mode, run.state = Mode.ACT, RunState.RUNNING
    session.add(run)
    assert run.id is not None
    for step in steps.of_run(session, run.id):
        if step.state == StepState.WAITING and steps.asks_by_mode(step):
            step.state, step.summary = StepState.PENDING, ""
            session.add(step)
    note(
        session,
        run.incident_id,
        at=now,
        actor=RESPONDER,
        kind="run",
        text=f"A fresh alert came: {run.playbook} acts without asking from now on",
    )
