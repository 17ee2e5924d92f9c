"""Sentry's webhooks, of integrations and of the legacy plugin: what each is, and what it says.

The header names the resource, the body the action; new ones of both keep appearing, so what is
not known is kept as `Signal.UNKNOWN`. Nearly every field may be missing, null or of another
type than its neighbours in the same payload.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import islice

from responder.receive import redact
from responder.receive.alert import Alert, Frame, Metric, Signal
from responder.receive.fields import instant, items, mapping, text, whole
from responder.receive.source import Description, json_object

Fields = Mapping[str, object]

SAMPLE = "Test notification"  # the culprit of what the test button of newer monitors sends
FRAMES = 250
RULES = 50
TAGS = 200
NAME, TITLE, PATH, MESSAGE = 200, 500, 1000, 4000  # the longest we keep, in characters

# Which resource a body must be when no header says so, as with a payload read from a file.
_TELLTALES = {
    "event": "event_alert",
    "error": "error",
    "metric_alert": "metric_alert",
    "comment_id": "comment",
    "installation": "installation",
    "run_id": "seer",
    "activity": "activity_alert",
    "issue": "issue",
}

# Resources of ours, for bodies that come without a name: the legacy plugin's, what was fetched
# from Sentry's API because no webhook came, and all others.
PLUGIN, RECONCILED, UNKNOWN = "plugin", "reconciled", "unknown"

_READ = frozenset({*_TELLTALES.values(), PLUGIN})

_SIGNALS = {
    ("event_alert", "triggered"): Signal.FIRING,
    (PLUGIN, "triggered"): Signal.FIRING,
    (RECONCILED, "reconciled"): Signal.FIRING,
    ("error", "created"): Signal.FIRING,
    ("issue", "created"): Signal.FIRING,
    ("issue", "unresolved"): Signal.FIRING,
    ("issue", "resolved"): Signal.RESOLVED,
    ("metric_alert", "critical"): Signal.FIRING,
    ("metric_alert", "warning"): Signal.FIRING,
    ("metric_alert", "open"): Signal.FIRING,
    ("metric_alert", "resolved"): Signal.RESOLVED,
    ("activity_alert", "triggered"): Signal.NOTE,
}
# A number at the beginning, such as `0.31 failure rate` or `99.5% sessions crash free rate`.
_LEADING = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(%?) \S", re.ASCII)

# What people will see of these must hold nobody's data or secrets.
_SHOWN: Mapping[str, Callable[[str], str]] = {
    "title": redact.words,
    "message": redact.words,
    "culprit": redact.place,
    "transaction": redact.place,
    "route": redact.place,
}

_START_NOTHING = frozenset({Signal.RESOLVED, Signal.NOTE})
_NOTED = frozenset({"issue", "comment", "installation", "seer"})  # whatever the action


class SentrySource:
    """Describes and normalises Sentry's webhooks."""

    name = "sentry"

    def describe(self, headers: Mapping[str, str], body: bytes) -> Description:
        """Say what a delivery is.

        Raises:
            NotUnderstood: the body is not a JSON object.
        """
        payload = json_object(body)
        looks_like = _guess(payload)
        resource = text(headers.get("sentry-hook-resource"))[:60] or looks_like
        action = _action(resource, payload)
        # What a header calls it does not count here: the signature does not cover it.
        repeats = resource == looks_like and _signal(resource, action) in _START_NOTHING
        sent_key = text(headers.get("idempotency-key"))
        if sent_key and len(sent_key) <= 100:
            identity = sent_key
        else:
            sent_at = text(headers.get("sentry-hook-timestamp")) if repeats else ""
            parts = [sent_key] if sent_key else _identity(resource, payload, body, sent_at)
            identity = hashlib.sha256(json.dumps([action, *parts]).encode()).hexdigest()
        return Description(resource, action, f"{self.name}:{resource}:{identity}", repeats)

    def normalise(self, resource: str, payload: Mapping[str, object]) -> Alert:
        """Say it in our words; never raises."""
        resource = text(resource)[:60]
        data = payload if resource == PLUGIN else mapping(payload.get("data"))
        reading = _Reading(resource, _action(resource, payload), data)
        looks_like = _guess(payload)
        if looks_like not in (reading.resource, UNKNOWN) and reading.resource in _READ:
            # The signature does not cover the header: what it names must be what the body is.
            reading.notes.append(f"it is called {reading.resource}, but looks like {looks_like}")
            alert = reading.other(Signal.UNKNOWN)
            return replace(alert, notes=tuple(reading.notes))
        match reading.resource:
            case "event_alert" | "error":
                alert = reading.event()
            case "reconciled":
                alert = reading.reconciled()
            case "issue" | "activity_alert":
                alert = reading.issue()
            case "metric_alert":
                alert = reading.metric_alert()
            case "plugin" if looks_like == PLUGIN:
                alert = reading.plugin()
            case "plugin":
                alert = reading.other(Signal.UNKNOWN)
            case _:
                alert = reading.other()
        actor = mapping(payload.get("actor"))
        return replace(
            alert,
            actor=(text(actor.get("name")) or text(actor.get("id")))[:NAME],
            notes=tuple(dict.fromkeys(reading.notes)),
        )


def looks_like_plugin(payload: Fields) -> bool:
    """Whether a body is of the legacy WebHooks plugin, which has no envelope."""
    return (
        "data" not in payload
        and isinstance(payload.get("event"), dict)
        and ("triggering_rules" in payload or "project_slug" in payload)
    )


def _guess(payload: Fields) -> str:
    if looks_like_plugin(payload):
        return PLUGIN
    data = mapping(payload.get("data"))
    return next((resource for key, resource in _TELLTALES.items() if key in data), UNKNOWN)


def _action(resource: str, payload: Fields) -> str:
    return "triggered" if resource == PLUGIN else text(payload.get("action"))[:60]


def _signal(resource: str, action: str) -> Signal:
    known = _SIGNALS.get((resource, action))
    return known or (Signal.NOTE if resource in _NOTED else Signal.UNKNOWN)


def _identity(resource: str, payload: Fields, body: bytes, sent_at: str) -> list[str]:
    """What tells one notification from the next where Sentry sends no key for it.

    Issues and metric alerts go to and fro between the same states under one id, so their body
    counts too, and `sent_at` if it is known; and so it does wherever an id is missing, lest two
    deliveries pass for one.
    """
    data = payload if resource == PLUGIN else mapping(payload.get("data"))
    whole_body = hashlib.sha256(body).hexdigest()
    event = _event(data)
    event_id = text(event.get("event_id"))
    match resource:
        case "event_alert":
            parts = [event_id, text(data.get("triggered_rule"))]
        case "plugin":
            parts = [event_id or text(event.get("id")), *_rules(data)]
        case "error":
            parts = [event_id]
        case "comment":
            parts = [text(data.get("comment_id"))]
        case "seer":
            parts = [text(data.get("run_id"))]
        case _:
            parts = [""]
    if parts[0]:
        return parts
    return [*parts, whole_body, sent_at] if sent_at else [*parts, whole_body]


def _rules(payload: Fields) -> list[str]:
    """The alert rules that the legacy plugin names."""
    return [text(rule) for rule in items(payload.get("triggering_rules"))[:RULES]]


def _event(data: Fields) -> Fields:
    return mapping(data.get("event")) or mapping(data.get("error"))


class _Reading:
    """One payload being read; collects notes on what had to be cut or dropped."""

    def __init__(
        self, resource: str, action: str, data: Fields, notes: list[str] | None = None
    ) -> None:
        self.resource = resource
        self.action = action
        self.data = data
        self.notes: list[str] = [] if notes is None else notes

    def event(self) -> Alert:
        """An event, from an alert rule or from the stream of all errors."""
        event = _event(self.data)
        occurrence = mapping(event.get("occurrence"))  # issues that are not errors have one
        metadata = mapping(event.get("metadata"))
        nextjs = mapping(mapping(event.get("contexts")).get("nextjs"))
        request = mapping(event.get("request"))
        issue_alert = mapping(self.data.get("issue_alert"))
        tags = self._tags(event.get("tags"))
        culprit = self._cut("culprit", TITLE, event.get("culprit"), occurrence.get("culprit"))
        sample = (
            "sample_event" in tags
            or culprit == SAMPLE
            or occurrence.get("issueTitle") == "Test Issue"
        )
        return Alert(
            source=SentrySource.name,
            resource=self.resource,
            action=self.action,
            signal=Signal.TEST if sample else _signal(self.resource, self.action),
            title=self._cut("title", TITLE, event.get("title"), occurrence.get("issueTitle")),
            message=self._cut("message", MESSAGE, *_messages(event)),
            type=self._cut("type", NAME, metadata.get("type"), _last_exception(event).get("type")),
            level=text(event.get("level"))[:NAME],
            culprit=culprit,
            transaction=self._cut(
                "transaction", TITLE, event.get("transaction"), tags.get("transaction")
            ),
            location=self._cut("location", PATH, metadata.get("filename"), event.get("location")),
            route=self._cut("route", PATH, nextjs.get("router_path"), nextjs.get("request_path")),
            # What follows a "?" may hold somebody's secrets, and names no place.
            url=self._cut("url", PATH, _bare(request.get("url")), _bare(tags.get("url"))),
            environment=self._cut(
                "environment", NAME, event.get("environment"), tags.get("environment")
            ),
            project=_project(event),
            release=self._cut("release", NAME, event.get("release"), tags.get("release")),
            event_id=text(event.get("event_id"))[:NAME],
            issue_id=text(event.get("issue_id"))[:NAME],
            issue_url=_link(event.get("web_url"), event.get("issue_url")),
            rule=self._cut("rule", NAME, self.data.get("triggered_rule"), issue_alert.get("title")),
            occurred_at=self._time(event, "datetime", "timestamp", "received"),
            frames=self._frames(event),
            tags=tags,
        )

    def plugin(self) -> Alert:
        """What the legacy plugin sends: a raw event, and beside it what Sentry made of it."""
        event, rules = mapping(self.data.get("event")), _rules(self.data)
        beside = {
            "title": event.get("title") or _exception_title(event) or self.data.get("message"),
            "message": event.get("message") or self.data.get("message"),
            "culprit": self.data.get("culprit") or event.get("culprit"),
            "level": self.data.get("level") or event.get("level"),
            "event_id": event.get("event_id") or event.get("id"),
            "issue_id": self.data.get("id"),
            "web_url": self.data.get("url"),
        }
        data = {"event": {**event, **beside}, "triggered_rule": ", ".join(filter(None, rules))}
        alert = _Reading(self.resource, self.action, data, self.notes).event()
        slug = self._cut("project", NAME, self.data.get("project_slug"), self.data.get("project"))
        return replace(alert, project=slug or alert.project)

    def reconciled(self) -> Alert:
        """The latest event of an issue that no webhook told of; see receive/reconcile.py."""
        self.notes.append("fetched from Sentry's API: no webhook had told of it")
        return replace(self.event(), first_seen=self.data.get("first_seen") is True)

    def issue(self) -> Alert:
        """A change of an issue, or an activity on it. Carries no stack and no environment."""
        issue = mapping(self.data.get("issue"))
        metadata = mapping(issue.get("metadata"))
        project = mapping(issue.get("project"))
        activity = mapping(self.data.get("activity"))
        culprit = self._cut("culprit", TITLE, issue.get("culprit"))
        created = (self.resource, self.action) == ("issue", "created")
        seen = ("firstSeen", "lastSeen")
        return Alert(
            source=SentrySource.name,
            resource=self.resource,
            action=self.action,
            signal=Signal.TEST if culprit == SAMPLE else _signal(self.resource, self.action),
            title=self._cut("title", TITLE, issue.get("title"), metadata.get("title")),
            message=self._cut("message", MESSAGE, metadata.get("value"), activity.get("type")),
            type=self._cut("type", NAME, metadata.get("type")),
            level=text(issue.get("level"))[:NAME],
            culprit=culprit,
            location=self._cut("location", PATH, metadata.get("filename")),
            project=self._cut("project", NAME, project.get("slug"), project.get("id")),
            issue_id=text(issue.get("id"))[:NAME],
            issue_url=_link(issue.get("web_url"), issue.get("webUrl"), issue.get("permalink")),
            rule=self._cut("rule", NAME, mapping(self.data.get("alert")).get("name")),
            users=whole(issue.get("userCount")),
            first_seen=created,
            # A new issue is the event that made it, which may not be its last any more.
            occurred_at=self._time(issue, *(seen if created else reversed(seen))),
        )

    def metric_alert(self) -> Alert:
        """A metric rule that changed its state."""
        alert = mapping(self.data.get("metric_alert"))
        rule = mapping(alert.get("alert_rule"))
        name = self._cut("rule", NAME, rule.get("name"), alert.get("title"))
        description = self._cut("message", MESSAGE, self.data.get("description_text"))
        return Alert(
            source=SentrySource.name,
            resource=self.resource,
            action=self.action,
            signal=_signal(self.resource, self.action),
            title=self._cut("title", TITLE, self.data.get("description_title"), name),
            message=description,
            level=self.action if self.action in ("critical", "warning") else "",
            environment=self._cut("environment", NAME, rule.get("environment")),
            project=self._cut("project", NAME, *items(alert.get("projects"))),
            issue_url=_link(self.data.get("web_url")),
            rule=name,
            # Of a change of state only the end has a time; one that worsens now began earlier.
            occurred_at=self._time(alert, "date_closed"),
            metric=Metric(
                id=text(alert.get("id"))[:NAME],
                rule=name,
                query=self._cut("query", PATH, rule.get("query")),
                aggregate=self._cut("aggregate", NAME, rule.get("aggregate")),
                description=description,
                rule_id=text(rule.get("id"))[:NAME],
                value=_measured(text(self.data.get("description_text")), rule),
            ),
        )

    def other(self, signal: Signal | None = None) -> Alert:
        """A comment, a (de)installation, Seer's work, or what we have no words for yet."""
        data = self.data
        titles = [mapping(part).get("title") for part in data.values()]
        cause = mapping(data.get("root_cause"))
        return Alert(
            source=SentrySource.name,
            resource=self.resource,
            action=self.action,
            signal=signal or _signal(self.resource, self.action),
            title=self._cut("title", TITLE, data.get("title"), *titles),
            message=self._cut("message", MESSAGE, data.get("comment"), cause.get("description")),
            project=self._cut("project", NAME, data.get("project_slug")),
            issue_id=self._cut("issue id", NAME, data.get("issue_id"), data.get("group_id")),
            occurred_at=self._time(data, "timestamp"),
        )

    def _cut(self, name: str, longest: int, *values: object) -> str:
        """The first of these that has any text, at most so many characters of it."""
        words = next(filter(None, map(text, values)), "")
        if len(words) > longest:
            self.notes.append(f"the {name} was cut to {longest} characters")
        return _SHOWN.get(name, str)(words[:longest])

    def _time(self, fields: Fields, *names: str) -> datetime | None:
        for name in names:
            value = fields.get(name)
            if value is None:
                continue
            at = instant(value)
            if at is not None:
                return at
            self.notes.append(f"{name} is no time we can use, and was left out")
        return None

    def _tags(self, value: object) -> dict[str, str]:
        """Tags come as pairs, or as objects where they were copied from the REST API."""
        tags: dict[str, str] = {}
        for tag in items(value)[:TAGS]:
            match tag:
                case [key, content] | {"key": key, "value": content}:
                    if text(key):
                        tags[text(key)[:NAME]] = self._cut("value of a tag", NAME, content)
        if len(items(value)) > TAGS:
            self.notes.append(f"only the first {TAGS} tags were kept")
        return tags

    def _frames(self, event: Fields) -> tuple[Frame, ...]:
        frames = tuple(islice(_newest_first(event), FRAMES + 1))
        if len(frames) > FRAMES:
            self.notes.append(f"only the newest {FRAMES} frames were kept")
        return tuple(self._frame(frame) for frame in frames[:FRAMES])

    def _frame(self, frame: Fields) -> Frame:
        places = (frame.get(name) for name in ("filename", "abs_path", "module"))
        return Frame(
            path=self._cut("path of a frame", PATH, *places),
            address=text(frame.get("abs_path"))[:NAME],
            function=text(frame.get("function"))[:NAME] or None,
            line=whole(frame.get("lineno")),
            in_app=frame.get("in_app") is True,
        )


def _newest_first(event: Fields) -> Iterator[Fields]:
    """Frames from the crash outwards: of the last exception, which names the event, then causes.

    A message has none, but may carry a stack of its own or one in its threads.
    """
    stacks = [
        mapping(mapping(holder).get("stacktrace"))
        for part in ("exception", "threads")
        for holder in reversed(items(mapping(event.get(part)).get("values")))
    ]
    for stack in (*stacks, mapping(event.get("stacktrace"))):
        for frame in reversed(items(stack.get("frames"))):
            if isinstance(frame, dict):
                yield frame


def _messages(event: Fields) -> tuple[object, ...]:
    """Where an event says something: its message, or else the exception that names it."""
    logentry = mapping(event.get("logentry"))
    return (
        event.get("message"),
        logentry.get("formatted"),
        logentry.get("message"),
        _last_exception(event).get("value"),
        mapping(event.get("occurrence")).get("subtitle"),
    )


def _exception_title(event: Fields) -> str:
    """An exception as Sentry titles it, for events that come without a title."""
    exception = _last_exception(event)
    return ": ".join(filter(None, (text(exception.get("type")), text(exception.get("value")))))


def _last_exception(event: Fields) -> Fields:
    """The exception that names the event."""
    exceptions = items(mapping(event.get("exception")).get("values"))
    return mapping(exceptions[-1]) if exceptions else {}


def _measured(words: str, rule: Fields) -> float | None:
    """What a metric rule measured, which stands only in prose; None where it may be misread.

    A rule that compares with an earlier time says by how much it changed, not what it is.
    """
    if rule.get("comparison_delta") is not None or "compared to" in words:
        return None
    found = _LEADING.match(words)
    if found is None or (found[2] and not text(rule.get("aggregate")).startswith("percentage(")):
        return None
    return float(found[1])


def _bare(url: object) -> str:
    return text(url).partition("?")[0].partition("#")[0]


def _project(event: Fields) -> str:
    """The project's slug, which stands only in the event's API address; or else its number."""
    _, _, after = text(event.get("url")).partition("/projects/")
    slug = after.partition("/")[2].partition("/")[0]  # organisation/project/events/…
    return (slug or text(event.get("project")))[:NAME]


def _link(*values: object) -> str:
    """The first of these that is a web address; anything else must not become a link."""
    return next(
        (link for link in map(text, values) if link.startswith(("https://", "http://"))), ""
    )[:PATH]
