"""An event as Sentry's REST API gives it, put into the shape its webhooks have. Pure.

The API writes names in camelCase, keeps the parts of an event in `entries`, tags as objects and
times of breadcrumbs in ISO 8601; what reads webhooks reads none of that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from responder.receive.fields import instant, items, mapping, text, whole

Fields = Mapping[str, object]

# What has the same name and shape in both.
_SAME = (
    "title", "culprit", "platform", "message", "location", "metadata", "user", "contexts",
    "occurrence", "errors", "sdk", "dist", "type",
)  # fmt: skip
_FRAME = {
    "filename": "filename",
    "absPath": "abs_path",
    "module": "module",
    "function": "function",
    "package": "package",
    "platform": "platform",
    "lineNo": "lineno",
    "colNo": "colno",
    "inApp": "in_app",
    "vars": "vars",
}


def as_webhook_event(event: Fields, issue: Fields) -> dict[str, object]:
    """What a webhook would hold under `data.event`; never raises, whatever it is given.

    Args:
        event: from `SentryApi.latest_event`.
        issue: from `SentryApi.issue`, for what an event does not tell.
    """
    event, issue = mapping(event), mapping(issue)
    entries = _entries(event)
    tags = list(_tags(event.get("tags")))
    known = dict(tags)
    event_id = text(event.get("eventID")) or text(event.get("id"))
    permalink = text(issue.get("permalink"))
    project = mapping(issue.get("project"))
    shown: dict[str, object] = {name: event[name] for name in _SAME if name in event}
    shown["title"] = event.get("title") or issue.get("title")
    shown["culprit"] = event.get("culprit") or issue.get("culprit")
    shown |= {
        "event_id": event_id,
        "issue_id": text(issue.get("id")) or text(event.get("groupID")),
        # A webhook has the number here and the slug in its address; readers take either.
        "project": text(project.get("slug")) or text(event.get("projectID")),
        "level": known.get("level") or text(issue.get("level")),
        "environment": known.get("environment", ""),
        "transaction": known.get("transaction", ""),
        "release": known.get("release") or text(mapping(event.get("release")).get("version")),
        "datetime": event.get("dateCreated"),
        "received": event.get("dateReceived"),
        "tags": [list(tag) for tag in tags],
        "issue_url": permalink,
        "web_url": f"{permalink.rstrip('/')}/events/{event_id}/" if permalink else "",
    }
    if "exception" in entries:
        shown["exception"] = {"values": list(map(_stacked, _values(entries["exception"])))}
    if "threads" in entries:
        shown["threads"] = {"values": list(map(_stacked, _values(entries["threads"])))}
    if "stacktrace" in entries:
        shown["stacktrace"] = _stacktrace(entries["stacktrace"])
    if "breadcrumbs" in entries:
        shown["breadcrumbs"] = {"values": list(map(_breadcrumb, _values(entries["breadcrumbs"])))}
    if "message" in entries:
        shown["logentry"] = entries["message"]
    if "request" in entries:
        request = entries["request"]
        shown["request"] = {**request, "query_string": request.get("query")}
    return shown


def _entries(event: Fields) -> dict[str, Fields]:
    """The data of each part, by its type; of two of a type the first counts."""
    found: dict[str, Fields] = {}
    for entry in map(mapping, items(event.get("entries"))):
        found.setdefault(text(entry.get("type")), mapping(entry.get("data")))
    return found


def _values(entry: Fields) -> list[Fields]:
    return [value for value in items(entry.get("values")) if isinstance(value, dict)]


def _tags(value: object) -> Iterator[tuple[str, str]]:
    for tag in items(value):
        match tag:
            case {"key": key, "value": content} | [key, content]:
                if text(key):
                    yield text(key), text(content)


def _stacked(value: Fields) -> dict[str, object]:
    """An exception or a thread."""
    return {**value, "stacktrace": _stacktrace(mapping(value.get("stacktrace")))}


def _stacktrace(stack: Fields) -> dict[str, object]:
    frames = [frame for frame in items(stack.get("frames")) if isinstance(frame, dict)]
    return {"frames": [_frame(frame) for frame in frames]}


def _frame(frame: Fields) -> dict[str, object]:
    shown = {snake: frame[camel] for camel, snake in _FRAME.items() if camel in frame}
    return {**shown, **_source(frame)}


def _source(frame: Fields) -> dict[str, object]:
    """The lines around the failing one, which the API gives as pairs of number and text."""
    lines = [
        (number, text(pair[1]))
        for pair in items(frame.get("context"))
        if isinstance(pair, list) and len(pair) == 2
        for number in [whole(pair[0])]
        if number is not None
    ]
    at = whole(frame.get("lineNo"))
    if at is None or not lines:
        return {}
    return {
        "pre_context": [line for number, line in lines if number < at],
        "context_line": next((line for number, line in lines if number == at), None),
        "post_context": [line for number, line in lines if number > at],
    }


def _breadcrumb(crumb: Fields) -> dict[str, object]:
    at = instant(crumb.get("timestamp"))
    return {**crumb, "timestamp": at.timestamp() if at else None}
