"""Deliveries: every webhook that arrived, and what was decided about it and why."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from starlette.responses import Response

from responder.classify.verdict import Outcome
from responder.web import delivery_queries
from responder.web.visit import Acts, Pages, Visit

OUTCOMES = (*(outcome.value for outcome in Outcome), delivery_queries.UNDECIDED)
LONGEST_RULE = 200


async def _deliveries(visit: Visit) -> Response:
    query, cursor = visit.request.query_params, visit.cursor()
    outcome = query.get("outcome", "")
    outcome = outcome if outcome in OUTCOMES else ""
    rule = query.get("rule", "").replace("\x00", "")[:LONGEST_RULE]
    page = await visit.read(
        lambda session: delivery_queries.deliveries(
            session, before=cursor, outcome=outcome, rule=rule
        )
    )
    asked = {name: value for name, value in (("outcome", outcome), ("rule", rule)) if value}
    return visit.show(
        "deliveries.html",
        page=page,
        only=outcome,
        outcomes=OUTCOMES,
        rule=rule,
        further=urlencode({**asked, "cursor": page.next}) if page.next else "",
        webhook=f"{visit.responder.settings.base_url}/webhooks/sentry",
    )


async def _delivery(visit: Visit) -> Response:
    number, hide = visit.id, visit.responder.settings.redact
    delivery = await visit.read(
        lambda session: delivery_queries.delivery(session, number, hide=hide)
    )
    shown = delivery.payload
    if not isinstance(shown, str):
        shown = json.dumps(shown, indent=2, ensure_ascii=False)
    return visit.show("delivery.html", delivery=delivery, payload=shown)


async def _replay(visit: Visit) -> str:
    return f"/deliveries/{await visit.responder.desk.replay(visit.id, visit.person)}"


PAGES: Pages = (
    ("/deliveries", _deliveries),
    ("/deliveries/{id:number}", _delivery),
)

ACTS: Acts = (("/deliveries/{id:number}/replay", _replay, _deliveries),)
