"""Where Sentry's webhooks come in: verified, stored, answered. Everything else comes after."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from responder import metrics
from responder.app import Responder
from responder.receive.intake import Incoming, Overloaded
from responder.receive.quarantine import (
    LARGEST_UNSIGNED,
    RESOURCE,
    SIGNATURES,
    Refused,
    resource_of,
)
from responder.receive.sentry import PLUGIN, UNKNOWN
from responder.receive.source import Description, NotUnderstood
from responder.receive.verify import sentry_signature_ok
from responder.web.bodies import Bodies, Busy, TooLarge, declared_size
from responder.web.problems import problem

log = structlog.get_logger()

SIGNATURE_LENGTH = 64  # hexadecimal digits of SHA-256
BODY_SECONDS = 10
MOST_HELD = 64 * 1024 * 1024
GLANCE_SECONDS = 1  # at what is refused whatever its body says
GLANCES_HELD = 2 * 1024 * 1024
KEPT_HEADERS = (
    "content-type",
    "idempotency-key",
    "request-id",
    RESOURCE,
    "sentry-hook-timestamp",
    "user-agent",
)
NOT_SIGNED = "not signed with this service's secret"


@dataclass(frozen=True, slots=True)
class _Call:
    """One request while it is looked at."""

    request: Request
    at: datetime

    @property
    def headers(self) -> dict[str, str]:
        """Those that are kept with the delivery."""
        headers = self.request.headers
        return {name: headers[name][:500] for name in KEPT_HEADERS if name in headers}

    @property
    def signatures(self) -> list[tuple[str, str]]:
        """Each signature that was given, with its header."""
        headers = self.request.headers
        return [(name, value) for name in SIGNATURES for value in headers.getlist(name)]

    @property
    def signature(self) -> tuple[str, str] | None:
        """The one signature, if it looks like one."""
        given = self.signatures
        return given[0] if len(given) == 1 and len(given[0][1]) == SIGNATURE_LENGTH else None


def routes(responder: Responder) -> list[Route]:
    """The exact addresses; a redirect would lose the delivery for good."""
    webhooks = _Webhooks(responder)
    found = [Route("/webhooks/sentry", webhooks.answers(webhooks.integration), methods=["POST"])]
    if responder.settings.sentry_plugin_token is not None:
        plugin = webhooks.answers(webhooks.plugin)
        found.append(Route("/webhooks/sentry/plugin/{token}", plugin, methods=["POST"]))
    return found


class _Answered(Exception):
    """It is answered so, and nothing is stored."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class _Webhooks:
    """Both addresses. What they do returns the answer, or raises it."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._source = responder.sources["sentry"]
        self._plugin_token = responder.settings.sentry_plugin_token
        self._bodies = Bodies(
            responder.settings.max_body_bytes, most_held=MOST_HELD, seconds=BODY_SECONDS
        )
        # Of what is refused whatever it says a little is read, to tell a person why.
        self._glances = Bodies(LARGEST_UNSIGNED, most_held=GLANCES_HELD, seconds=GLANCE_SECONDS)

    def answers(
        self, receive: Callable[[_Call], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint that receives so, and measures it."""

        async def endpoint(request: Request) -> Response:
            began = time.perf_counter()
            try:
                response = await receive(_Call(request, self._responder.now()))
            except _Answered as answered:
                response = answered.response
            metrics.DELIVERIES.labels(str(response.status_code)).inc()
            metrics.ANSWER_SECONDS.observe(time.perf_counter() - began)
            return response

        return endpoint

    async def integration(self, call: _Call) -> Response:
        """A webhook of an integration, which is signed."""
        if call.signature is None:
            return await self._glance(call)
        body = await self._body(call)
        if not sentry_signature_ok(body, call.signature[1], self._responder.secrets.sentry):
            return self._refuse(call, 401, "the signature did not match", NOT_SIGNED, body)
        described = self._describe(call, dict(call.request.headers), body)
        return await self._store(call, described, body, "webhook")

    async def plugin(self, call: _Call) -> Response:
        """A webhook of the legacy plugin: its token stands in the address, and signs nothing."""
        assert self._plugin_token is not None
        token = str(call.request.path_params["token"]).encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(token, self._plugin_token.get_secret_value().encode()):
            return problem(404, "Not Found")  # as an address that is not there is answered
        body = await self._body(call)
        headers = {name: text for name, text in call.request.headers.items() if name != RESOURCE}
        described = self._describe(call, headers, body)
        if call.signatures or described.resource not in (PLUGIN, UNKNOWN):
            said = "this is the address of the legacy plugin; integrations use /webhooks/sentry"
            return self._refuse(call, 400, f"an integration's webhook, but {said}", said, body)
        return await self._store(call, described, body, "plugin")

    async def _body(self, call: _Call) -> bytes:
        limit = self._bodies.limit
        try:
            return await self._bodies.read(call.request)
        except TooLarge:
            said = f"the body is larger than {limit} bytes"
            raise _Answered(self._refuse(call, 413, said, said, None)) from None
        except Busy:
            refusal = problem(503, "too much is being received at once", {"Retry-After": "5"})
            raise _Answered(refusal) from None
        except TimeoutError:
            said = f"the body took longer than {BODY_SECONDS} seconds"
            raise _Answered(problem(408, said)) from None
        except ClientDisconnect:
            raise _Answered(problem(400, "the body ended early")) from None

    async def _glance(self, call: _Call) -> Response:
        """Refuse what is not signed, whatever its body says or does."""
        given = len(call.signatures)
        wrong = f"the signature is not {SIGNATURE_LENGTH} characters long"
        why = ("no signature", wrong)[given] if given < 2 else "several signatures"
        try:
            body = await self._glances.read(call.request)
        except (TooLarge, Busy, TimeoutError, ClientDisconnect):
            body = None
        return self._refuse(call, 401, why, NOT_SIGNED, body)

    def _describe(self, call: _Call, headers: dict[str, str], body: bytes) -> Description:
        try:
            return self._source.describe(headers, body)
        except NotUnderstood as error:
            raise _Answered(self._refuse(call, 400, str(error), str(error), body)) from None

    def _refuse(
        self, call: _Call, status: int, why: str, said: str, body: bytes | None
    ) -> Response:
        """The quarantine keeps why; to whoever can't sign, the answer says less."""
        client = call.request.client.host if call.request.client else ""
        headers = call.headers
        log.warning("webhook.refused", why=why, resource=resource_of(headers), client=client)
        if call.signature is not None:
            headers |= dict([call.signature])
        size = len(body) if body is not None else declared_size(call.request)
        self._responder.quarantine.keep(Refused(call.at, why, client, headers, body, size))
        return problem(status, said)

    async def _store(
        self, call: _Call, described: Description, body: bytes, origin: str
    ) -> Response:
        incoming = Incoming(
            source=self._source.name,
            resource=described.resource,
            action=described.action,
            key=described.key,
            headers=call.headers,
            body=body,
            received_at=call.at,
            origin=origin,
            repeats=described.repeats,
        )
        try:
            receipt = await self._responder.intake.take(incoming)
        except Overloaded:
            return problem(
                503, "more deliveries wait than the disk keeps up with", {"Retry-After": "5"}
            )
        except Exception:  # the committer has logged it; the sender must know it is not stored
            return problem(503, "the delivery could not be stored", {"Retry-After": "5"})
        answer: dict[str, object] = {"id": receipt.id}
        if receipt.duplicate:
            answer["duplicate"] = True
        return JSONResponse(answer, 200 if receipt.duplicate else 202)
