"""A stand-in for Sentry's REST API: the part of it we use, strict about what it is sent.

Run it by hand with `python -m tests.stand_ins.sentry --port 4020`. It prints its port, then
serves `http://127.0.0.1:PORT/api/0/`. Under `/_control/` stand what a test needs:

    GET  calls       every API call in order
    GET  complaints  what was wrong with calls, each told once
    GET  issues      every issue with its comments, updates and links
    POST issue       put an issue in, or change one
    POST event       put an event of an issue in, newer than its others
    POST committers  say who committed what an event is about
    POST replays     say which replays an issue has
    POST table       say what a query of a dataset answers
    POST fail        make coming calls fail, hang, come late or lose their answer
    POST limit       limit an endpoint's rate
    POST page        how many items a page has at most
    POST reset       forget everything
"""

from __future__ import annotations

import argparse
import json
import math
import re
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.stand_ins.faults import Faults, broken, delivered, serve

Json = Any

DATASETS = {"errors", "spans", "logs", "profile_functions", "tracemetrics", "uptime_results"}
STATUSES = {"resolved", "unresolved", "ignored", "resolvedInNextRelease", "muted"}
FIELDS = {"status", "statusDetails", "substatus", "assignedTo", "priority"}
ASSIGNEE = re.compile(r"(user|team):\d+|[^@\s]+@[^@\s]+|")
PERIOD = re.compile(r"(\d+)([smhdw])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
COMMENT_AGAIN = timedelta(hours=1)  # before somebody may say the same once more


class Refused(Exception):
    """An error as the API words it. `wrong` marks a call that nobody should make."""

    def __init__(self, status: int, detail: str, *, wrong: bool = False) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.wrong = wrong


def bad(detail: str) -> Refused:
    """What is sent is not as the API wants it."""
    return Refused(400, detail, wrong=True)


def unknown() -> Refused:
    """There is no such thing, or not for us to see."""
    return Refused(404, "The requested resource does not exist")


@dataclass
class Window:
    """A fixed window, as Sentry counts."""

    calls: int
    seconds: float
    retry_after: bool
    ends: float = 0.0
    taken: int = 0

    def take(self, now: float) -> bool:
        """Count a call; whether it is allowed."""
        if now >= self.ends:
            self.ends, self.taken = now + self.seconds, 0
        self.taken += 1
        return self.taken <= self.calls

    def headers(self, now: float) -> dict[str, str]:
        """What every answer tells."""
        headers = {
            "X-Sentry-Rate-Limit-Limit": str(self.calls),
            "X-Sentry-Rate-Limit-Remaining": str(max(0, self.calls - self.taken)),
            "X-Sentry-Rate-Limit-Reset": str(math.ceil(self.ends)),
        }
        if self.retry_after and self.taken > self.calls:
            headers["Retry-After"] = str(math.ceil(self.ends - now))
        return headers


@dataclass(frozen=True)
class Asked:
    """One call."""

    path: dict[str, str]
    query: QueryParams
    body: Json


@dataclass(frozen=True)
class Answer:
    """What the API says to it; `more` is the cursor of the next page."""

    content: Json
    status: int = 200
    more: str | None = None


@dataclass
class Issue:
    """An issue and all that belongs to it."""

    fields: dict[str, Json]
    events: list[dict[str, Json]] = field(default_factory=list)
    comments: list[dict[str, Json]] = field(default_factory=list)
    updates: list[dict[str, Json]] = field(default_factory=list)
    links: list[dict[str, Json]] = field(default_factory=list)
    replays: list[str] = field(default_factory=list)


class Sentry:
    """One organisation. Each endpoint is a method that takes a call and gives its answer."""

    def __init__(self, token: str, org: str) -> None:
        self.token = token
        self.org = org
        self.reset()

    def reset(self) -> None:
        """Forget everything but the token and the organisation."""
        self.issues: dict[str, Issue] = {}
        self.committers_of: dict[str, list[Json]] = {}
        self.tables: list[dict[str, Json]] = []
        self.calls: list[dict[str, Json]] = []
        self.complaints: list[str] = []
        self.faults = Faults()
        self.limits: dict[str, Window] = defaultdict(lambda: Window(1000, 1.0, False))
        self.page = 100
        self.last_id = 4_633_816_000

    # What tests put in.

    def put_issue(self, fields: dict[str, Json]) -> Json:
        """Put an issue in, or change the one with that id."""
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        issue = self.issues.setdefault(
            fields["id"],
            Issue(
                {
                    "shortId": f"KULTI-{fields['id'][-4:]}",
                    "title": "Error: something failed",
                    "culprit": "",
                    "permalink": f"https://{self.org}.sentry.io/issues/{fields['id']}/",
                    "level": "error",
                    "status": "unresolved",
                    "statusDetails": {},
                    "substatus": "ongoing",
                    "project": {"id": "4508001122334455", "slug": "kulti", "name": "kulti"},
                    "assignedTo": None,
                    "priority": "high",
                    "count": "1",
                    "userCount": 1,
                    "firstSeen": now,
                    "lastSeen": now,
                }
            ),
        )
        issue.fields |= fields
        return issue.fields

    # The endpoints.

    def issue(self, asked: Asked) -> Answer:
        return Answer(self._issue(asked).fields)

    def latest_event(self, asked: Asked) -> Answer:
        issue = self._issue(asked)
        if asked.path["event"] not in ("latest", "recommended") or not issue.events:
            raise unknown()
        return Answer(issue.events[-1])

    def list_issues(self, asked: Asked) -> Answer:
        since, until = self._period(asked.query, required=False)
        query = asked.query.get("query", "is:unresolved")
        wanted = re.findall(r"(?<!\S)is:(\w+)", query)
        found = [
            issue.fields
            for issue in self.issues.values()
            if all(issue.fields["status"] == status for status in wanted)
            and since <= datetime.fromisoformat(issue.fields["lastSeen"]) < until
        ]
        found.sort(key=lambda fields: str(fields["lastSeen"]), reverse=True)
        return self._page(found, asked.query, "limit")

    def committers(self, asked: Asked) -> Answer:
        found = self.committers_of.get(asked.path["event"])
        if not found:
            raise unknown()
        return Answer({"committers": found})

    def replays(self, asked: Asked) -> Answer:
        found = re.fullmatch(r"issue\.id:\[(\d+)\]", asked.query.get("query", ""))
        if not found:
            raise bad("query must be issue.id:[…]")
        source = asked.query.get("data_source")
        if source not in ("events", "search_issues", "spans", "discover"):
            raise bad("data_source is not one of those there are")
        issue = self.issues.get(found[1])
        ids = issue.replays if issue else []
        whole = asked.query.get("returnIds") == "true"
        return Answer({found[1]: ids if whole else len(ids)} if ids else {})

    def events(self, asked: Asked) -> Answer:
        dataset, fields = asked.query.get("dataset"), asked.query.getlist("field")
        if dataset not in DATASETS:
            raise bad(f"dataset must be one of {sorted(DATASETS)}")
        if not 1 <= len(fields) <= 20:
            raise bad("1 to 20 fields, please")
        self._period(asked.query, required=True)
        for table in reversed(self.tables):
            same = table.get("query") in (None, asked.query.get("query"))
            if table["dataset"] == dataset and same:
                return self._table(table["rows"], dataset, fields, asked.query)
        return self._table([], dataset, fields, asked.query)

    def comments(self, asked: Asked) -> Answer:
        return self._page(list(reversed(self._issue(asked).comments)), asked.query, "per_page")

    def comment(self, asked: Asked) -> Answer:
        issue = self._issue(asked)
        text = asked.body.get("text")
        if not isinstance(text, str) or not text.strip() or set(asked.body) != {"text"}:
            raise bad("text: this field may not be blank, and there is no other")
        now = datetime.now(UTC)
        for said in issue.comments:
            age = now - datetime.fromisoformat(said["dateCreated"])
            if said["data"]["text"] == text and age < COMMENT_AGAIN:
                raise Refused(400, "You have already posted that comment.")
        self.last_id += 1
        comment = {
            "id": str(self.last_id),
            "type": "note",
            "data": {"text": text},
            "user": {"id": "77", "name": "responder"},
            "sentry_app": None,
            "dateCreated": now.isoformat(),
        }
        issue.comments.append(comment)
        return Answer(comment, 201)

    def update(self, asked: Asked) -> Answer:
        issue, body = self._issue(asked), asked.body
        if not body or not set(body) <= FIELDS:
            raise bad(f"unknown or no fields: {sorted(set(body) - FIELDS)}")
        if body.get("status", "resolved") not in STATUSES:
            raise bad("status is not one of those there are")
        if body.get("priority", "low") not in ("low", "medium", "high"):
            raise bad("priority is not one of those there are")
        if not ASSIGNEE.fullmatch(str(body.get("assignedTo", ""))):
            raise bad("assignedTo is no user:ID, team:ID or e-mail address")
        issue.updates.append(body)
        changed = dict(body)
        if changed.get("status") == "resolvedInNextRelease":
            changed |= {"status": "resolved", "statusDetails": {"inNextRelease": True}}
        if assignee := changed.get("assignedTo"):
            kind, _, name = assignee.rpartition(":")
            changed["assignedTo"] = {"type": kind or "user", "id": name, "name": name}
        issue.fields |= changed
        return Answer(issue.fields)

    def update_all(self, asked: Asked) -> Answer:
        raise Refused(403, "the bulk form changes whatever matches", wrong=True)

    def link(self, asked: Asked) -> Answer:
        body = asked.body
        if set(body) != {"issueId", "webUrl", "project", "identifier"}:
            raise bad("issueId, webUrl, project and identifier, please")
        if not isinstance(body["issueId"], int) or str(body["issueId"]) not in self.issues:
            raise bad("issueId is the number of no issue")
        if not str(body["webUrl"]).startswith(("https://", "http://")):
            raise bad("webUrl is no address")
        self.issues[str(body["issueId"])].links.append(body)
        self.last_id += 1
        name = f"{body['project']}#{body['identifier']}"
        shown = {"id": str(self.last_id), "issueId": str(body["issueId"]), "displayName": name}
        return Answer({**shown, "webUrl": body["webUrl"], "serviceType": "responder"})

    def _issue(self, asked: Asked) -> Issue:
        if not re.fullmatch(r"\d+", asked.path["issue"]):
            raise bad("an issue's id is a number")
        if asked.path["issue"] not in self.issues:
            raise unknown()
        return self.issues[asked.path["issue"]]

    def _period(self, query: QueryParams, *, required: bool) -> tuple[datetime, datetime]:
        now = datetime.now(UTC)
        period, start, end = query.get("statsPeriod"), query.get("start"), query.get("end")
        if period is not None:
            found = PERIOD.fullmatch(period)
            if not found or start or end:
                raise bad("statsPeriod is a number and a unit, and then no start or end")
            return now - timedelta(**{UNITS[found[2]]: int(found[1])}), now + timedelta(days=1)
        if start is None and end is None and not required:
            return now - timedelta(days=90), now + timedelta(days=1)
        try:
            since, until = map(datetime.fromisoformat, (start or "", end or ""))
            if since >= until:
                raise bad("start must be before end")
        except (ValueError, TypeError):
            raise bad("start and end are both needed, in ISO 8601") from None
        return since, until

    def _page(self, found: list[Json], query: QueryParams, size: str) -> Answer:
        asked_for = int(query.get(size, 100))
        if not 1 <= asked_for <= 100:
            raise bad(f"{size} is 1 to 100")
        cursor = query.get("cursor", "0:0:0")
        if not re.fullmatch(r"0:\d+:0", cursor):
            raise bad("that cursor is none of ours")
        start = int(cursor.split(":")[1])
        end = start + min(asked_for, self.page)
        return Answer(found[start:end], more=f"0:{end}:0" if end < len(found) else "")

    def _table(self, rows: Json, dataset: str, fields: list[str], query: QueryParams) -> Answer:
        page = self._page(rows, query, "per_page")
        shown = [{name: row.get(name) for name in fields} for row in page.content]
        kinds = {name: "integer" if name.endswith("()") else "string" for name in fields}
        meta = {"fields": kinds, "units": {}, "dataset": dataset}
        return Answer({"data": shown, "meta": meta}, more=page.more)


# The server


def create(sentry: Sentry) -> Starlette:
    """The stand-in as an application."""
    org, issue = "/api/0/organizations/{org}", "/api/0/organizations/{org}/issues/{issue}"
    installation = "/api/0/sentry-app-installations/{installation}"
    endpoints: list[tuple[str, str, str, Callable[[Asked], Answer]]] = [
        ("issue", "GET", f"{issue}/", sentry.issue),
        ("update", "PUT", f"{issue}/", sentry.update),
        ("latest_event", "GET", issue + "/events/{event}/", sentry.latest_event),
        ("comments", "GET", f"{issue}/notes/", sentry.comments),
        ("comment", "POST", f"{issue}/notes/", sentry.comment),
        ("issues", "GET", f"{org}/issues/", sentry.list_issues),
        ("update_all", "PUT", f"{org}/issues/", sentry.update_all),
        ("replays", "GET", f"{org}/replay-count/", sentry.replays),
        ("events", "GET", f"{org}/events/", sentry.events),
        (
            "committers",
            "GET",
            "/api/0/projects/{org}/{project}/events/{event}/committers/",
            sentry.committers,
        ),
        ("link", "POST", f"{installation}/external-issues/", sentry.link),
    ]

    def served(
        name: str, endpoint: Callable[[Asked], Answer]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def serve_one(request: Request) -> Response:
            asked = await _asked(request)
            sentry.calls.append(
                {
                    "endpoint": name,
                    "at": time.time(),
                    "path": request.url.path,
                    "query": list(asked.query.multi_items()),
                    "body": asked.body,
                }
            )
            window, now = sentry.limits[name], time.time()
            allowed = window.take(now)
            headers = window.headers(now)
            if request.headers.get("authorization") != f"Bearer {sentry.token}":
                return JSONResponse({"detail": "Invalid token"}, 401, headers)
            if not allowed:
                return JSONResponse({"detail": "Too many requests"}, 429, headers)
            fault = sentry.faults.next(name)
            if fault is not None and not fault.is_done:
                return await broken(fault, request)
            try:
                if asked.path.get("org", sentry.org) != sentry.org:
                    raise unknown()
                answer = endpoint(asked)
            except Refused as refused:
                if refused.wrong:
                    sentry.complaints.append(f"{name}: {refused.detail}")
                answer = Answer({"detail": refused.detail}, refused.status)
            if answer.more is not None:
                headers["Link"] = _link(str(request.url.replace(query="")), answer.more)
            shown = JSONResponse(answer.content, answer.status, headers)
            return await delivered(fault, shown)

        return serve_one

    async def nothing(request: Request) -> Response:
        sentry.complaints.append(f"there is no {request.method} {request.url.path}")
        return JSONResponse({"detail": "no such endpoint"}, 404)

    async def calls(request: Request) -> Response:
        return JSONResponse(sentry.calls)

    async def complaints(request: Request) -> Response:
        told, sentry.complaints = sentry.complaints, []
        return JSONResponse(told)

    async def issues(request: Request) -> Response:
        return JSONResponse({name: vars(one) for name, one in sentry.issues.items()})

    async def put_issue(request: Request) -> Response:
        return JSONResponse(sentry.put_issue(await request.json()))

    async def event(request: Request) -> Response:
        told = await request.json()
        sentry.issues[told["issue"]].events.append(told["event"])
        return JSONResponse({})

    async def committers(request: Request) -> Response:
        told = await request.json()
        sentry.committers_of[told["event"]] = told["committers"]
        return JSONResponse({})

    async def replays(request: Request) -> Response:
        told = await request.json()
        sentry.issues[told["issue"]].replays = told["ids"]
        return JSONResponse({})

    async def table(request: Request) -> Response:
        sentry.tables.append(await request.json())
        return JSONResponse({})

    async def fail(request: Request) -> Response:
        sentry.faults.add(**await request.json())
        return JSONResponse({})

    async def limit(request: Request) -> Response:
        told = await request.json()
        endpoint = told.pop("endpoint")
        sentry.limits[endpoint] = Window(**told)
        return JSONResponse({})

    async def page(request: Request) -> Response:
        sentry.page = (await request.json())["size"]
        return JSONResponse({})

    async def reset(request: Request) -> Response:
        sentry.reset()
        return JSONResponse({})

    acts = {"issue": put_issue, "event": event, "committers": committers, "replays": replays}
    acts |= {"table": table, "fail": fail, "limit": limit, "page": page, "reset": reset}
    control = {"calls": calls, "complaints": complaints, "issues": issues}
    return Starlette(
        routes=[
            *(Route(path, served(name, one), methods=[way]) for name, way, path, one in endpoints),
            *(Route(f"/_control/{name}", view) for name, view in control.items()),
            *(Route(f"/_control/{name}", act, methods=["POST"]) for name, act in acts.items()),
            Route("/{rest:path}", nothing, methods=["GET", "POST", "PUT", "DELETE"]),
        ]
    )


async def _asked(request: Request) -> Asked:
    body = await request.body()
    try:
        content = json.loads(body) if body else {}
    except ValueError:
        content = {}
    return Asked(request.path_params, request.query_params, content)


def _link(address: str, more: str) -> str:
    """Both ways of a page; that there is nothing there is told by `results`."""
    return ", ".join(
        f'<{address}?&cursor={cursor}>; rel="{way}"; results="{results}"; cursor="{cursor}"'
        for way, results, cursor in (
            ("previous", "false", "0:0:1"),
            ("next", "true" if more else "false", more or "0:0:0"),
        )
    )


def main() -> None:
    """Serve until killed. The first line of output is the port."""
    parser = argparse.ArgumentParser(description="A stand-in for Sentry's REST API.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default="sentry-test-token")
    parser.add_argument("--org", default="kulti")
    options = parser.parse_args()
    serve(options.port, lambda _address: create(Sentry(options.token, options.org)))


if __name__ == "__main__":
    main()
