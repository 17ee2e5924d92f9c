"""Messages to try things with: plain ones, and Hypothesis strategies for any at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from responder.chat.base import (
    Approval,
    Checklist,
    ChecklistItem,
    IncidentCard,
    Message,
    Note,
    StepLine,
)

AT = datetime(2026, 3, 12, 14, 2, 3, tzinfo=UTC)
PAGE = "https://responder.example/incidents/3"

_CARD: dict[str, Any] = {
    "incident_id": 3,
    "severity": "critical",
    "area": "credits",
    "state": "open",
    "title": "Balance mismatch after refund",
    "culprit": "src/app/api/credits/refund/route.ts",
    "matched": "credits: src/app/api/credits in the stack",
    "environment": "production",
    "alerts": 12,
    "users": 4,
    "opened_at": AT,
    "acknowledged_by": None,
    "acknowledged_at": None,
    "resolved_by": None,
    "resolved_at": None,
    "paused": ("credit-transactions since 14:02:04 UTC",),
    "steps": (
        StepLine("stop", "Stop credit transactions", "succeeded", "paused and read back"),
        StepLine("balances", "Check balances", "running"),
        StepLine("resume", "Resume", "pending"),
    ),
    "waiting_for": "somebody to acknowledge",
    "contacts": ("Payments on call: #payments",),
    "page_url": PAGE,
    "issue_url": "https://sentry.example/issues/77/",
}


def card(**changes: Any) -> IncidentCard:
    """An incident's card, open unless said otherwise."""
    return IncidentCard(**(_CARD | changes))


def checklist(*items: ChecklistItem, title: str = "Review") -> Checklist:
    """A checklist of step 7."""
    return Checklist(3, 7, title, items, PAGE)


def approval(**changes: Any) -> Approval:
    """A question about step 9, waiting unless said otherwise."""
    details: dict[str, Any] = {
        "incident_id": 3,
        "step_id": 9,
        "title": "Resume credit transactions",
        "will": "lift the hold on credit-transactions",
        "evidence": (StepLine("balances", "Check balances", "succeeded", "no rows"),),
        "state": "waiting",
        "decided_by": None,
        "decided_at": None,
        "page_url": PAGE,
    }
    return Approval(**(details | changes))


def note(text: str = "Escalated to everybody here") -> Note:
    """A line of news."""
    return Note(3, text, PAGE)


# Any message at all. Long texts are built by repetition: drawing them would be slow.

_short = st.text(max_size=40) | st.sampled_from(["", " ", "\x00", "<!channel>", "&" * 80, "\ud800"])
_any_text = _short | st.builds(lambda piece, n: piece * n, _short, st.sampled_from([50, 400]))
_span = (datetime(2000, 1, 1), datetime(2100, 1, 1))  # without a zone, as a database may give
_times = st.datetimes(*_span) | st.datetimes(*_span, timezones=st.just(UTC))
_ids = st.integers(1, 2**53)
_states = st.sampled_from(["pending", "running", "waiting", "succeeded", "failed", "skipped", "?"])
_steps = st.builds(StepLine, _any_text, _any_text, _states, _any_text)


def _some(elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    few = st.lists(elements, max_size=4)
    return st.builds(lambda some, n: tuple(some * n), few, st.sampled_from([1, 30]))


cards = st.builds(
    IncidentCard,
    incident_id=_ids,
    severity=st.sampled_from(["critical", "high", "medium", "low"]) | _any_text,
    area=_any_text,
    state=st.sampled_from(["open", "acknowledged", "mitigated", "resolved"]),
    title=_any_text,
    culprit=_any_text,
    matched=_any_text,
    environment=_any_text,
    alerts=st.integers(0, 10**9),
    users=st.none() | st.integers(0, 10**9),
    opened_at=_times,
    acknowledged_by=st.none() | _any_text,
    acknowledged_at=st.none() | _times,
    resolved_by=st.none() | _any_text,
    resolved_at=st.none() | _times,
    paused=_some(_any_text),
    steps=_some(_steps),
    waiting_for=_any_text,
    contacts=_some(_any_text),
    page_url=st.just(PAGE) | _any_text,
    issue_url=st.just(PAGE) | _any_text,
)

_items = st.builds(ChecklistItem, st.just(0), _any_text, st.none() | _any_text, st.none() | _times)


def _numbered(title: str, items: tuple[ChecklistItem, ...], times: int, page: str) -> Checklist:
    items = tuple(
        ChecklistItem(n, item.text, item.done_by, item.done_at)
        for n, item in enumerate(items * times, 1)
    )
    return Checklist(3, 7, title, items, page)


checklists = st.builds(
    _numbered,
    _any_text,
    st.lists(_items, max_size=8).map(tuple),
    st.sampled_from([1, 5, 100]),
    st.just(PAGE) | _any_text,
)

approvals = st.builds(
    Approval,
    incident_id=_ids,
    step_id=_ids,
    title=_any_text,
    will=_any_text,
    evidence=_some(_steps),
    state=st.sampled_from(["waiting", "approved", "denied", "closed"]),
    decided_by=st.none() | _any_text,
    decided_at=st.none() | _times,
    page_url=st.just(PAGE) | _any_text,
)

notes = st.builds(Note, _ids, _any_text, st.just(PAGE))

any_message: st.SearchStrategy[Message] = cards | checklists | approvals | notes
