"""The quarantine: webhooks that were refused, why, and letting them in."""

from __future__ import annotations

from starlette.responses import Response

from responder.people.roles import Role
from responder.web.refusal_queries import refusals
from responder.web.visit import Acts, Pages, Visit


async def _quarantine(visit: Visit) -> Response:
    responder, cursor = visit.responder, visit.cursor()
    secrets, source = responder.secrets.sentry, responder.sources["sentry"]
    page = await visit.read(lambda session: refusals(session, secrets, source, before=cursor))
    return visit.show(
        "quarantine.html", page=page, may_trust=visit.person.role.includes(Role.ADMIN)
    )


async def _let_in(visit: Visit) -> str:
    await visit.responder.admission.let_in(visit.id, visit.person)
    return f"/quarantine#refusal-{visit.id}"


PAGES: Pages = (("/quarantine", _quarantine),)

ACTS: Acts = (("/quarantine/{id:number}/let-in", _let_in, _quarantine),)
