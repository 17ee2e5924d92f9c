"""Post-mortems: what was learnt."""

from __future__ import annotations

from starlette.responses import Response

from responder.web import queries
from responder.web.html import markdown
from responder.web.visit import Pages, Visit


async def _post_mortems(visit: Visit) -> Response:
    cursor = visit.cursor()
    page = await visit.read(lambda session: queries.post_mortems(session, before=cursor))
    return visit.show("post_mortems.html", page=page)


async def _post_mortem(visit: Visit) -> Response:
    number = visit.id
    record = await visit.read(lambda session: queries.post_mortem(session, number))
    return visit.show("post_mortem.html", record=record, body=markdown(record.body))


PAGES: Pages = (
    ("/post-mortems", _post_mortems),
    ("/post-mortems/{id:number}", _post_mortem),
)
