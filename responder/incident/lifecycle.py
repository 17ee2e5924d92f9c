"""The states of an incident and what may follow what."""

from __future__ import annotations

from enum import StrEnum


class IncidentState(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"


class NotAllowed(Exception):
    """What a person asked for does not fit the present state; the message says why."""


_FOLLOWS = {
    IncidentState.OPEN: {
        IncidentState.ACKNOWLEDGED,
        IncidentState.MITIGATED,
        IncidentState.RESOLVED,
    },
    IncidentState.ACKNOWLEDGED: {IncidentState.MITIGATED, IncidentState.RESOLVED},
    IncidentState.MITIGATED: {IncidentState.RESOLVED},
    IncidentState.RESOLVED: set(),
}


def may_follow(now: IncidentState, then: IncidentState) -> bool:
    """Whether an incident in the first state may go to the second."""
    return then in _FOLLOWS[now]


def check_resolve(state: IncidentState, *, holds: list[str], changing: list[str]) -> None:
    """Refuse to close the book on an incident that still keeps something paused.

    Raises:
        NotAllowed: it is resolved already, a hold of its own stands, or one of its steps is
            in the middle of changing a switch.
    """
    if state is IncidentState.RESOLVED:
        raise NotAllowed("this incident is resolved already")
    if holds:
        raise NotAllowed(
            f"{', '.join(holds)} is still paused for this incident; "
            "release it first, or the pause would be forgotten"
        )
    if changing:
        raise NotAllowed(
            f"{', '.join(changing)} is still under way; wait for it, or the switch could end up "
            "in a state that nobody looks after"
        )
