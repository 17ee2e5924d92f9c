"""Snoozes in the store: what somebody wants quiet for a while. Part of a unit of work."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from responder.classify.noise import LONGEST_IF_CRITICAL
from responder.incident import records
from responder.incident.lifecycle import NotAllowed
from responder.incident.times import clock, duration
from responder.store.tables import Decision, Incident, IncidentSubject, Snooze

LONGEST = timedelta(days=7)


def check_until(until: datetime, now: datetime, *, critical: bool) -> None:
    """Refuse a snooze that would be over already, or is too long to be remembered.

    Raises:
        NotAllowed: with how long it may be.
    """
    if until <= now:
        raise NotAllowed(f"a snooze ends in the future, and it is {clock(now)} now")
    longest = LONGEST_IF_CRITICAL if critical else LONGEST
    if until - now > longest:
        what = "what is critical" if critical else "anything"
        raise NotAllowed(
            f"{duration(until - now)} is too long: {what} is snoozed for {duration(longest)} at "
            "most, so that nobody forgets it; snooze it again when that is over"
        )


def areas_of_issue(session: Session, issue_id: str) -> list[str]:
    """The areas that alerts of an issue belonged to; none where none has come."""
    rows = session.exec(
        select(Decision.area)
        .where(Decision.issue_id == issue_id, col(Decision.area).is_not(None))
        .distinct()
    )
    return sorted(area for area in rows if area is not None)


def start(
    session: Session,
    *,
    area: str | None,
    issue_id: str | None,
    until: datetime,
    by: str,
    reason: str,
    now: datetime,
) -> Snooze:
    """Keep an area or an issue quiet. Check with `check_until` first."""
    row = Snooze(area=area, issue_id=issue_id, since=now, until=until, by=by, reason=reason)
    session.add(row)
    session.flush()
    text = f"Snoozed {about(row)} until {clock(until)}: {reason}"
    _note(session, row, "snoozed", text, by=by, now=now)
    return row


def end(session: Session, snooze_id: int, *, by: str, now: datetime) -> Snooze:
    """End a snooze before its time.

    Raises:
        LookupError: there is none of that id.
        NotAllowed: it is over.
    """
    row = session.exec(select(Snooze).where(Snooze.id == snooze_id).with_for_update()).first()
    if row is None:
        raise LookupError(f"there is no snooze {snooze_id}")
    over = min(row.until, row.ended_at or row.until)
    if over <= now:
        whose = f" by {row.ended_by}" if row.ended_by else ""
        raise NotAllowed(f"snooze {snooze_id} was ended{whose} at {clock(over)} already")
    row.ended_at, row.ended_by = now, by
    session.add(row)
    _note(session, row, "snooze-ended", f"Ended the snooze of {about(row)}", by=by, now=now)
    return row


def about(snooze: Snooze) -> str:
    """What it keeps quiet."""
    return f"the area {snooze.area}" if snooze.area else f"issue {snooze.issue_id}"


def open_incidents(session: Session, snooze: Snooze) -> list[int]:
    """The incidents that are open on what is snoozed."""
    query = select(Incident.id).where(col(Incident.open_key).is_not(None))
    if snooze.area:
        query = query.where(Incident.area == snooze.area)
    else:
        subject = IncidentSubject.subject == f"issue:{snooze.issue_id}"
        query = query.join(IncidentSubject).where(subject)
    return [number for number in session.exec(query) if number is not None]


def _note(
    session: Session, snooze: Snooze, kind: str, text: str, *, by: str, now: datetime
) -> None:
    for incident_id in open_incidents(session, snooze):
        records.note(session, incident_id, at=now, actor=by, kind=kind, text=text)
