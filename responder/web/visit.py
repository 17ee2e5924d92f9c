"""One request for a page, by somebody who is signed in, and the shapes pages are declared in."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlmodel import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from responder.app import Responder
from responder.chat.words import one_line
from responder.people.roles import Person, Role
from responder.switches.base import SwitchError
from responder.web.auth import SignedIn
from responder.web.html import render
from responder.web.numbers import Number
from responder.web.problems import Invalid, status_of

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
    """One request by somebody who is signed in.

    `problem` is why what they asked failed, `quarantined` how many webhooks are in the quarantine.
    """

    responder: Responder
    request: Request
    me: SignedIn
    form: Form
    problem: Exception | None = None
    quarantined: int = 0

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
            problem=words_of(self.problem) if self.problem else "",
            outcome="Only half done" if isinstance(self.problem, SwitchError) else "Not done",
            path=self.request.url.path,
            quarantined=self.quarantined,
            **values,
        )
        return HTMLResponse(page, status_of(self.problem) if self.problem else 200, FRESH)


Page = Callable[[Visit], Awaitable[Response]]
Do = Callable[[Visit], Awaitable[str]]  # does it, and says where to go

Pages = tuple[tuple[str, Page], ...]  # by path
Acts = tuple[tuple[str, Do, Page], ...]  # by path; the page shows why an act failed


def _number(text: str, otherwise: str) -> int:
    if not re.fullmatch(Number.regex, text):
        raise Invalid(otherwise)
    return int(text)


def words_of(error: Exception) -> str:
    """What went wrong, as a sentence for a page."""
    text = error.detail if isinstance(error, HTTPException) else str(error).strip("'\"")
    return _KINDER.get(text, text[:1].upper() + text[1:])


_KINDER = {
    "Not Found": "There is no such page. It may have moved, or the address is mistyped.",
    "Method Not Allowed": "This address can't be used in that way. Start from the first page.",
}
