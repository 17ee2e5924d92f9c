"""The first draft of a post-mortem, from what is known when an incident resolves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.incident.times import duration

_ADDRESS = re.compile(r"https?://[!-;=?-~]+")  # nothing that would end a link early


@dataclass(frozen=True, slots=True)
class Moment:
    """One timeline entry."""

    at: datetime
    actor: str
    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a draft is made of."""

    incident_id: int
    title: str
    area: str
    severity: str
    environment: str
    culprit: str
    matched: str
    alerts: int
    users: int | None
    issue_url: str
    first_alert_at: datetime | None
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    mitigated_at: datetime | None
    resolved_at: datetime
    resolved_by: str
    paused: Sequence[tuple[str, datetime, datetime | None, int | None]]
    timeline: Sequence[Moment]


def draft(facts: Facts) -> str:
    """The record as Markdown: facts filled in, questions left for people."""
    return (
        "\n\n".join(
            [
                f"# {_line(facts.title)}",
                _summary(facts),
                "## Impact\n\n" + _impact(facts),
                "## How fast we were\n\n" + _speed(facts),
                "## Timeline\n\n" + "\n".join(_moment(moment) for moment in facts.timeline),
                "## What went well\n\n_To be written._",
                "## What went badly\n\n_To be written._",
                "## Root cause\n\n_To be written. Where it showed: "
                f"{_line(facts.culprit) or 'not known'} ({_line(facts.matched)})._",
                "## Follow-ups\n\n_What keeps this from happening again: who does it, by when._",
            ]
        )
        + "\n"
    )


def _summary(facts: Facts) -> str:
    return (
        f"Incident {facts.incident_id}: {facts.severity} trouble in {_line(facts.area)} "
        f"({_line(facts.environment) or 'no environment named'}), open for "
        f"{duration(facts.resolved_at - facts.opened_at)}, resolved by {_line(facts.resolved_by)}."
    )


def _impact(facts: Facts) -> str:
    users = "not known" if facts.users is None else str(facts.users)
    lines = [f"- Alerts: {facts.alerts}", f"- Users affected: {users}"]
    for switch, since, until, refused in facts.paused:
        for_how_long = duration((until or facts.resolved_at) - since)
        turned_away = "" if refused is None else f"; {refused} operations refused in all"
        lines.append(f"- Paused for {for_how_long}: {_line(switch)}{turned_away}")
    if _ADDRESS.fullmatch(facts.issue_url):
        lines.append(f"- In Sentry: <{facts.issue_url}>")
    return "\n".join(lines)


def _speed(facts: Facts) -> str:
    start = facts.first_alert_at or facts.opened_at
    rows = [
        ("Detected", facts.opened_at - start),
        ("Acknowledged", _span(facts.opened_at, facts.acknowledged_at)),
        ("Mitigated", _span(facts.opened_at, facts.mitigated_at)),
        ("Resolved", facts.resolved_at - facts.opened_at),
    ]
    return "\n".join(
        ["| | after |", "| --- | --- |"]
        + [f"| {name} | {duration(span) if span is not None else 'never'} |" for name, span in rows]
    )


def _span(since: datetime, until: datetime | None) -> timedelta | None:
    return until - since if until is not None else None


def _moment(moment: Moment) -> str:
    return f"- {moment.at:%Y-%m-%d %H:%M:%S} UTC, {_line(moment.actor)}: {_line(moment.text)}"


def _line(text: str) -> str:
    """Text from outside on one line, with what Markdown or HTML would act on made harmless."""
    for mark in "\\`*_[]<>#|~&":
        text = text.replace(mark, f"\\{mark}")
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
