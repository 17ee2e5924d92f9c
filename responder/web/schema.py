"""The shapes of the JSON API, from which /openapi.json is made. Stable: users script on them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from responder.classify.durations import Duration
from responder.incident.context import EventFacts, SentryFacts

T = TypeVar("T")
LARGEST_ID = 2**63 - 1


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


Instant = Annotated[
    datetime, PlainSerializer(_rfc3339, return_type=str, when_used="json-unless-none")
]


class Page(BaseModel, Generic[T]):
    """A stretch of a list; pass `next` as `cursor` for what follows."""

    items: list[T]
    next: str | None


class IncidentLine(BaseModel):
    """An incident without its run and timeline. Times are RFC 3339 in UTC."""

    id: int
    area: str
    severity: str
    state: str
    title: str
    environment: str
    culprit: str
    matched: str
    alerts: int
    users: int | None
    issue_url: str
    opened_at: Instant
    acknowledged_at: Instant | None
    acknowledged_by: str | None
    mitigated_at: Instant | None
    resolved_at: Instant | None
    resolved_by: str | None


class ChecklistItem(BaseModel):
    id: int
    text: str
    done_by: str | None
    done_at: Instant | None


class Step(BaseModel):
    """One step of the run. `id` is its name in the playbook.

    It tries by itself up to `attempts_allowed` times; `error` is of the attempt before.
    """

    id: str
    step_id: int
    title: str
    action: str
    state: str
    needs: list[str]
    attempts: int
    attempts_allowed: int
    started_at: Instant | None
    finished_at: Instant | None
    error: str | None
    summary: str
    evidence: dict[str, Any] | None
    asks_approval: bool
    checklist: list[ChecklistItem]


class Run(BaseModel):
    """The playbook at work."""

    playbook: str
    title: str
    state: str
    mode: str
    steps: list[Step]


class TimelineEntry(BaseModel):
    at: Instant
    actor: str
    kind: str
    text: str


class SimilarIncident(BaseModel):
    """An earlier incident with the same issue or place, and what was meant to be done since."""

    id: int
    title: str
    severity: str
    opened_at: Instant
    resolved_at: Instant | None
    post_mortem: int | None
    post_mortem_title: str | None
    follow_ups: list[str]


class IncidentContext(BaseModel):
    """What is known around an incident, without personal data.

    `event` is from the alert that opened it, `sentry` from Sentry's API as of `fetched_at`;
    `trouble` says what could not be found out there.
    """

    delivery: int | None
    event: EventFacts | None
    sentry: SentryFacts | None
    fetched_at: Instant | None
    trouble: str | None
    similar: list[SimilarIncident]


class IncidentDetail(IncidentLine):
    """An incident with all that happened. `calm_since` is when its trouble went down."""

    owner: str
    calm_since: Instant | None
    waiting_for: str
    holds: list[str]
    post_mortem: int | None
    run: Run | None
    context: IncidentContext
    timeline: list[TimelineEntry]


class Hold(BaseModel):
    incident: int | None
    by: str
    since: Instant
    reason: str


class Switch(BaseModel):
    """A switch. `state` is what is wanted; `confirmed` whether it was read back so."""

    name: str
    state: Literal["running", "paused"]
    confirmed: bool
    verified_at: Instant | None
    detail: str
    refused: int | None
    holds: list[Hold]


class Decision(BaseModel):
    """What became of a delivery."""

    outcome: str
    reason: str
    area: str | None
    environment: str | None
    path: str | None
    found_in: str | None
    title: str
    count: int | None
    threshold: str | None
    incident_id: int | None


class Delivery(BaseModel):
    """A delivery as stored. `origin` is how it came, `suppressed_by` the rule of noise.

    Its raw body holds personal data and is not given out.
    """

    id: int
    source: str
    resource: str
    action: str
    origin: str
    received_at: Instant
    happened_at: Instant | None
    decided_at: Instant | None
    replay_of: int | None
    suppressed_by: str | None
    decision: Decision | None


class ReadThreshold(BaseModel):
    """A threshold as it was read for a decision: alerts or failures, and attempts if known."""

    threshold: str
    count: int
    attempts: int | None
    breached: bool
    text: str


class Explanation(BaseModel):
    """What led to a decision. `nearly` is what spoke for other areas, `notes` what was cut."""

    matched: str = ""
    nearly: list[str] = []
    readings: list[ReadThreshold] = []
    counters: list[str] = []
    notes: list[str] = []


class DeliveryDetail(Delivery):
    """A delivery with all that explains its decision.

    `payload` is its body without personal data and secrets, and `payload_notes` say what is
    missing. Decisions of earlier versions have no `explanation`.
    """

    explanation: Explanation | None
    headers: dict[str, str]
    payload: dict[str, Any] | str
    payload_notes: list[str]
    size: int


class Quieted(BaseModel):
    """An alert that a rule kept quiet."""

    delivery: int
    at: Instant
    title: str


class Keeper(BaseModel):
    """What keeps alerts quiet, and how many it has; replays are not counted.

    `rule` is the name that deliveries have in `suppressed_by`.
    """

    rule: str
    last_day: int
    last_week: int
    in_all: int
    newest: list[Quieted]


class IgnoreRule(Keeper):
    """A rule of the playbooks folder; one that is not `in_folder` any more has only counts."""

    name: str
    title: str
    says: str
    in_folder: bool


class MaintenanceWindow(IgnoreRule):
    """A time when alerts are expected: whether it is `now`, and when it is, or is next."""

    now: bool
    starts_at: Instant | None
    ends_at: Instant | None


class Snooze(Keeper):
    """An area or an issue that somebody wants quiet until a time."""

    id: int
    area: str | None
    issue_id: str | None
    since: Instant
    until: Instant
    by: str
    reason: str
    active: bool
    ended_at: Instant | None
    ended_by: str | None


class Noise(BaseModel):
    """All that keeps alerts quiet. Snoozes are those that are active, then the latest others."""

    ignore: list[IgnoreRule]
    maintenance: list[MaintenanceWindow]
    snoozes: list[Snooze]


class PostMortemLine(BaseModel):
    id: int
    incident: int
    title: str
    area: str
    severity: str
    state: str
    revision: int
    created_at: Instant
    updated_at: Instant


class PostMortem(PostMortemLine):
    """A post-mortem; `body` is Markdown."""

    body: str


Status = Literal["met", "missed", "unknown"]


class Point(BaseModel):
    """An average; `at` is the middle of the time it is of."""

    at: Instant
    value: float


class Trend(BaseModel):
    """Averages over `minutes` each, where there are any, in so many `hours` up to now."""

    hours: int
    minutes: int
    points: list[Point]
    lowest: float | None
    highest: float | None
    readings: int


class Measured(BaseModel):
    """An objective in one environment; `status` is unknown if the last value is a day old.

    `met_share` is the percentage of the readings of 7 days that met the target.
    """

    environment: str
    status: Status
    value: float
    at: Instant
    source: Literal["metric_alert", "polled", "posted"]
    day: Trend
    week: Trend
    met_share: float | None


class Objective(BaseModel):
    """A figure with a target. Values are in `unit`: ms, % or none.

    `how` says from where values can come; `last_incident` is of the last 30 days.
    """

    name: str
    title: str
    measure: str
    target: str
    alarm: str | None
    unit: str
    area: str
    status: Status
    how: list[str]
    environments: list[Measured]
    last_incident: int | None


class Rate(BaseModel):
    """What failed in the last `minutes`; above `limit` percent of `at_least` it is too much."""

    threshold: str
    limit: float
    minutes: int
    at_least: int
    attempts: int
    failures: int
    percent: float | None
    status: Literal["over", "below", "too_few", "unknown"]


class AreaRates(BaseModel):
    """An area's failure rates in one environment; `day` is in percent."""

    area: str
    title: str
    environment: str
    rates: list[Rate]
    day: Trend
    counted_at: Instant | None
    how: list[str]


class Objectives(BaseModel):
    """Objectives, and the areas that have a failure rate among their thresholds."""

    items: list[Objective]
    rates: list[AreaRates]


class Done(BaseModel):
    """What came of an act, in one line."""

    message: str


class Replayed(BaseModel):
    id: int


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("text has no NUL characters")
    return text


Words = Annotated[str, AfterValidator(_storable)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Act(_Body):
    """`by` names the person on whose behalf a script acts."""

    by: Words = Field(default="", max_length=100)
    reason: Words = Field(default="", max_length=2000)


class HoldBody(_Body):
    reason: Words = Field(min_length=1, max_length=2000)
    by: Words = Field(default="", max_length=100)


class ReleaseBody(HoldBody):
    """`incident` lifts that incident's holds instead of those placed by hand."""

    incident: int | None = Field(default=None, ge=1, le=LARGEST_ID)


class SnoozeBody(_Body):
    """What to snooze, an `area` or an issue of Sentry; and `until` when, or `for` how long."""

    area: Words | None = Field(default=None, min_length=1, max_length=200)
    issue_id: Words | None = Field(default=None, min_length=1, max_length=200)
    until: AwareDatetime | None = None
    for_: Duration | None = Field(default=None, alias="for")
    reason: Words = Field(min_length=1, max_length=2000)
    by: Words = Field(default="", max_length=100)

    @model_validator(mode="after")
    def _one_of_each(self) -> SnoozeBody:
        if (self.area is None) == (self.issue_id is None):
            raise ValueError("say what to snooze: either `area` or `issue_id`")
        if (self.until is None) == (self.for_ is None):
            raise ValueError("say how long: either `until` a time or `for` a duration such as 2h")
        return self


class TickBody(_Body):
    """Of the items in `shown`, those in `done` are done and the others are not."""

    shown: list[int] = Field(max_length=500)
    done: list[int] = Field(max_length=500)
    by: Words = Field(default="", max_length=100)


class DecideBody(Act):
    approve: bool = True


class Refusal(BaseModel):
    """A webhook that was refused. `at` is the first of `times`.

    `kept` says whether its body is there to be let in, `verifies` whether one of the present
    secrets has signed it. Title and culprit are without personal data.
    """

    id: int
    at: Instant
    times: int
    why: str
    resource: str
    client: str
    size: int
    headers: dict[str, str]
    kept: bool
    readable: bool
    verifies: bool
    title: str
    culprit: str
    delivery_id: int | None
    let_in_by: str | None


class LetIn(BaseModel):
    """The delivery it is now; a `duplicate` had come by itself as well."""

    id: int
    duplicate: bool


class Posted(BaseModel):
    """The delivery that figures became; a `duplicate` changed nothing."""

    id: int
    duplicate: bool


MOST_ATTEMPTS = 1_000_000


class Outcome(_Body):
    """Figures: of an `area`, how often it was tried and failed; of an `objective`, its value.

    Times are in milliseconds, shares in percent. `at` is when it was, now if it is left out.
    """

    area: Words | None = Field(default=None, max_length=200)
    attempts: int | None = Field(default=None, ge=1, le=MOST_ATTEMPTS, strict=True)
    failures: int | None = Field(default=None, ge=0, le=MOST_ATTEMPTS, strict=True)
    objective: Words | None = Field(default=None, max_length=200)
    value: float | None = Field(default=None, allow_inf_nan=False, strict=True)
    environment: Words = Field(default="", max_length=200)
    at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Outcome:
        of_area = self.attempts is not None and self.failures is not None and self.value is None
        of_objective = self.value is not None and self.attempts is None and self.failures is None
        if (self.area is None) == (self.objective is None):
            raise ValueError("name one: an area or an objective")
        if self.area is not None and not of_area:
            raise ValueError("an area has attempts and failures, and no value")
        if self.objective is not None and not of_objective:
            raise ValueError("an objective has a value, and no attempts and failures")
        if (self.failures or 0) > (self.attempts or 0):
            raise ValueError("there are more failures than attempts")
        return self


class OutcomesBody(_Body):
    items: list[Outcome] = Field(min_length=1, max_length=100)
