"""The tables. Rows are facts; what they mean is decided by the verbs above."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime on both databases. SQLite has no time zones, so it keeps UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse naive datetimes; a time without a zone is a bug, not a default."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone reached the store: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give SQLite's naive datetimes their zone back."""
        if value is not None and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value


def _at(**options: Any) -> Any:
    return Field(sa_type=Instant, **options)


def _json(**options: Any) -> Any:
    return Field(sa_type=sa.JSON, **options)


class Delivery(SQLModel, table=True):
    """One webhook as it came, kept before anything else happens to it."""

    __tablename__ = "deliveries"
    __table_args__ = (
        sa.Index(
            "deliveries_undecided",
            "id",
            sqlite_where=sa.text("decided_at IS NULL"),
            postgresql_where=sa.text("decided_at IS NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    source: str
    resource: str
    action: str
    key: str = Field(unique=True)
    digest: str | None = Field(default=None, unique=True)  # of the body; see intake.store
    received_at: datetime = _at(index=True)
    headers: dict[str, str] = _json(default_factory=dict)
    body: bytes
    origin: str = "webhook"  # how it came: see receive/intake.py
    replay_of: int | None = Field(default=None, foreign_key="deliveries.id")
    decided_at: datetime | None = _at(default=None)


class Decision(SQLModel, table=True):
    """What became of a delivery: exactly one row for each, written once."""

    __tablename__ = "decisions"

    delivery_id: int = Field(primary_key=True, foreign_key="deliveries.id")
    at: datetime = _at()
    outcome: str
    reason: str
    area: str | None = None
    environment: str | None = None
    path: str | None = None
    found_in: str | None = None
    title: str = ""
    happened_at: datetime | None = _at(default=None)
    event_id: str | None = Field(default=None, index=True)
    issue_id: str | None = Field(default=None, index=True)
    moment: str | None = Field(default=None, index=True)  # its issue and the time of the event
    count: int | None = None
    threshold: str | None = None
    suppressed_by: str | None = Field(default=None, index=True)  # the noise rule that kept it quiet
    explanation: dict[str, Any] | None = _json(default=None)
    incident_id: int | None = Field(default=None, foreign_key="incidents.id", index=True)


class AlertCount(SQLModel, table=True):
    """Alerts per counter, environment and minute, so that a window is a few rows to add up.

    A counter is an area's name, or `area/family`. What an incident that is resolved has
    counted is `settled`, and not counted again.
    """

    __tablename__ = "alert_counts"

    counter: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)
    minute: datetime = _at(primary_key=True)
    alerts: int = 0
    settled: int = 0


class OutcomeCount(SQLModel, table=True):
    """How often something was tried and failed, per area, environment and minute."""

    __tablename__ = "outcome_counts"

    area: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)
    minute: datetime = _at(primary_key=True)
    attempts: int = 0
    failures: int = 0
    settled_attempts: int = 0
    settled_failures: int = 0


class Measurement(SQLModel, table=True):
    """One reading of an objective, in the unit of its target."""

    __tablename__ = "measurements"
    __table_args__ = (sa.Index("measurements_of", "objective", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    objective: str
    environment: str = ""
    at: datetime = _at()
    value: float
    delivery_id: int = Field(foreign_key="deliveries.id")


class IncidentSubject(SQLModel, table=True):
    """What in Sentry an incident is about: `issue:ID` or `metric:ID`."""

    __tablename__ = "incident_subjects"

    subject: str = Field(primary_key=True)
    incident_id: int = Field(primary_key=True, foreign_key="incidents.id", index=True)


class Incident(SQLModel, table=True):
    """One trouble in one area of one environment.

    `open_key` is `area/environment` until the incident resolves and NULL afterwards; being
    unique, it lets the database itself refuse a second open incident.
    """

    __tablename__ = "incidents"

    id: int | None = Field(default=None, primary_key=True)
    open_key: str | None = Field(default=None, unique=True)
    area: str = Field(index=True)
    environment: str
    severity: str
    state: str = Field(index=True)
    title: str
    culprit: str = ""
    matched: str = ""
    alerts: int = 0
    users: int | None = None
    issue_url: str = ""
    owner: str = ""  # the team that owns the code, where CODEOWNERS says so
    escalation_level: int = 0
    opened_at: datetime = _at(index=True)
    first_alert_at: datetime | None = _at(default=None)
    acknowledged_at: datetime | None = _at(default=None)
    acknowledged_by: str | None = None
    mitigated_at: datetime | None = _at(default=None)
    calm_since: datetime | None = _at(default=None)  # the watch: how long it has been quiet
    resolved_at: datetime | None = _at(default=None)
    resolved_by: str | None = None


class IncidentContext(SQLModel, table=True):
    """What is known around an incident: from the first alert, and from Sentry once asked."""

    __tablename__ = "incident_contexts"

    incident_id: int = Field(primary_key=True, foreign_key="incidents.id")
    delivery_id: int | None = Field(default=None, foreign_key="deliveries.id")
    event: dict[str, Any] | None = _json(default=None)  # from the alert that opened it
    sentry: dict[str, Any] | None = _json(default=None)  # from Sentry's API
    fetched_at: datetime | None = _at(default=None)
    due_at: datetime | None = _at(default=None, index=True)  # None: nothing left to ask
    attempts: int = 0
    error: str | None = None


class Snooze(SQLModel, table=True):
    """An area or an issue kept quiet until a time, by somebody, for a reason."""

    __tablename__ = "snoozes"

    id: int | None = Field(default=None, primary_key=True)
    area: str | None = None
    issue_id: str | None = None
    since: datetime = _at()
    until: datetime = _at(index=True)
    by: str
    reason: str
    ended_at: datetime | None = _at(default=None)
    ended_by: str | None = None


class Refusal(SQLModel, table=True):
    """A webhook that was turned away, kept for a person to see why; the quarantine is bounded."""

    __tablename__ = "refusals"

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = _at(index=True)
    why: str
    resource: str = ""
    client: str = ""
    headers: dict[str, str] = _json(default_factory=dict)
    body: bytes | None = None  # None where it was too large to keep, or not read
    size: int = 0
    digest: str = Field(unique=True)
    times: int = 1
    delivery_id: int | None = Field(default=None, foreign_key="deliveries.id")
    let_in_by: str | None = None


class Backtest(SQLModel, table=True):
    """What rules would have made of stored deliveries, beside what was decided."""

    __tablename__ = "backtests"

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = _at()
    since: datetime = _at()
    folder: str
    deliveries: int
    result: dict[str, Any] = _json(default_factory=dict)


class TimelineEntry(SQLModel, table=True):
    """Something that happened to an incident. Appended, never changed."""

    __tablename__ = "timeline"

    id: int | None = Field(default=None, primary_key=True)
    incident_id: int = Field(foreign_key="incidents.id", index=True)
    at: datetime = _at()
    actor: str
    kind: str
    text: str
    evidence: dict[str, Any] | None = _json(default=None)


class Run(SQLModel, table=True):
    """A playbook at work on an incident, with the text it started from pinned.

    Whoever drives the run holds its lease; `fence` grows with each new holder, and a write
    that carries an old fence changes nothing.
    """

    __tablename__ = "runs"

    id: int | None = Field(default=None, primary_key=True)
    incident_id: int = Field(foreign_key="incidents.id", index=True)
    playbook: str
    title: str
    source: str
    digest: str
    mode: str
    state: str = Field(index=True)
    lease_owner: str | None = None
    lease_until: datetime | None = _at(default=None)
    fence: int = 0
    created_at: datetime = _at()
    finished_at: datetime | None = _at(default=None)


class Step(SQLModel, table=True):
    """One step of a run. `spec` is the step as its author wrote it, pinned."""

    __tablename__ = "steps"
    __table_args__ = (sa.UniqueConstraint("run_id", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="runs.id", index=True)
    name: str
    position: int
    spec: dict[str, Any] = _json(default_factory=dict)
    state: str
    attempts: int = 0
    round: int = 0  # of asking for approval: a person's retry asks anew
    key: str = Field(unique=True)
    started_at: datetime | None = _at(default=None)
    finished_at: datetime | None = _at(default=None)
    due_at: datetime | None = _at(default=None)
    error: str | None = None
    summary: str = ""
    evidence: dict[str, Any] | None = _json(default=None)


class Approval(SQLModel, table=True):
    """One person's word on a step that asks for approval."""

    __tablename__ = "approvals"
    __table_args__ = (sa.UniqueConstraint("step_id", "person_key", "round"),)

    id: int | None = Field(default=None, primary_key=True)
    step_id: int = Field(foreign_key="steps.id", index=True)
    round: int = 0
    person: str
    person_key: str
    approve: bool
    reason: str = ""
    at: datetime = _at()


class ChecklistItem(SQLModel, table=True):
    """One line of a checklist step, ticked or not."""

    __tablename__ = "checklist_items"

    id: int | None = Field(default=None, primary_key=True)
    step_id: int = Field(foreign_key="steps.id", index=True)
    position: int
    text: str
    done_by: str | None = None
    done_at: datetime | None = _at(default=None)


class Hold(SQLModel, table=True):
    """A reason for a switch to be paused. It is paused while any hold stands."""

    __tablename__ = "holds"

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    switch: str = Field(index=True)
    incident_id: int | None = Field(default=None, foreign_key="incidents.id", index=True)
    by: str
    reason: str
    since: datetime = _at()
    released_at: datetime | None = _at(default=None)
    released_by: str | None = None


class SwitchRecord(SQLModel, table=True):
    """A switch as it was last read back."""

    __tablename__ = "switches"

    name: str = Field(primary_key=True)
    state: str
    confirmed: bool = False
    detail: str = ""
    verified_at: datetime | None = _at(default=None)
    refused: int | None = None


class ChatMessage(SQLModel, table=True):
    """A message the chat should show. It is behind while `sent` is less than `wanted`."""

    __tablename__ = "chat_messages"
    __table_args__ = (
        sa.Index(
            "chat_messages_behind",
            "due_at",
            sqlite_where=sa.text("sent < wanted"),
            postgresql_where=sa.text("sent < wanted"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    incident_id: int | None = Field(default=None, foreign_key="incidents.id", index=True)
    step_id: int | None = Field(default=None, foreign_key="steps.id")
    kind: str
    text: str = ""
    wanted: int = 1
    sent: int = 0
    attempts: int = 0
    ref: dict[str, Any] | None = _json(default=None)
    error: str | None = None
    due_at: datetime = _at()
    created_at: datetime = _at()
    attempted_at: datetime | None = _at(default=None)


class PostMortem(SQLModel, table=True):
    """The record of an incident that people learn from."""

    __tablename__ = "post_mortems"

    id: int | None = Field(default=None, primary_key=True)
    incident_id: int = Field(foreign_key="incidents.id", unique=True)
    title: str
    state: str
    body: str
    revision: int = 1
    created_at: datetime = _at(index=True)
    updated_at: datetime = _at()


class SignInLink(SQLModel, table=True):
    """A one-time link; only its hash is kept."""

    __tablename__ = "sign_in_links"

    token_hash: str = Field(primary_key=True)
    person: str
    role: str
    expires_at: datetime = _at()
    used_at: datetime | None = _at(default=None)


class WebSession(SQLModel, table=True):
    """A signed-in browser; only the hash of its cookie is kept."""

    __tablename__ = "web_sessions"

    token_hash: str = Field(primary_key=True)
    person: str
    role: str
    csrf: str
    created_at: datetime = _at()
    expires_at: datetime = _at()
