"""Where Sentry's webhooks come in: verified, stored, answered. Everything else comes after."""

from __future__ import annotations

import asyncio
import time

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from responder import metrics
from responder.app import Responder
from responder.receive.intake import Incoming, Overloaded
from responder.receive.source import NotUnderstood
from responder.receive.verify import sentry_signature_ok
from responder.web.problems import problem

log = structlog.get_logger()

SIGNATURES = ("sentry-hook-signature", "sentry-app-signature")
SIGNATURE_LENGTH = 64  # hexadecimal digits of SHA-256
BODY_SECONDS = 10
MOST_HELD = 64 * 1024 * 1024
KEPT_HEADERS = (
    "content-type",
    "idempotency-key",
    "request-id",
    "sentry-hook-resource",
    "sentry-hook-timestamp",
    "user-agent",
)


class _TooLarge(Exception):
    """The body is over the limit."""


class _Busy(Exception):
    """The bodies being read are over what may be held in memory."""


class _Bodies:
    """Reads bodies, holding at most `MOST_HELD` bytes of all of them together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    async def read(self, request: Request) -> bytes:
        """The raw bytes.

        Raises:
            TimeoutError, ClientDisconnect: the sender was too slow, or is gone.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and len(declared) < 20 and int(declared) > self._limit:
            raise _TooLarge
        parts, size = [], 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for part in request.stream():
                    size += len(part)
                    self._held += len(part)
                    if size > self._limit:
                        raise _TooLarge
                    if self._held > MOST_HELD + self._limit:
                        raise _Busy
                    parts.append(part)
            return b"".join(parts)
        finally:
            self._held -= size


def routes(responder: Responder) -> list[Route]:
    """The webhook's one exact address; a redirect would lose the delivery for good."""
    bodies = _Bodies(responder.settings.max_body_bytes)

    async def sentry(request: Request) -> Response:
        began = time.perf_counter()
        response = await _receive(responder, bodies, request)
        metrics.DELIVERIES.labels(str(response.status_code)).inc()
        metrics.ANSWER_SECONDS.observe(time.perf_counter() - began)
        return response

    return [Route("/webhooks/sentry", sentry, methods=["POST"])]


async def _receive(responder: Responder, bodies: _Bodies, request: Request) -> Response:
    received_at = responder.now()
    signature = _signature(request)
    if signature is None:  # not worth reading what comes with it
        return _refuse(request, "no signature, or several")
    try:
        body = await bodies.read(request)
    except _TooLarge:
        limit = responder.settings.max_body_bytes
        log.warning("webhook.too_large", limit=limit)
        return problem(413, f"the body is larger than {limit} bytes")
    except _Busy:
        return problem(503, "too much is being received at once", {"Retry-After": "5"})
    except TimeoutError:
        return problem(408, f"the body took longer than {BODY_SECONDS} seconds")
    except ClientDisconnect:
        return problem(400, "the body ended early")
    if not sentry_signature_ok(body, signature, responder.secrets.sentry):
        return _refuse(request, "signature does not match")
    headers = {name.lower(): value for name, value in request.headers.items()}
    source = responder.sources["sentry"]
    try:
        described = source.describe(headers, body)
    except NotUnderstood as error:
        log.warning("webhook.not_understood", why=str(error))
        return problem(400, str(error))
    incoming = Incoming(
        source=source.name,
        resource=described.resource,
        action=described.action,
        key=described.key,
        headers={name: headers[name][:500] for name in KEPT_HEADERS if name in headers},
        body=body,
        received_at=received_at,
    )
    try:
        receipt = await responder.intake.take(incoming)
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


def _signature(request: Request) -> str | None:
    """The one signature, if it looks like one."""
    given = [value for name in SIGNATURES for value in request.headers.getlist(name)]
    if len(given) == 1 and len(given[0]) == SIGNATURE_LENGTH:
        return given[0]
    return None


def _refuse(request: Request, why: str) -> Response:
    """The log says why, the answer does not: whoever can't sign learns nothing."""
    log.warning(
        "webhook.refused",
        why=why,
        resource=request.headers.get("sentry-hook-resource", "")[:40],
        client=request.client.host if request.client else None,
    )
    return problem(401, "not signed with this service's secret")
