"""Deliveries: every webhook that arrived, and what was decided about it."""

from __future__ import annotations

from starlette.responses import Response

from responder.web import queries
from responder.web.visit import Acts, Pages, Visit


async def _deliveries(visit: Visit) -> Response:
    cursor = visit.cursor()
    page = await visit.read(lambda session: queries.deliveries(session, before=cursor))
    return visit.show(
        "deliveries.html",
        page=page,
        webhook=f"{visit.responder.settings.base_url}/webhooks/sentry",
    )


async def _replay(visit: Visit) -> str:
    return f"/deliveries#delivery-{await visit.responder.desk.replay(visit.id, visit.person)}"


PAGES: Pages = (("/deliveries", _deliveries),)

ACTS: Acts = (("/deliveries/{id:number}/replay", _replay, _deliveries),)
