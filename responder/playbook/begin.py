"""Starting a run: the playbook's text is pinned and each step becomes a row."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, insert

from responder.incident.records import RESPONDER, note
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
