"""What chat should show, as rows. Part of the unit of work that made it true."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, case, col, select, update

from responder.store.database import insert_into
from responder.store.tables import ChatMessage

CARD, CHECKLIST, APPROVAL, NOTE = "card", "checklist", "approval", "note"
COUNTING = timedelta(seconds=5)  # what alerts alone change is shown as often
MOST_LINES = 10  # of new issues in one message


def card(session: Session, incident_id: int, *, now: datetime) -> None:
    """Have the incident's card shown."""
    _want(session, f"card:{incident_id}", CARD, incident_id, now=now)


def checklist(session: Session, incident_id: int, step_id: int, *, now: datetime) -> None:
    """Have a checklist shown."""
    _want(session, f"checklist:{step_id}", CHECKLIST, incident_id, step_id=step_id, now=now)


def approval(
    session: Session, incident_id: int, step_id: int, round_: int, *, now: datetime
) -> None:
    """Have a question for approval shown; each round of asking is a message of its own."""
    _want(session, f"approval:{step_id}:{round_}", APPROVAL, incident_id, step_id=step_id, now=now)


def news(session: Session, incident_id: int, key: str, text: str, *, now: datetime) -> None:
    """Have a line of news shown in the incident's thread, once for each key."""
    _want(session, f"note:{incident_id}:{key}", NOTE, incident_id, text=text, now=now)


def tell(session: Session, key: str, heading: str, line: str, *, now: datetime) -> None:
    """Have a line shown that is about no incident; those of one key share a message.

    However many there are, the message has an end: the last line says that there are more.
    """
    _want(session, key, NOTE, None, text=heading, now=now)
    message = session.exec(
        select(ChatMessage).where(ChatMessage.key == key).with_for_update()
    ).one()
    lines = message.text.splitlines()
    if len(lines) > MOST_LINES:
        return
    lines.append(line if len(lines) < MOST_LINES else "… and more")
    message.text = "\n".join(lines)
    message.wanted += 1
    session.add(message)


def refresh(session: Session, incident_id: int) -> None:
    """Have every message about the incident that changes with it brought up to date, soon."""
    session.execute(
        update(ChatMessage)
        .where(col(ChatMessage.incident_id) == incident_id, col(ChatMessage.kind) != NOTE)
        .values(
            wanted=ChatMessage.wanted + 1,
            # At once, unless chat refused it and is given time.
            due_at=case(
                (col(ChatMessage.error).is_(None), ChatMessage.created_at),
                else_=ChatMessage.due_at,
            ),
        )
    )


def counted(session: Session, incident_id: int, *, now: datetime) -> None:
    """Have the card show how many alerts there are, by and by: a storm is a few updates."""
    session.execute(
        update(ChatMessage)
        .where(
            col(ChatMessage.incident_id) == incident_id,
            col(ChatMessage.kind) == CARD,
        )
        # Always one more: a version that is on its way was rendered before this.
        .values(
            wanted=ChatMessage.wanted + 1,
            due_at=case(
                (col(ChatMessage.sent) == col(ChatMessage.wanted), now + COUNTING),
                else_=ChatMessage.due_at,
            ),
        )
    )


def _want(
    session: Session,
    key: str,
    kind: str,
    incident_id: int | None,
    *,
    step_id: int | None = None,
    text: str = "",
    now: datetime,
) -> None:
    row = insert_into(session, ChatMessage).values(
        key=key,
        kind=kind,
        incident_id=incident_id,
        step_id=step_id,
        text=text,
        due_at=now,
        created_at=now,
    )
    session.execute(row.on_conflict_do_nothing())
