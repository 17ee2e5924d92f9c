"""Sentry's REST API: reading issues, events and figures, and telling Sentry what was done.

Nothing is sent twice by itself, and nothing waits for long: whoever asks is told when to come
back. Addresses are those of the organisation; the short forms are on their way out at Sentry.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from responder.receive.fields import items, mapping, text

Json = dict[str, Any]
Params = Sequence[tuple[str, str]]

CONCURRENT = 2  # calls at once, of all kinds
SECONDS = 10.0  # for one call, with the wait for its turn
PATIENCE = 2.0  # seconds we sleep until a rate limit ends; beyond that the caller is told
PAUSE = 10.0  # seconds to leave an endpoint alone that does not say for how long
LONGEST_PAUSE = 3600.0  # seconds, whatever an answer says
LARGEST = 5 * 1024 * 1024  # bytes of an answer
PAGE = 100  # items, the most that Sentry gives at once
MOST_PAGES = 20
MOST_FIELDS = 20  # of a table

_NUMBER = re.compile(r"[0-9]{1,20}")
_HEX = re.compile(r"[0-9a-f]{32}")
_SLUG = re.compile(r"[A-Za-z0-9_-]{1,100}")
_UUID = re.compile(r"[0-9A-Fa-f-]{32,36}")
_TOKEN = re.compile(r"[!-~]+")  # what a header can carry


class SentryApiError(Exception):
    """Sentry did not do what was asked; the text says why and how to mend it.

    Attributes:
        again: whether asking once more by itself could help.
        retry_after: seconds until then, where that is known.
        status: Sentry's answer; None where there was none.
    """

    def __init__(
        self,
        text: str,
        *,
        again: bool = False,
        retry_after: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(text)
        self.again = again
        self.retry_after = retry_after
        self.status = status


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One kind of call. Sentry limits the rate of each by itself."""

    method: str
    does: str
    permission: str  # by the name that Sentry's settings give it


_READ, _WRITE = "Issue & Event: Read", "Issue & Event: Read & Write"
_ISSUE = _Endpoint("GET", "read an issue", _READ)
_EVENT = _Endpoint("GET", "read an event", _READ)
_ISSUES = _Endpoint("GET", "search for issues", _READ)
_COMMITTERS = _Endpoint("GET", "read suspect commits", "Project: Read")
_REPLAYS = _Endpoint("GET", "look for replays", "Organization: Read")
_EVENTS = _Endpoint("GET", "count events", "Organization: Read")
_COMMENTS = _Endpoint("GET", "read comments", _READ)
_COMMENT = _Endpoint("POST", "comment on an issue", _WRITE)
_UPDATE = _Endpoint("PUT", "change an issue", _WRITE)
_LINK = _Endpoint("POST", "link an incident to an issue", _WRITE)


@dataclass(frozen=True, slots=True)
class _Answer:
    content: object
    cursor: str | None  # of the next page


class SentryApi:
    """A client for one organisation.

    At most `CONCURRENT` calls are under way at once. An endpoint that says its rate limit is
    used up is left alone until that ends: a call that comes up to `PATIENCE` seconds too early
    waits, any other is refused here with `retry_after`. No redirect is followed.

    Args:
        url: ends in `/api/0/`.
        org: the organisation's slug.
        token: an internal integration's. It appears in nothing we say.

    Every method raises `SentryApiError`, also for an id that can be none, which is not sent.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        url: str,
        org: str,
        token: str,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._http = http
        self._url = url
        self._slug = _checked(_SLUG, org, "organisation's slug")
        self._org = f"organizations/{self._slug}"
        self._auth = _Bearer(token)
        self._now = now
        self._turns = asyncio.Semaphore(CONCURRENT)
        self._quiet_until: dict[_Endpoint, datetime] = {}

    async def issue(self, issue_id: str) -> Json:
        """An issue: `count` (a string), `userCount`, `status`, `permalink` and much more."""
        return _object(await self._call(_ISSUE, self._issue(issue_id)))

    async def latest_event(self, issue_id: str) -> Json:
        """The issue's newest event; `sentry_rest.as_webhook_event` reads it.

        Right after a webhook it may not be there yet: then `status` is 404.
        """
        return _object(await self._call(_EVENT, f"{self._issue(issue_id)}events/latest/"))

    async def issues(
        self,
        query: str,
        *,
        stats_period: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        project: str | None = None,
        environment: str | None = None,
        limit: int = PAGE,
    ) -> list[Json]:
        """Issues that match, the last seen first, at most `limit` of them.

        Args:
            query: Sentry's search; "" is every issue, resolved or not.
            stats_period: such as `15m` or `24h`; or `start` and `end` instead, both.
        """
        params = [("query", query), ("sort", "date"), ("limit", str(min(limit, PAGE)))]
        params += _period(stats_period, start, end) + _where(project, environment)
        return await self._pages(_ISSUES, f"{self._org}/issues/", params, limit)

    async def committers(self, project_slug: str, event_id: str) -> list[Json]:
        """Who committed what an event is about: `{author, commits}` each; empty if unknown."""
        project = _checked(_SLUG, project_slug, "project's slug")
        event = _checked(_HEX, event_id, "event's id")
        path = f"projects/{self._slug}/{project}/events/{event}/committers/"
        try:
            answer = _object(await self._call(_COMMITTERS, path))
        except SentryApiError as error:
            if error.status == httpx.codes.NOT_FOUND:  # no release, or one without commits
                return []
            raise
        return [one for one in items(answer.get("committers")) if isinstance(one, dict)]

    async def replay_ids(self, issue_id: str) -> list[str]:
        """The replays of an issue, 32 hex digits each; empty where Sentry can't tell."""
        number = _number(issue_id)
        for source in ("events", "discover"):  # by the reference; as others send it
            params = [
                ("query", f"issue.id:[{number}]"),
                ("data_source", source),
                ("returnIds", "true"),
            ]
            try:
                answer = await self._call(_REPLAYS, f"{self._org}/replay-count/", params)
            except SentryApiError as error:
                if error.status not in (httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND):
                    raise
            else:
                ids = map(text, items(mapping(answer.content).get(number)))
                return [one for one in ids if _HEX.fullmatch(one)]
        return []

    async def events(
        self,
        dataset: str,
        fields: Sequence[str],
        query: str,
        start: datetime,
        end: datetime,
        *,
        project: str | None = None,
        environment: str | None = None,
        limit: int = PAGE,
    ) -> Json:
        """A table of figures: `{"data": [{field: value}], "meta": {…}}`, up to 100 rows.

        Args:
            dataset: such as `errors` or `spans`.
            fields: such as `count()` or `release`; what is no function groups the rows.

        Raises:
            ValueError: no or too many fields.
        """
        if not 1 <= len(fields) <= MOST_FIELDS:
            raise ValueError(f"a table has 1 to {MOST_FIELDS} fields, not {len(fields)}")
        params = [("dataset", dataset), *(("field", field) for field in fields), ("query", query)]
        params += [*_period(None, start, end), *_where(project, environment)]
        params.append(("per_page", str(min(limit, PAGE))))
        return _object(await self._call(_EVENTS, f"{self._org}/events/", params))

    async def comments(self, issue_id: str) -> list[Json]:
        """The issue's comments: `{id, data: {text}, user, dateCreated}` each."""
        path = f"{self._issue(issue_id)}notes/"
        return await self._pages(_COMMENTS, path, [("per_page", str(PAGE))], PAGE * MOST_PAGES)

    async def comment(self, issue_id: str, text: str) -> Json:
        """Comment on an issue. The same words within an hour are refused: `status` is 400."""
        path = f"{self._issue(issue_id)}notes/"
        return _object(await self._call(_COMMENT, path, body={"text": text}))

    async def update_issue(self, issue_id: str, **fields: object) -> Json:
        """Change an issue's `status`, `statusDetails`, `assignedTo` and so on; what it is now.

        Raises:
            ValueError: no fields.
        """
        if not fields:
            raise ValueError("nothing to change")
        return _object(await self._call(_UPDATE, self._issue(issue_id), body=fields))

    async def link_external(
        self, installation_uuid: str, issue_id: str, web_url: str, project: str, identifier: str
    ) -> Json:
        """Show a link on an issue, labelled `project#identifier`."""
        uuid = _checked(_UUID, installation_uuid, "installation's UUID")
        body = {
            "issueId": int(_number(issue_id)),
            "webUrl": web_url,
            "project": project,
            "identifier": identifier,
        }
        path = f"sentry-app-installations/{uuid}/external-issues/"
        return _object(await self._call(_LINK, path, body=body))

    def _issue(self, issue_id: str) -> str:
        return f"{self._org}/issues/{_number(issue_id)}/"

    async def _pages(
        self, endpoint: _Endpoint, path: str, params: Params, limit: int
    ) -> list[Json]:
        found: list[Json] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            # The cursor alone: the address beside it could lead the token anywhere.
            more = [("cursor", cursor)] if cursor else []
            answer = await self._call(endpoint, path, [*params, *more])
            found += _objects(answer)
            if answer.cursor in (None, cursor) or len(found) >= limit:
                break
            cursor = answer.cursor
        return found[:limit]

    async def _call(
        self,
        endpoint: _Endpoint,
        path: str,
        params: Params = (),
        body: Mapping[str, object] | None = None,
    ) -> _Answer:
        for _ in range(2):
            await self._until_allowed(endpoint)
            response, content = await self._send(endpoint, path, params, body)
            self._note_limit(endpoint, response)
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                return self._read(endpoint, response, content)
        raise self._too_early(endpoint)

    async def _until_allowed(self, endpoint: _Endpoint) -> None:
        wait = self._wait(endpoint)
        if wait > PATIENCE:
            raise self._too_early(endpoint)
        if wait > 0:
            await asyncio.sleep(wait)

    def _wait(self, endpoint: _Endpoint) -> float:
        until = self._quiet_until.get(endpoint)
        return (until - self._now()).total_seconds() if until else 0.0

    def _too_early(self, endpoint: _Endpoint) -> SentryApiError:
        until = self._quiet_until[endpoint]
        return SentryApiError(
            f"Sentry wants us to {endpoint.does} less often: not before {until:%H:%M:%S} UTC",
            again=True,
            retry_after=max(0.0, self._wait(endpoint)),
            status=httpx.codes.TOO_MANY_REQUESTS,
        )

    def _note_limit(self, endpoint: _Endpoint, response: httpx.Response) -> None:
        """Leave the endpoint alone for as long as the answer says."""
        limited = response.status_code == httpx.codes.TOO_MANY_REQUESTS
        if not limited and response.headers.get("X-Sentry-Rate-Limit-Remaining") != "0":
            return
        now = self._now()
        wait = _seconds(response.headers.get("Retry-After")) if limited else None
        if wait is None:
            reset = _seconds(response.headers.get("X-Sentry-Rate-Limit-Reset"))
            wait = reset - now.timestamp() if reset is not None else None
        if wait is None or (limited and wait <= 0):  # nothing said, or our clocks differ
            wait = PAUSE if limited else 0.0
        pause = timedelta(seconds=min(max(wait, 0.0), LONGEST_PAUSE))
        self._quiet_until[endpoint] = now + pause

    async def _send(
        self,
        endpoint: _Endpoint,
        path: str,
        params: Params,
        body: Mapping[str, object] | None,
    ) -> tuple[httpx.Response, bytes]:
        try:
            async with (
                asyncio.timeout(SECONDS),
                self._turns,
                self._http.stream(
                    endpoint.method,
                    self._url + path,
                    params=list(params),
                    json=body,
                    auth=self._auth,
                    follow_redirects=False,
                    timeout=SECONDS,
                ) as response,
            ):
                return response, await _bounded(response)
        except (TimeoutError, httpx.TimeoutException):
            words = f"Sentry did not answer within {SECONDS:g} s when asked to {endpoint.does}"
            raise SentryApiError(words, again=True) from None
        except httpx.HTTPError as error:
            # Its own words could quote what was sent.
            words = f"Sentry can't be reached to {endpoint.does} ({type(error).__name__})"
            words += "; check RESPONDER_SENTRY_API_URL and the network"
            raise SentryApiError(words, again=True) from None

    def _read(self, endpoint: _Endpoint, response: httpx.Response, content: bytes) -> _Answer:
        if not response.is_success:
            said = self._auth.without_token(_detail(content))
            raise _refusal(endpoint, response.status_code, said)
        following = response.links.get("next", {})
        more = following.get("results") == "true"
        return _Answer(_parsed(content), following.get("cursor") if more else None)


class _Bearer(httpx.Auth):
    """Puts the token into a request, where no trace or log shows it."""

    def __init__(self, token: str) -> None:
        if not is_token(token):  # httpx would quote it in its error
            raise ValueError("the token has characters that no header can carry")
        self._token = SecretStr(token)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        yield request

    def without_token(self, words: str) -> str:
        """What somebody says, even if they repeat what we sent."""
        return words.replace(self._token.get_secret_value(), "[token]")


def is_token(value: str) -> bool:
    """Whether a header can carry it: visible ASCII and no spaces."""
    return _TOKEN.fullmatch(value) is not None


def is_slug(value: str) -> bool:
    """Whether it can be the slug of an organisation or a project."""
    return _SLUG.fullmatch(value) is not None


def _checked(pattern: re.Pattern[str], value: str, what: str) -> str:
    """A part of a path, which must not lead anywhere else."""
    if not pattern.fullmatch(value):
        raise SentryApiError(f"{value[:40]!r} is no {what} of Sentry's")
    return quote(value, safe="")


def _number(issue_id: str) -> str:
    return _checked(_NUMBER, issue_id, "issue's id")


def _period(
    stats_period: str | None, start: datetime | None, end: datetime | None
) -> list[tuple[str, str]]:
    if stats_period is not None:
        return [("statsPeriod", stats_period)]
    if start is None or end is None:
        return []
    return [("start", _time(start)), ("end", _time(end))]


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _where(project: str | None, environment: str | None) -> list[tuple[str, str]]:
    given = {"project": project, "environment": environment}
    return [(name, value) for name, value in given.items() if value is not None]


def _seconds(header: str | None) -> float | None:
    try:
        seconds = float(header) if header else None
    except ValueError:
        return None
    return seconds if seconds is not None and math.isfinite(seconds) else None


async def _bounded(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > LARGEST:
            raise SentryApiError(
                f"Sentry's answer is larger than {LARGEST} bytes and was not read",
                status=response.status_code,
            )
    return bytes(content)


def _parsed(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise _unreadable() from None


def _detail(content: bytes) -> str:
    """What Sentry says about a refusal, for a person to read."""
    try:
        answer = mapping(json.loads(content))
    except (ValueError, RecursionError):
        return ""
    said = answer.get("detail", answer)
    if isinstance(said, dict):  # {"code", "message"}, or what is wrong with each field
        said = said.get("message") or (json.dumps(said) if said else "")
    return " ".join(text(said).split())[:200]


def _refusal(endpoint: _Endpoint, status: int, said: str) -> SentryApiError:
    words = f"Sentry answered {status} when asked to {endpoint.does}"
    if said:
        words += f" ({said})"
    again = False
    if status == httpx.codes.UNAUTHORIZED:
        words += (
            ": it does not know the token; set RESPONDER_SENTRY_API_TOKEN to a token of your "
            "internal integration"
        )
    elif status == httpx.codes.FORBIDDEN:
        words += (
            f": the token in RESPONDER_SENTRY_API_TOKEN lacks the permission "
            f"{endpoint.permission}; give it to your internal integration"
        )
    elif status == httpx.codes.NOT_FOUND:
        words += ": it is not there, or not in the organisation of RESPONDER_SENTRY_ORG"
    elif 300 <= status < 400:
        words += ": redirects are not followed; set RESPONDER_SENTRY_API_URL to your region's"
    elif status >= 500:
        again = True
    return SentryApiError(words, again=again, status=status)


def _unreadable() -> SentryApiError:
    return SentryApiError("Sentry's answer can't be read; is RESPONDER_SENTRY_API_URL right?")


def _object(answer: _Answer) -> Json:
    if not isinstance(answer.content, dict):
        raise _unreadable()
    return answer.content


def _objects(answer: _Answer) -> list[Json]:
    if not isinstance(answer.content, list):
        raise _unreadable()
    return [one for one in answer.content if isinstance(one, dict)]
