"""Where Sentry's webhooks come in: verified, stored, answered. Everything else comes after."""

from __future__ import annotations

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
KEPT_HEADERS = (
    "content-type",
    "idempotency-key",
    "request-id",
    "sentry-hook-resource",
    "sentry-hook-timestamp",
    "user-agent",
)


def routes(responder: Responder) -> list[Route]:
    """The webhook's one exact address; a redirect would lose the delivery for good."""

    async def sentry(request: Request) -> Response:
        began = time.perf_counter()
        response = await _receive(responder, request)
        metrics.DELIVERIES.labels(str(response.status_code)).inc()
        metrics.ANSWER_SECONDS.observe(time.perf_counter() - began)
        return response

    return [Route("/webhooks/sentry", sentry, methods=["POST"])]


async def _receive(responder: Responder, request: Request) -> Response:
    received_at = responder.now()
    limit = responder.settings.max_body_bytes
    body = await _body(request, limit)
    if body is None:
        log.warning("webhook.too_large", limit=limit)
        return problem(413, f"the body is larger than {limit} bytes")
    headers = {name.lower(): value for name, value in request.headers.items()}
    signed = next((headers[name] for name in SIGNATURES if name in headers), None)
    if not sentry_signature_ok(body, signed, responder.secrets.sentry):
        # The log says why, the answer does not: whoever can't sign learns nothing.
        log.warning(
            "webhook.refused",
            why="no signature" if signed is None else "signature does not match",
            resource=headers.get("sentry-hook-resource", "")[:40],
            client=request.client.host if request.client else None,
        )
        return problem(401, "not signed with this service's secret")
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


async def _body(request: Request, limit: int) -> bytes | None:
    """The raw bytes, or None as soon as they are more than `limit`."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        return None
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                return None
            parts.append(part)
    except ClientDisconnect:
        return b""  # nobody is left to answer, and half a body is never rightly signed
    return b"".join(parts)
