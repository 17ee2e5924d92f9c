"""What Sentry's server makes of an SDK's event, and how its webhooks tell of it.

Only what a receiver can see: the culprit, the title and the metadata that it computes, pairs
where the SDK sent objects, and the defaults. Stack frames stay as the SDK sent them, but for a
path that is both `abs_path` and `filename` where only one was sent.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

Fields = dict[str, Any]

CULPRIT, TITLE, VALUE = 200, 100, 1024  # the longest that are kept, in characters
PROJECT = 4507712345678901
SITE, PLACE = "https://kulti.sentry.io", "https://sentry.io/api/0"
_NAMELESS = (None, "<redacted>", "<unknown>")


def webhook(resource: str, sent: Mapping[str, Any]) -> Fields:
    """The body of the webhook that tells of an event: `event_alert`, `error` or `issue`."""
    event = stored(sent)
    match resource:
        case "event_alert":
            action, data = "triggered", {"event": event, "triggered_rule": "Kulti: any error"}
        case "error":
            action, data = "created", {"error": event}
        case "issue":
            action, data = "created", {"issue": _issue(event)}
        case _:
            raise ValueError(f"no webhook about a {resource} tells of an event")
    return {
        "action": action,
        "installation": {"uuid": "5b0f6c1e-7a43-4a0e-9d55-2f6c1d0b8e11"},
        "data": data,
        "actor": {"type": "application", "id": "sentry", "name": "Sentry"},
    }


def body(payload: Mapping[str, Any]) -> bytes:
    """A webhook's body in the bytes that Sentry writes it in: compact, and ASCII only."""
    return json.dumps(payload, separators=(",", ":")).encode()


def stored(sent: Mapping[str, Any]) -> Fields:
    """An event as Sentry keeps it and shows it in a webhook."""
    event: Fields = {key: value for key, value in sent.items() if value is not None}
    for frame in (frame for stack in _stacks(event) for frame in stack):
        _complete(frame)
    logentry = _logentry(event)
    metadata = _metadata(event, logentry)
    seconds = _seconds(event.get("timestamp"))
    event |= {
        "level": event.get("level", "error"),
        "logger": event.get("logger", ""),
        "message": logentry.get("formatted", ""),
        "logentry": logentry or None,
        "type": "error" if _exceptions(event) else "default",
        "culprit": culprit(event),
        "metadata": metadata,
        "title": _title(metadata),
        "location": metadata.get("filename"),
        "request": _request(event.get("request")),
        "tags": _tags(event),
        "project": PROJECT,
        "datetime": datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z"),
        "timestamp": seconds,
        "received": seconds,
    }
    issue = str(6_600_000_000 + zlib.crc32((event["title"] + event["culprit"]).encode()))
    return event | {
        "issue_id": issue,
        "url": f"{PLACE}/projects/kulti/kulti-web/events/{event['event_id']}/",
        "web_url": f"{SITE}/issues/{issue}/events/{event['event_id']}/",
        "issue_url": f"{PLACE}/organizations/kulti/issues/{issue}/",
    }


def culprit(event: Mapping[str, Any]) -> str:
    """The transaction if there is one; or else what the crash is in, or the URL."""
    words = event.get("culprit") or event.get("transaction") or _generated(event)
    return words if len(words) <= CULPRIT else words[: CULPRIT - 3] + "..."


def _generated(event: Mapping[str, Any]) -> str:
    exceptions = _exceptions(event)
    if exceptions and (exceptions[-1].get("mechanism") or {}).get("synthetic"):
        return ""
    stacks = [_frames(exception) for exception in exceptions] or [_frames(event)]
    frames = next(filter(None, reversed(stacks)), [])
    newest_first = [*reversed(frames)]
    own_first = sorted(newest_first, key=lambda frame: not frame.get("in_app"))
    for frame in own_first:
        place, function = frame.get("module") or frame["filename"], frame.get("function") or "?"
        javascript = (frame.get("platform") or event.get("platform")) in ("javascript", "node")
        return f"{function}({place})" if javascript else f"{place} in {function}"
    url: str = (event.get("request") or {}).get("url") or ""
    return url


def _issue(event: Mapping[str, Any]) -> Fields:
    """The issue that an event is the first of."""
    number = event["issue_id"]
    seen = event["datetime"].replace("Z", "+00:00")
    handled = [(one.get("mechanism") or {}).get("handled") for one in _exceptions(event)]
    return {
        "id": number,
        "shortId": "KULTI-WEB-3F",
        "title": event["title"],
        "culprit": event["culprit"],
        "level": event["level"],
        "status": "unresolved",
        "substatus": "new",
        "statusDetails": {},
        "platform": event["platform"],
        "type": event["type"],
        "issueType": "error",
        "issueCategory": "error",
        "priority": "high",
        "isUnhandled": False in handled,
        "project": {
            "id": str(PROJECT),
            "name": "kulti-web",
            "slug": "kulti-web",
            "platform": "javascript-nextjs",
        },
        "metadata": event["metadata"],
        "count": "1",
        "userCount": 0,
        "firstSeen": seen,
        "lastSeen": seen,
        "assignedTo": None,
        "permalink": f"{SITE}/issues/{number}/",
        "web_url": f"{SITE}/issues/{number}/",
        "url": f"{PLACE}/organizations/kulti/issues/{number}/",
    }


def _exceptions(event: Mapping[str, Any]) -> list[Fields]:
    return [one for one in (event.get("exception") or {}).get("values") or [] if one]


def _frames(holder: Mapping[str, Any]) -> list[Fields]:
    return [frame for frame in (holder.get("stacktrace") or {}).get("frames") or [] if frame]


def _stacks(event: Mapping[str, Any]) -> Iterator[list[Fields]]:
    threads = (event.get("threads") or {}).get("values") or []
    for holder in (*_exceptions(event), event, *threads):
        yield _frames(holder)


def _complete(frame: Fields) -> None:
    frame["abs_path"] = frame.get("abs_path") or frame.get("filename")
    frame["filename"] = frame.get("filename") or frame["abs_path"]
    frame["in_app"] = frame.get("in_app") is True


def _logentry(event: Mapping[str, Any]) -> Fields:
    """The message; an SDK may send it as a plain string."""
    sent = event.get("logentry") or event.get("message") or {}
    if isinstance(sent, str):
        return {"message": sent, "formatted": sent}
    if not sent:
        return {}
    words, values = sent.get("message", ""), sent.get("params") or ()
    formatted = sent.get("formatted") or (words % tuple(values) if values else words)
    return {**sent, "formatted": formatted}


def _metadata(event: Mapping[str, Any], logentry: Mapping[str, Any]) -> Fields:
    exceptions = _exceptions(event)
    if not exceptions:
        lines = logentry.get("formatted", "").strip().splitlines()
        return {"title": _short(lines[0]) if lines else "<unlabeled event>"}
    last = exceptions[-1]
    metadata = {"value": (last.get("value") or "")[:VALUE]}
    if not (last.get("mechanism") or {}).get("synthetic"):
        metadata["type"] = last.get("type") or "Error"
    crash = _crash(_frames(last))
    if crash is not None:
        metadata |= {"filename": crash["filename"], "function": crash["function"]}
    return metadata


def _crash(frames: list[Fields]) -> Fields | None:
    """The newest frame of the app's own, or else the newest."""
    named = [frame for frame in reversed(frames) if frame.get("function") not in _NAMELESS]
    own = [frame for frame in named if frame["in_app"]]
    return next(iter(own or named), None)


def _title(metadata: Mapping[str, Any]) -> str:
    if "title" in metadata:
        return str(metadata["title"])
    kind, lines = metadata.get("type"), metadata["value"].splitlines()
    if kind is None:
        return str(metadata.get("function") or "<unknown>")
    return f"{kind}: {_short(lines[0])}" if lines else str(kind)


def _short(words: str) -> str:
    return words if len(words) <= TITLE else words[: TITLE - 3] + "..."


def _request(sent: Mapping[str, Any] | None) -> Fields | None:
    if not sent:
        return None
    pairs = {name: _pairs(sent.get(name)) for name in ("headers", "cookies", "query_string")}
    return {**sent, **pairs}


def _pairs(value: Any) -> list[list[str]]:
    if isinstance(value, str):
        value = dict(part.partition("=")[::2] for part in value.split("&") if part)
    return [[key, each] for key, each in (value or {}).items()]


def _tags(event: Mapping[str, Any]) -> list[list[str]]:
    """The SDK's tags, and those that the server takes from the rest of the event."""
    runtime = (event.get("contexts") or {}).get("runtime") or {}
    mechanism = next((one.get("mechanism") or {} for one in reversed(_exceptions(event))), {})
    handled = mechanism.get("handled")
    tags = {
        "environment": event.get("environment"),
        "handled": None if handled is None else ("yes" if handled else "no"),
        "level": event.get("level", "error"),
        "logger": event.get("logger"),
        "mechanism": mechanism.get("type"),
        "release": event.get("release"),
        "runtime.name": runtime.get("name"),
        "server_name": event.get("server_name"),
        "transaction": event.get("transaction"),
        "url": (event.get("request") or {}).get("url"),
        **(event.get("tags") or {}),
    }
    return [[key, str(value)] for key, value in sorted(tags.items()) if value]


def _seconds(timestamp: float | str | None) -> float:
    """The time of an event, which SDKs send as seconds or in ISO 8601."""
    if isinstance(timestamp, str):
        return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()
    return float(timestamp or 0)
