"""The web side of a responder that runs inside the test: no process, no port."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx

from responder.app import Responder
from responder.people.roles import Person, Role
from responder.web import create_app
from responder.web.auth import SignIn
from tests.web.site import forms

TOKEN = "the-test-token"


class Inside(httpx.AsyncClient):
    """Somebody with a browser, and a script with the API's token."""

    responder: Responder

    async def sign_in(self, name: str = "Rosa Okafor", role: Role = Role.RESPONDER) -> None:
        """Become somebody else."""
        self.cookies.clear()
        signing = SignIn(self.responder.secrets.secret_key)
        person, now = Person(name, role, f"web:{name}"), self.responder.now()
        token = await self.responder.store.write(
            lambda session: signing.new_link(session, person, now=now)
        )
        entered = await self.press(f"/sign-in?token={token}", "/sign-in")
        assert entered.status_code == 303, entered.text

    async def press(self, page: str, action: str, **changed: str) -> httpx.Response:
        """Open a page and send one of its forms, with some fields filled in."""
        form = forms((await self.get(page)).raise_for_status())[action]
        return await self.post(action, data=form.fields | changed)

    async def api(self, method: str, path: str, **body: Any) -> httpx.Response:
        """Call the API."""
        return await self.request(
            method,
            f"/api/v1{path}",
            headers={"Authorization": f"Bearer {TOKEN}"},
            json=body if method == "POST" else None,
        )

    async def json(self, path: str) -> Any:
        """The JSON at a path of the API."""
        return (await self.api("GET", path)).raise_for_status().json()


@contextlib.asynccontextmanager
async def inside(responder: Responder) -> AsyncIterator[Inside]:
    """The web side of a responder that runs already; `Rosa Okafor` is signed in."""
    transport = httpx.ASGITransport(create_app(responder))
    async with Inside(transport=transport, base_url="http://responder.test") as visitor:
        visitor.responder = responder
        await visitor.sign_in()
        yield visitor
