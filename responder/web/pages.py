"""The pages: what is going on, what to do about it, and the forms that do it.

They work without JavaScript. An act answers with a redirect to the page it was done on; one
that can't be done shows that page again, with the reason on top.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import parse_qs, quote, urlencode

from sqlmodel import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from responder import registry
from responder.app import Responder, utcnow
from responder.chat.words import one_line
from responder.incident.lifecycle import IncidentState, NotAllowed
from responder.people.roles import Person, Role
from responder.playbook.run import StepState
from responder.switches.base import SwitchError
from responder.web import queries, schema
from responder.web.auth import SESSION_LIFE, SignedIn, SignIn
from responder.web.html import STATIC, markdown, render
from responder.web.numbers import Number
from responder.web.problems import EXPECTED, Invalid, status_of

COOKIE = "responder_session"
LARGEST_FORM = 256 * 1024
LONGEST_REASON = 2000
FRESH = {"Cache-Control": "no-store"}  # going back must not show a state that is over

T = TypeVar("T")


class Form:
    """What a form sent."""

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self._fields = fields

    def text(self, name: str) -> str:
        """One field, without space around it; empty if it is not there."""
        return self._fields.get(name, [""])[0].strip()

    def reason(self) -> str:
        """The reason, as one line of visible text that fits a timeline."""
        reason = one_line(self.text("reason"))
        if len(reason) > LONGEST_REASON:
            raise Invalid(f"the reason is longer than {LONGEST_REASON} characters; shorten it")
        return reason

    def number(self, name: str) -> int:
        """One field as an id."""
        return _number(self.text(name), f"the form has no {name}; reload the page")

    def numbers(self, name: str) -> tuple[int, ...]:
        """A field that may be there several times, as ids."""
        return tuple(
            _number(one, "the form is damaged; reload the page")
            for one in self._fields.get(name, [])
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """One request by somebody who is signed in. `problem` is why what they asked failed."""

    responder: Responder
    request: Request
    me: SignedIn
    form: Form
    problem: Exception | None = None

    @property
    def person(self) -> Person:
        """Who it is."""
        return self.me.person

    @property
    def id(self) -> int:
        """The number in the path."""
        return int(self.request.path_params["id"])

    def cursor(self) -> int | None:
        """Where the list goes on."""
        cursor = self.request.query_params.get("cursor")
        return _number(cursor, "this link is damaged; start from the list") if cursor else None

    async def read(self, work: Callable[[Session], T]) -> T:
        """Look something up."""
        return await self.responder.store.read(work)

    def show(self, template: str, **values: object) -> Response:
        """Answer with a page."""
        page = render(
            template,
            now=self.responder.now(),
            me=self.me,
            may_act=self.person.role.includes(Role.RESPONDER),
            problem=_words(self.problem) if self.problem else "",
            outcome="Only half done" if isinstance(self.problem, SwitchError) else "Not done",
            path=self.request.url.path,
            **values,
        )
        return HTMLResponse(page, status_of(self.problem) if self.problem else 200, FRESH)


Page = Callable[[Visit], Awaitable[Response]]
Do = Callable[[Visit], Awaitable[str]]  # does it, and says where to go


async def _home(visit: Visit) -> Response:
    return RedirectResponse("/incidents", 303)


async def _incidents(visit: Visit) -> Response:
    asked, cursor = visit.request.query_params.get("state"), visit.cursor()
    state = asked if asked in list(IncidentState) else None

    def work(
        session: Session,
    ) -> tuple[schema.Page[schema.IncidentLine], list[schema.Switch]]:
        return (
            queries.incidents(session, state=state, area=None, before=cursor),
            _switch_rows(visit.responder, session),
        )

    page, switches = await visit.read(work)
    return visit.show(
        "incidents.html",
        page=page,
        state=state or "",
        states=[state.value for state in IncidentState],
        further=urlencode({"state": state or "", "cursor": page.next}) if page.next else "",
        paused=[switch for switch in switches if switch.holds],
        titles=_switch_titles(visit.responder),
        webhook=f"{visit.responder.settings.base_url}/webhooks/sentry",
    )


async def _incident(visit: Visit, incident_id: int | None = None) -> Response:
    number = visit.id if incident_id is None else incident_id

    def work(
        session: Session,
    ) -> tuple[schema.IncidentDetail, list[schema.Switch], list[schema.Switch]]:
        incident = queries.incident(session, number)
        released = queries.released(session, number)
        return (
            incident,
            [queries.switch(session, name) for name in incident.holds],
            [queries.switch(session, name) for name in released],
        )

    incident, paused, released = await visit.read(work)
    return visit.show(
        "incident.html",
        incident=incident,
        paused=paused,
        released=released,
        failed_checks=_failed_checks(incident),
        titles=_switch_titles(visit.responder),
        contacts=visit.responder.configuration.contacts_for(incident.area),
    )


def _failed_checks(incident: schema.IncidentDetail) -> list[int]:
    """The failed steps that change nothing outside, so that many may be retried at once."""
    actions = registry.find("actions")
    return [
        step.step_id
        for step in (incident.run.steps if incident.run else ())
        if step.state == StepState.FAILED and not actions[step.action].effect
    ]


async def _incident_of_step(visit: Visit) -> Response:
    return await _incident(visit, visit.form.number("incident"))


async def _switches(visit: Visit) -> Response:
    return visit.show(
        "switches.html",
        switches=await visit.read(lambda session: _switch_rows(visit.responder, session)),
        titles=_switch_titles(visit.responder),
    )


async def _deliveries(visit: Visit) -> Response:
    cursor = visit.cursor()
    page = await visit.read(lambda session: queries.deliveries(session, before=cursor))
    return visit.show(
        "deliveries.html",
        page=page,
        webhook=f"{visit.responder.settings.base_url}/webhooks/sentry",
    )


async def _post_mortems(visit: Visit) -> Response:
    cursor = visit.cursor()
    page = await visit.read(lambda session: queries.post_mortems(session, before=cursor))
    return visit.show("post_mortems.html", page=page)


async def _post_mortem(visit: Visit) -> Response:
    number = visit.id
    record = await visit.read(lambda session: queries.post_mortem(session, number))
    return visit.show("post_mortem.html", record=record, body=markdown(record.body))


async def _acknowledge(visit: Visit) -> str:
    await visit.responder.desk.acknowledge(visit.id, visit.person)
    return f"/incidents/{visit.id}"


async def _escalate(visit: Visit) -> str:
    await visit.responder.desk.escalate(visit.id, visit.person, visit.form.reason())
    return f"/incidents/{visit.id}"


async def _resolve(visit: Visit) -> str:
    await visit.responder.desk.resolve(visit.id, visit.person)
    return f"/incidents/{visit.id}"


async def _retry_checks(visit: Visit) -> str:
    number = visit.id
    checks = _failed_checks(await visit.read(lambda session: queries.incident(session, number)))
    if not checks:
        raise NotAllowed("no check has failed any more")
    for step in checks:
        await visit.responder.desk.retry(step, visit.person)
    return f"/incidents/{number}"


async def _tick(visit: Visit) -> str:
    form = visit.form
    await visit.responder.desk.tick(
        visit.id, visit.person, shown=form.numbers("shown"), done=form.numbers("done")
    )
    return _to_step(visit)


async def _decide(visit: Visit) -> str:
    decision = visit.form.text("decision")
    if decision not in ("approve", "deny"):
        raise Invalid("press Approve or Deny")
    await visit.responder.desk.decide(
        visit.id, visit.person, approve=decision == "approve", reason=visit.form.reason()
    )
    return _to_step(visit)


async def _retry(visit: Visit) -> str:
    await visit.responder.desk.retry(visit.id, visit.person)
    return _to_step(visit)


async def _skip(visit: Visit) -> str:
    await visit.responder.desk.skip(visit.id, visit.person, visit.form.reason())
    return _to_step(visit)


def _to_step(visit: Visit) -> str:
    return f"/incidents/{visit.form.number('incident')}#step-{visit.id}"


async def _hold(visit: Visit) -> str:
    name, reason = _switch_name(visit), _needed_reason(visit)
    try:
        await visit.responder.desk.hold(name, visit.person, reason)
    except SwitchError as error:
        raise SwitchError(f"the hold stands, but the pause is not confirmed: {error}") from error
    return f"/switches#switch-{name}"


async def _release(visit: Visit) -> str:
    name, reason = _switch_name(visit), _needed_reason(visit)
    incident = visit.form.number("incident") if visit.form.text("incident") else None
    try:
        await visit.responder.desk.release(name, visit.person, reason, incident)
    except SwitchError as error:
        raise SwitchError(
            f"the hold is released, but that it runs again is not confirmed: {error}"
        ) from error
    return f"/switches#switch-{name}"


async def _replay(visit: Visit) -> str:
    return f"/deliveries#delivery-{await visit.responder.desk.replay(visit.id, visit.person)}"


def _switch_name(visit: Visit) -> str:
    name = str(visit.request.path_params["name"])
    if name not in visit.responder.switches.names:
        raise LookupError(f"there is no switch {name}")
    return name


def _needed_reason(visit: Visit) -> str:
    reason = visit.form.reason()
    if not reason:
        raise Invalid("say why; whoever finds it paused will ask")
    return reason


def _switch_rows(responder: Responder, session: Session) -> list[schema.Switch]:
    return [queries.switch(session, name) for name in responder.switches.names]


def _switch_titles(responder: Responder) -> dict[str, str]:
    return {name: spec.title for name, spec in responder.configuration.switches.items()}


PAGES: tuple[tuple[str, Page], ...] = (
    ("/", _home),
    ("/incidents", _incidents),
    ("/incidents/{id:number}", _incident),
    ("/switches", _switches),
    ("/deliveries", _deliveries),
    ("/post-mortems", _post_mortems),
    ("/post-mortems/{id:number}", _post_mortem),
)

ACTS: tuple[tuple[str, Do, Page], ...] = (
    ("/incidents/{id:number}/acknowledge", _acknowledge, _incident),
    ("/incidents/{id:number}/escalate", _escalate, _incident),
    ("/incidents/{id:number}/resolve", _resolve, _incident),
    ("/incidents/{id:number}/retry", _retry_checks, _incident),
    ("/steps/{id:number}/tick", _tick, _incident_of_step),
    ("/steps/{id:number}/decide", _decide, _incident_of_step),
    ("/steps/{id:number}/retry", _retry, _incident_of_step),
    ("/steps/{id:number}/skip", _skip, _incident_of_step),
    ("/switches/{name}/hold", _hold, _switches),
    ("/switches/{name}/release", _release, _switches),
    ("/deliveries/{id:number}/replay", _replay, _deliveries),
)


def routes(responder: Responder) -> list[Route | Mount]:
    """Every page and form, behind the sign-in."""
    doors = _Doors(responder)
    return [
        Mount("/static", StaticFiles(directory=STATIC)),
        Route("/sign-in", doors.show, methods=["GET"]),
        Route("/sign-in", doors.enter, methods=["POST"]),
        Route("/sign-out", doors.leave, methods=["POST"]),
        *(Route(path, doors.page(page), methods=["GET"]) for path, page in PAGES),
        *(Route(path, doors.act(do, page), methods=["POST"]) for path, do, page in ACTS),
    ]


async def on_error(request: Request, error: HTTPException) -> Response:
    """A page that says what is wrong, for whoever asked."""
    headers = FRESH | dict(error.headers or {})
    return HTMLResponse(
        _plain("error.html", status=error.status_code, detail=_words(error)),
        error.status_code,
        headers,
    )


class _Doors:
    """Lets people in and out, and keeps others and forged forms away."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._sign_in = SignIn(responder.secrets.secret_key)
        self._https = responder.settings.base_url.startswith("https://")

    def page(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """A page for whoever is signed in."""

        async def endpoint(request: Request) -> Response:
            me = await self._who(request)
            if me is None:
                query = request.url.query
                return _to_sign_in(request.url.path + (query and f"?{query}"))
            return await _shown(page, Visit(self._responder, request, me, Form({})))

        return endpoint

    def act(self, do: Do, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """An act by whoever is signed in, from a form of ours; `page` shows why it failed."""

        async def endpoint(request: Request) -> Response:
            form = await _form(request)
            me = await self._who(request)
            if me is None:
                return _to_sign_in("/")
            _check_ours(form, me)
            visit = Visit(self._responder, request, me, form)
            try:
                where = await do(visit)
            except EXPECTED as error:
                return await _shown(page, replace(visit, problem=error))
            return RedirectResponse(where, 303)

        return endpoint

    async def show(self, request: Request) -> Response:
        """Ask for a press: what only previews a link must not use it up."""
        token = request.query_params.get("token", "")
        onward = local(request.query_params.get("next", ""))
        if not token and await self._who(request) is not None:
            return RedirectResponse(onward, 303)
        page = _plain("sign_in.html", token=token, onward=onward, refused=False)
        return HTMLResponse(page, headers=FRESH)

    async def enter(self, request: Request) -> Response:
        """Trade the link for a session."""
        form = await _form(request)
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise HTTPException(403, "Sign in from this service's own page.")
        token, onward, now = form.text("token"), local(form.text("next")), self._responder.now()
        cookie = await self._responder.store.write(
            lambda session: self._sign_in.use_link(session, token, now=now)
        )
        if cookie is None:
            page = _plain("sign_in.html", token="", onward=onward, refused=True)
            return HTMLResponse(page, 403, FRESH)
        response = RedirectResponse(onward, 303)
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=int(SESSION_LIFE.total_seconds()),
            path="/",
            secure=self._https,
            httponly=True,
            samesite="lax",
        )
        return response

    async def leave(self, request: Request) -> Response:
        """End the session, here and in the store."""
        form, me = await _form(request), await self._who(request)
        if me is not None:
            _check_ours(form, me)
            cookie = request.cookies[COOKIE]
            await self._responder.store.write(
                lambda session: self._sign_in.sign_out(session, cookie)
            )
        response = RedirectResponse("/sign-in", 303)
        response.delete_cookie(COOKIE, path="/", secure=self._https, httponly=True, samesite="lax")
        return response

    async def _who(self, request: Request) -> SignedIn | None:
        cookie, now = request.cookies.get(COOKIE), self._responder.now()
        if not cookie:
            return None
        return await self._responder.store.read(
            lambda session: self._sign_in.signed_in(session, cookie, now=now)
        )


def local(path: str) -> str:
    """The path if it leads nowhere but to this service, else the first page."""
    harmless = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if harmless and path.isprintable() else "/"


async def _shown(page: Page, visit: Visit) -> Response:
    try:
        return await page(visit)
    except (LookupError, Invalid) as error:
        # A page that can't be shown tells about the act before it, if that is why.
        told = visit.problem or error
        raise HTTPException(status_of(told), _words(told)) from error


async def _form(request: Request) -> Form:
    raw = b""
    async for part in request.stream():
        raw += part
        if len(raw) > LARGEST_FORM:
            raise HTTPException(413, "This form is too large.")
    try:
        fields = parse_qs(raw.decode(), keep_blank_values=True, max_num_fields=2000)
    except ValueError:
        raise HTTPException(400, "This form could not be read. Go back and reload.") from None
    return Form(fields)


def _check_ours(form: Form, me: SignedIn) -> None:
    if not hmac.compare_digest(form.text("csrf").encode(), me.csrf.encode()):
        raise HTTPException(
            403,
            "This form is not from your present session, so nothing was done. "
            "Go back, reload the page and try again.",
        )


def _number(text: str, otherwise: str) -> int:
    if not re.fullmatch(Number.regex, text):
        raise Invalid(otherwise)
    return int(text)


def _to_sign_in(onward: str) -> Response:
    return RedirectResponse(f"/sign-in?next={quote(onward, safe='/')}", 303, FRESH)


def _plain(template: str, **values: object) -> str:
    """A page for whoever comes, signed in or not."""
    return render(template, now=utcnow(), me=None, problem="", path="", **values)


def _words(error: Exception) -> str:
    text = error.detail if isinstance(error, HTTPException) else str(error).strip("'\"")
    return _KINDER.get(text, text[:1].upper() + text[1:])


_KINDER = {
    "Not Found": "There is no such page. It may have moved, or the address is mistyped.",
    "Method Not Allowed": "This address can't be used in that way. Start from the first page.",
}
