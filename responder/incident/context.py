"""What is known around an incident: what its first alert tells, and what Sentry's API does. Pure.

All of it is as people may see it: redacted, cut, and text whatever it was. Links are web
addresses or not there.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from pydantic import BaseModel, ConfigDict

from responder.classify.files import repository_path
from responder.receive import redact
from responder.receive.alert import Alert
from responder.receive.fields import instant, items, mapping, text, whole

Fields = Mapping[str, object]

FRAMES, BREADCRUMBS, TAGS, COMMITS, REPLAYS = 5, 10, 12, 5, 5
SHORT, LONG = 120, 300  # characters of a name, and of a sentence

# Tags that say again what stands elsewhere, or nothing to whoever looks at an incident.
_DULL = frozenset(
    {"environment", "release", "level", "transaction", "url", "user", "browser", "os", "runtime",
     "replayid", "replay_id", "dist", "handled", "mechanism", "server_name", "trace",
     "sample_event"}
)  # fmt: skip
_DULL_GROUPS = ("browser.", "os.", "runtime.", "client_os", "trace.", "sdk.", "sentry:", "app.")


class _Facts(BaseModel):
    # What an earlier version stored may lack what a later one shows.
    model_config = ConfigDict(extra="ignore", json_schema_serialization_defaults_required=True)


class CodePlace(_Facts):
    """A line of the app's code."""

    file: str = ""
    line: int | None = None
    function: str = ""


class Breadcrumb(_Facts):
    """Something that happened before the event."""

    at: datetime | None = None
    category: str = ""
    level: str = ""
    message: str = ""


class Link(_Facts):
    """An id, and where to look at it; `url` may be empty."""

    id: str = ""
    url: str = ""


class EventFacts(_Facts):
    """What one event tells. `user` is a mark: the same for the same person, and no name."""

    event_id: str = ""
    url: str = ""
    at: datetime | None = None
    environment: str = ""
    release: str = ""
    browser: str = ""
    os: str = ""
    request: str = ""  # method and path
    trace_id: str = ""
    user: str = ""
    replay: Link | None = None
    frames: list[CodePlace] = []  # the newest first
    breadcrumbs: list[Breadcrumb] = []  # the newest last
    tags: dict[str, str] = {}


class Commit(_Facts):
    """A commit that Sentry suspects."""

    id: str = ""
    author: str = ""
    subject: str = ""


class IssueFacts(_Facts):
    """An issue by Sentry's own account. What Sentry did not tell is None or empty."""

    id: str = ""
    short_id: str = ""
    title: str = ""
    url: str = ""
    status: str = ""
    priority: str = ""
    assignee: str = ""
    users: int | None = None
    events: int | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    first_release: str = ""
    last_release: str = ""
    commits: list[Commit] | None = None
    replays: list[Link] | None = None


class SentryFacts(_Facts):
    """What Sentry's API told: the incident's issues, the one that opened it first.

    `event` is the latest event of that one, where the alert itself came without any.
    """

    issues: list[IssueFacts] = []
    event: EventFacts | None = None


@dataclass(frozen=True, slots=True)
class Privacy:
    """How what is about people is made fit to be shown.

    Args:
        key: of the marks that stand for people.
        hidden: more names of keys whose values nobody may see.
    """

    key: bytes
    hidden: tuple[str, ...] = ()

    def shown(self, value: object, longest: int = SHORT) -> str:
        """Text on one line, without personal data, at most so long."""
        words = redact.payload(text(value), self.hidden).value
        line = " ".join(text(words).split())
        return line if len(line) <= longest else f"{line[: longest - 1]}…"

    def mark(self, user: Fields) -> str:
        """A mark that tells one person from another, and not who they are."""
        known = (text(user.get(name)) for name in ("id", "email", "username", "ip_address"))
        identity = next(filter(None, known), "")
        if not identity:
            return ""
        return "user " + hmac.new(self.key, identity.encode(), hashlib.sha256).hexdigest()[:8]

    def tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Those worth a look, by name; none whose value had to be removed."""
        told = {name: value for name, value in sorted(tags.items()) if value and not _dull(name)}
        clean = mapping(redact.payload(told, self.hidden).value)
        left = (
            (self.shown(name), self.shown(value))
            for name, value in clean.items()
            if value != redact.REMOVED
        )
        return dict(islice(left, TAGS))


def _dull(tag: str) -> bool:
    name = tag.lower()
    return name in _DULL or name.startswith(_DULL_GROUPS)


def event_facts(alert: Alert, payload: Fields, privacy: Privacy) -> EventFacts:
    """What an alert tells of its event; never raises, whatever the payload holds.

    Args:
        payload: the delivery that the alert was read from. Of sources other than Sentry it
            tells nothing beyond the alert.
    """
    data = mapping(payload.get("data"))
    # An alert rule's, one of all errors, or the legacy plugin's.
    event = (
        mapping(data.get("event")) or mapping(data.get("error")) or mapping(payload.get("event"))
    )
    contexts = mapping(event.get("contexts"))
    url = _web(alert.issue_url)
    return EventFacts(
        event_id=alert.event_id[:SHORT],
        url=url if alert.event_id else "",
        at=alert.occurred_at,
        environment=privacy.shown(alert.environment),
        release=privacy.shown(alert.release),
        browser=_named(contexts.get("browser"), alert.tags.get("browser"), privacy),
        os=_named(contexts.get("os"), alert.tags.get("os"), privacy),
        request=_request(event, alert, privacy),
        trace_id=_hex(mapping(contexts.get("trace")).get("trace_id")),
        user=privacy.mark(mapping(event.get("user"))),
        replay=_replay(contexts, alert, url),
        frames=_frames(alert, privacy),
        breadcrumbs=_breadcrumbs(event, privacy),
        tags=privacy.tags(alert.tags),
    )


def _named(context: object, tag: object, privacy: Privacy) -> str:
    """Name and version, such as `Chrome 126.0`."""
    known = mapping(context)
    words = f"{text(known.get('name'))} {text(known.get('version'))}".strip()
    return privacy.shown(words or tag)


def _request(event: Fields, alert: Alert, privacy: Privacy) -> str:
    """The method and the path: a query may hold secrets, and a host tells nothing new."""
    request = mapping(event.get("request"))
    path = _path(text(request.get("url")) or alert.url)
    method = text(request.get("method")).upper()[:10]
    return privacy.shown(f"{method} {path}", LONG) if path else ""


def _path(url: str) -> str:
    _, scheme, rest = url.partition("://")
    path = "/" + rest.partition("/")[2] if scheme else url
    return path.partition("?")[0].partition("#")[0]


def _hex(value: object) -> str:
    found = text(value)
    return found if len(found) <= 64 and found.isalnum() and found.isascii() else ""


def _replay(contexts: Fields, alert: Alert, url: str) -> Link | None:
    told = mapping(contexts.get("replay")).get("replay_id")
    id_ = _hex(told) or _hex(alert.tags.get("replayId") or alert.tags.get("replay_id"))
    return _replay_link(id_, url) if id_ else None


def _replay_link(replay_id: str, issue_url: str) -> Link:
    """Where a replay is looked at, beside the issues of the same organisation."""
    organisation, found, _ = issue_url.partition("/issues/")
    return Link(id=replay_id, url=f"{organisation}/replays/{replay_id}/" if found else "")


def _frames(alert: Alert, privacy: Privacy) -> list[CodePlace]:
    own = [frame for frame in alert.frames if frame.in_app] or alert.frames
    return [
        CodePlace(
            file=privacy.shown(repository_path(frame.path) or frame.path, LONG),
            line=frame.line,
            function=privacy.shown(frame.function or ""),
        )
        for frame in own[:FRAMES]
    ]


def _breadcrumbs(event: Fields, privacy: Privacy) -> list[Breadcrumb]:
    held = event.get("breadcrumbs")
    crumbs = [one for one in items(mapping(held).get("values") or held) if isinstance(one, dict)]
    return [
        Breadcrumb(
            at=instant(crumb.get("timestamp")),
            category=privacy.shown(crumb.get("category") or crumb.get("type")),
            level=privacy.shown(crumb.get("level")),
            message=privacy.shown(text(crumb.get("message")) or _happened(crumb), LONG),
        )
        for crumb in crumbs[-BREADCRUMBS:]
    ]


def _happened(crumb: Fields) -> str:
    """Requests and changes of page say in their data what they were."""
    data = mapping(crumb.get("data"))
    if url := text(data.get("url")):
        host = url.partition("://")[2].partition("/")[0]
        parts = (data.get("method"), host + _path(url), data.get("status_code"))
        return " ".join(filter(None, map(text, parts)))
    way = [text(data.get("from")), text(data.get("to"))]
    return " → ".join(_path(place) for place in way) if all(way) else ""


def issue_facts(issue: Fields, privacy: Privacy, known: IssueFacts | None = None) -> IssueFacts:
    """What an issue of Sentry's API tells; never raises.

    Args:
        known: what was known before, of which commits and replays stay.
    """
    status, substatus = text(issue.get("status")), text(issue.get("substatus"))
    return IssueFacts(
        id=text(issue.get("id"))[:SHORT],
        short_id=privacy.shown(issue.get("shortId")),
        title=privacy.shown(issue.get("title"), LONG),
        url=_web(text(issue.get("permalink"))),
        status=privacy.shown(f"{status} ({substatus})" if substatus else status),
        priority=privacy.shown(issue.get("priority")),
        assignee=privacy.shown(mapping(issue.get("assignedTo")).get("name")),
        users=whole(issue.get("userCount")),
        events=whole(issue.get("count")),
        first_seen=instant(issue.get("firstSeen")),
        last_seen=instant(issue.get("lastSeen")),
        first_release=_release(issue.get("firstRelease"), privacy),
        last_release=_release(issue.get("lastRelease"), privacy),
        commits=known.commits if known else None,
        replays=known.replays if known else None,
    )


def _release(value: object, privacy: Privacy) -> str:
    release = mapping(value)
    return privacy.shown(release.get("version") or release.get("shortVersion") or value)


def commits_of(committers: Iterable[Fields], privacy: Privacy) -> list[Commit]:
    """Suspect commits from `SentryApi.committers`, the likeliest first. Of people only names."""
    found = (
        (mapping(one.get("author")), mapping(commit))
        for one in committers
        for commit in items(one.get("commits"))
    )
    return [
        Commit(
            id=_hex(commit.get("id"))[:8],
            author=privacy.shown(author.get("name")),
            subject=privacy.shown(text(commit.get("message")).strip().partition("\n")[0]),
        )
        for author, commit in islice(found, COMMITS)
    ]


def replays_of(ids: Iterable[str], issue_url: str) -> list[Link]:
    """Replays from `SentryApi.replay_ids`, some of them."""
    return [_replay_link(one, issue_url) for one in islice(ids, REPLAYS)]


def _web(url: str) -> str:
    return url if url.startswith(("https://", "http://")) else ""
