"""Which issues no stored delivery tells of, and the delivery that stands in for each. Pure.

To an internal integration Sentry sends each webhook once. What came while nobody listened, or
was dropped on its way, is found by what Sentry lists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.receive.fields import instant, mapping, text
from responder.receive.sentry import RECONCILED
from responder.receive.sentry_rest import as_webhook_event

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Missed:
    """An issue that was seen and not told of; `new` if it was never seen before the window."""

    id: str
    issue: Fields
    last_seen: datetime
    new: bool


def uncovered(
    issues: Iterable[Fields], heard: Mapping[str, datetime], *, now: datetime, back: timedelta
) -> list[Missed]:
    """The issues seen in the window that no delivery covers, the one seen first leading.

    Alert rules tell of an issue that goes on only now and then. So it is covered by a delivery
    from up to a window before it was last seen, and a new one by any.

    Args:
        issues: from `SentryApi.issues`.
        heard: by issue, when a delivery last told of it.
        back: how long the window is that ends now.
    """
    since = now - back
    found = []
    for issue in issues:
        id_, last_seen = text(issue.get("id")), instant(issue.get("lastSeen"))
        if not (id_.isascii() and id_.isdigit()) or last_seen is None or last_seen < since:
            continue
        first_seen, told = instant(issue.get("firstSeen")), heard.get(id_)
        new = first_seen is not None and first_seen >= since
        if told is None or not (new or told >= last_seen - back):
            found.append(Missed(id_, issue, last_seen, new))
    return sorted(found, key=lambda missed: missed.last_seen)


def stand_in(missed: Missed, event: Fields) -> tuple[str, bytes]:
    """The key and the body of the delivery for an issue.

    Whoever else finds the same event makes the same key.

    Args:
        event: the latest, from `SentryApi.latest_event`; empty if there is none to be had. Then
            the issue itself must do.
    """
    told = as_webhook_event(event, missed.issue)
    if instant(told.get("datetime")) is None:
        told["datetime"] = missed.last_seen.isoformat()
    if not event:
        told["metadata"] = mapping(missed.issue.get("metadata"))
    which = text(told.get("event_id"))[:64] or missed.last_seen.isoformat()
    body = {"action": RECONCILED, "data": {"event": told, "first_seen": missed.new}}
    return f"sentry:{RECONCILED}:{missed.id}:{which}", json.dumps(body).encode()
