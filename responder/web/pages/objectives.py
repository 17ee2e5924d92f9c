"""Objectives: figures beside their targets, and how often things fail."""

from __future__ import annotations

import math
from datetime import timedelta

from starlette.responses import Response

from responder.web import schema
from responder.web.objective_queries import objectives
from responder.web.sparkline import Sparkline, draw
from responder.web.visit import Pages, Visit


async def _objectives(visit: Visit) -> Response:
    responder = visit.responder
    configuration, now = responder.configuration, responder.now()
    asks = responder.sentry is not None

    def sparkline(trend: schema.Trend, target: float) -> Sparkline:
        return draw(
            [(point.at, point.value) for point in trend.points],
            target,
            end=now,
            span=timedelta(hours=trend.hours),
            each=timedelta(minutes=trend.minutes),
        )

    found = await visit.read(lambda session: objectives(session, configuration, asks=asks, now=now))
    return visit.show(
        "objectives.html",
        found=found,
        rules=configuration.objectives,
        areas={name: area.title for name, area in configuration.areas.root.items()},
        sparkline=sparkline,
        unbroken=_unbroken,
        shown=lambda show, value: _unbroken(show(value)),
        percent=lambda value: f"{value:.3g} %",
        share=_share,
    )


def _unbroken(words: str) -> str:
    """A figure and its unit on one line."""
    return words.strip().replace(" ", "\N{NO-BREAK SPACE}")


def _share(percent: float) -> str:
    """Rounded down, so that only all of them are 100 %."""
    return f"{math.floor(percent * 10) / 10:g} %"


PAGES: Pages = (("/objectives", _objectives),)
