"""Noise: what is kept quiet, by which rule, how often; and the forms that snooze."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from responder.classify.severity import Severity
from responder.web import noise_queries
from responder.web.problems import Invalid
from responder.web.visit import Acts, Form, Pages, Visit

SPANS = {
    "30m": ("30 minutes", timedelta(minutes=30)),
    "2h": ("2 hours", timedelta(hours=2)),
    "4h": ("4 hours", timedelta(hours=4)),
    "1d": ("1 day", timedelta(days=1)),
    "3d": ("3 days", timedelta(days=3)),
    "7d": ("7 days", timedelta(days=7)),
}


async def _noise(visit: Visit) -> Response:
    responder = visit.responder
    configuration, now = responder.configuration, responder.now()
    noise = await visit.read(
        lambda session: noise_queries.noise(session, configuration.noise, now=now)
    )
    return visit.show(
        "noise.html",
        noise=noise,
        areas={
            name: (area.title, area.severity is Severity.CRITICAL)
            for name, area in configuration.areas.root.items()
        },
        spans={name: words for name, (words, _) in SPANS.items()},
    )


async def _snooze(visit: Visit) -> str:
    form = visit.form
    number = await visit.responder.desk.snooze(
        visit.person,
        area=form.text("area") or None,
        issue_id=form.text("issue") or None,
        until=visit.responder.now() + _span(form),
        reason=form.reason(),
    )
    return f"/noise#snooze-{number}"


def _span(form: Form) -> timedelta:
    span = SPANS.get(form.text("for"))
    if span is None:
        raise Invalid("choose for how long")
    return span[1]


async def _end(visit: Visit) -> str:
    await visit.responder.desk.end_snooze(visit.id, visit.person)
    return f"/noise#snooze-{visit.id}"


PAGES: Pages = (("/noise", _noise),)

ACTS: Acts = (
    ("/snoozes", _snooze, _noise),
    ("/snoozes/{id:number}/end", _end, _noise),
)
