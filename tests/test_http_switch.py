"""The HTTP switch tells the app, reads it back, and says what is wrong when it can't."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from responder.databases import Databases
from responder.switches import http as http_driver
from responder.switches.base import Reach, SwitchError, SwitchState
from responder.switches.builtin import BuiltinDriver, BuiltinOptions
from responder.switches.http import HttpDriver, HttpOptions


@dataclass
class FakeApp:
    """The app's endpoint. It obeys, unless told how to misbehave."""

    state: str = "running"
    url: str = ""
    obeys: bool = True
    on_get: Response | None = None
    on_post: Response | None = None
    dawdles: float = 0
    posts: list[tuple[dict[str, Any], dict[str, str]]] = field(default_factory=list)
    gets: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        time.sleep(self.dawdles)  # noqa: ASYNC251 (its own thread, one caller)
        if request.method == "POST":
            body = json.loads(await request.body())
            self.posts.append((body, dict(request.headers)))
            if self.obeys:
                self.state = body["state"]
            return self.on_post or Response(status_code=204)
        self.gets.append(dict(request.headers))
        return self.on_get or Response(json.dumps({"state": self.state, "since": "today"}))


@pytest.fixture
def app() -> Iterator[FakeApp]:
    fake = FakeApp()

    async def endpoint(request: Request) -> Response:
        return await fake(request)

    routes = [Route("/switch", endpoint, methods=["GET", "POST"]), Route("/state", endpoint)]
    server = uvicorn.Server(
        uvicorn.Config(Starlette(routes=routes), port=0, log_level="error", lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    fake.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield fake
    server.should_exit = True
    thread.join()


@pytest.fixture
async def reach() -> AsyncIterator[Reach]:
    async with httpx.AsyncClient(follow_redirects=True) as client:
        yield Reach(Databases({}, {}), client)


def driver(reach: Reach, **options: str) -> HttpDriver:
    return HttpDriver("credits", HttpOptions.model_validate(options), reach)


async def test_it_pauses_reads_back_and_resumes(app: FakeApp, reach: Reach) -> None:
    switch = driver(reach, url=f"{app.url}/switch")
    paused = await switch.pause(reason="balances are wrong", key="run 7:paused")
    assert (paused.state, paused.confirmed) == (SwitchState.PAUSED, True)
    [(body, headers)] = app.posts
    assert body == {"switch": "credits", "state": "paused", "reason": "balances are wrong"}
    assert headers["idempotency-key"] == "run 7:paused"
    assert "authorization" not in headers
    assert (await switch.read()).state is SwitchState.PAUSED
    resumed = await switch.resume(reason="mended", key="run 7:running")
    assert (resumed.state, resumed.confirmed) == (SwitchState.RUNNING, True)
    assert app.state == "running"


async def test_the_state_can_be_read_elsewhere(app: FakeApp, reach: Reach) -> None:
    switch = driver(reach, url=f"{app.url}/switch", read_url=f"{app.url}/state")
    assert (await switch.pause(reason="r", key="k")).confirmed
    assert len(app.gets) == 1


async def test_both_calls_carry_the_secret(
    app: FakeApp, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWITCH_SECRET", "s3cret")
    await driver(reach, url=f"{app.url}/switch", secret_env="SWITCH_SECRET").pause(
        reason="r", key="k"
    )
    assert app.posts[0][1]["authorization"] == "Bearer s3cret"
    assert app.gets[0]["authorization"] == "Bearer s3cret"


async def test_a_secret_that_is_not_set_is_asked_for_before_anything_is_sent(
    app: FakeApp, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SWITCH_SECRET", raising=False)
    switch = driver(reach, url=f"{app.url}/switch", secret_env="SWITCH_SECRET")
    with pytest.raises(SwitchError, match="set SWITCH_SECRET"):
        await switch.pause(reason="r", key="k")
    assert app.posts == []


async def test_an_app_that_says_yes_and_does_nothing_is_not_confirmed(
    app: FakeApp, reach: Reach
) -> None:
    app.obeys = False
    reading = await driver(reach, url=f"{app.url}/switch").pause(reason="r", key="k")
    assert (reading.state, reading.confirmed) == (SwitchState.RUNNING, False)
    assert "accepted paused, but" in reading.detail


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (Response(status_code=500), "answered 500; look into the app's own log"),
        (Response(status_code=401), "answered 401; check that secret_env"),
        (Response(status_code=404), "answered 404; check url and read_url"),
        (Response(status_code=307, headers={"location": "/state"}), "redirects are not followed"),
        (Response(status_code=304), "answered 304"),
    ],
)
@pytest.mark.parametrize("method", ["on_get", "on_post"])
async def test_a_refusal_says_what_to_mend(
    app: FakeApp, reach: Reach, method: str, answer: Response, advice: str
) -> None:
    setattr(app, method, answer)
    with pytest.raises(SwitchError, match=advice):
        await driver(reach, url=f"{app.url}/switch").pause(reason="r", key="k")


@pytest.mark.parametrize("body", ["", "paused", "[]", "{}", '{"state": "off"}', '{"state": null}'])
async def test_an_answer_that_does_not_tell_the_state_teaches_its_form(
    app: FakeApp, reach: Reach, body: str
) -> None:
    app.on_get = Response(body)
    with pytest.raises(SwitchError, match=r'\{"state": "paused"\}'):
        await driver(reach, url=f"{app.url}/switch").read()


async def test_an_app_that_is_down_is_a_switch_error(app: FakeApp, reach: Reach) -> None:
    with pytest.raises(SwitchError, match="can't be reached"):
        await driver(reach, url="http://127.0.0.1:9/switch").read()


async def test_an_app_that_dawdles_is_not_waited_for(
    app: FakeApp, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_driver, "SECONDS", 0.2)
    app.dawdles = 0.6
    with pytest.raises(SwitchError, match=r"did not answer within 0\.2 s; is the app up"):
        await driver(reach, url=f"{app.url}/switch").pause(reason="r", key="k")


async def test_the_builtin_switch_knows_only_what_was_applied(reach: Reach) -> None:
    switch = BuiltinDriver("credits", BuiltinOptions(), reach)
    assert ((first := await switch.read()).state, first.confirmed) == (SwitchState.UNKNOWN, False)
    paused = await switch.pause(reason="r", key="k")
    assert (paused.state, paused.confirmed) == (SwitchState.PAUSED, True)
    assert await switch.read() == paused
    resumed = await switch.resume(reason="r", key="k")
    assert (resumed.state, resumed.confirmed) == (SwitchState.RUNNING, True)
