"""The sign-in, and what stands behind it: who may see a page, and which forms are ours."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import parse_qs, quote

from sqlmodel import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from responder.app import Responder, utcnow
from responder.receive.quarantine import waiting
from responder.web.auth import SESSION_LIFE, SignedIn, SignIn
from responder.web.html import render
from responder.web.problems import EXPECTED, Invalid, status_of
from responder.web.visit import FRESH, Do, Form, Page, Visit, words_of

COOKIE = "responder_session"
LARGEST_FORM = 256 * 1024


async def on_error(request: Request, error: HTTPException) -> Response:
    """A page that says what is wrong, for whoever asked."""
    headers = FRESH | dict(error.headers or {})
    return HTMLResponse(
        _plain("error.html", status=error.status_code, detail=words_of(error)),
        error.status_code,
        headers,
    )


class Doors:
    """Lets people in and out, and keeps others and forged forms away."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._sign_in = SignIn(responder.secrets.secret_key)
        self._https = responder.settings.base_url.startswith("https://")

    def page(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """A page for whoever is signed in."""

        async def endpoint(request: Request) -> Response:
            visit = await self._visit(request, Form({}))
            if visit is None:
                query = request.url.query
                return _to_sign_in(request.url.path + (query and f"?{query}"))
            return await _shown(page, visit)

        return endpoint

    def act(self, do: Do, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """An act by whoever is signed in, from a form of ours; `page` shows why it failed."""

        async def endpoint(request: Request) -> Response:
            form = await _form(request)
            visit = await self._visit(request, form)
            if visit is None:
                return _to_sign_in("/")
            _check_ours(form, visit.me)
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

    async def _visit(self, request: Request, form: Form) -> Visit | None:
        """The request as whoever is signed in makes it."""
        cookie, now = request.cookies.get(COOKIE), self._responder.now()
        if not cookie:
            return None

        def work(session: Session) -> tuple[SignedIn | None, int]:
            return self._sign_in.signed_in(session, cookie, now=now), waiting(session)

        me, quarantined = await self._responder.store.read(work)
        return Visit(self._responder, request, me, form, quarantined=quarantined) if me else None

    async def _who(self, request: Request) -> SignedIn | None:
        visit = await self._visit(request, Form({}))
        return visit.me if visit else None


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
        raise HTTPException(status_of(told), words_of(told)) from error


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


def _to_sign_in(onward: str) -> Response:
    return RedirectResponse(f"/sign-in?next={quote(onward, safe='/')}", 303, FRESH)


def _plain(template: str, **values: object) -> str:
    """A page for whoever comes, signed in or not."""
    return render(template, now=utcnow(), me=None, problem="", path="", **values)
