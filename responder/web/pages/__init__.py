"""The pages, a file for each topic.

They work without JavaScript. An act answers with a redirect to the page it was done on; one
that can't be done shows that page again, with the reason on top.
"""

from __future__ import annotations

from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from responder.app import Responder
from responder.web.doors import Doors
from responder.web.html import STATIC
from responder.web.pages import (
    backtests,
    deliveries,
    incidents,
    noise,
    objectives,
    post_mortems,
    quarantine,
    switches,
)

PAGES = (
    *incidents.PAGES,
    *switches.PAGES,
    *objectives.PAGES,
    *deliveries.PAGES,
    *backtests.PAGES,
    *quarantine.PAGES,
    *noise.PAGES,
    *post_mortems.PAGES,
)
ACTS = (*incidents.ACTS, *switches.ACTS, *deliveries.ACTS, *quarantine.ACTS, *noise.ACTS)


def routes(responder: Responder) -> list[Route | Mount]:
    """Every page and form, behind the sign-in."""
    doors = Doors(responder)
    return [
        Mount("/static", StaticFiles(directory=STATIC)),
        Route("/sign-in", doors.show, methods=["GET"]),
        Route("/sign-in", doors.enter, methods=["POST"]),
        Route("/sign-out", doors.leave, methods=["POST"]),
        *(Route(path, doors.page(page), methods=["GET"]) for path, page in PAGES),
        *(Route(path, doors.act(do, page), methods=["POST"]) for path, do, page in ACTS),
    ]
