"""Switches: what is paused, and the forms that pause and release by hand."""

from __future__ import annotations

from sqlmodel import Session
from starlette.responses import Response

from responder.app import Responder
from responder.switches.base import SwitchError
from responder.web import queries, schema
from responder.web.problems import Invalid
from responder.web.visit import Acts, Pages, Visit


async def _switches(visit: Visit) -> Response:
    return visit.show(
        "switches.html",
        switches=await visit.read(lambda session: switch_rows(visit.responder, session)),
        titles=switch_titles(visit.responder),
    )


async def _hold(visit: Visit) -> str:
    name, reason = _switch_name(visit), _needed_reason(visit)
    try:
        await visit.responder.desk.hold(name, visit.person, reason)
    except SwitchError as error:
        raise SwitchError(f"the hold stands, but the pause is not confirmed: {error}") from error
    return f"/switches#switch-{name}"


async def _release(visit: Visit) -> str:
    name, reason = _switch_name(visit), _needed_reason(visit)
    incident = visit.form.number("incident") if visit.form.text("incident") else None
    try:
        await visit.responder.desk.release(name, visit.person, reason, incident)
    except SwitchError as error:
        raise SwitchError(
            f"the hold is released, but that it runs again is not confirmed: {error}"
        ) from error
    return f"/switches#switch-{name}"


def _switch_name(visit: Visit) -> str:
    name = str(visit.request.path_params["name"])
    if name not in visit.responder.switches.names:
        raise LookupError(f"there is no switch {name}")
    return name


def _needed_reason(visit: Visit) -> str:
    reason = visit.form.reason()
    if not reason:
        raise Invalid("say why; whoever finds it paused will ask")
    return reason


def switch_rows(responder: Responder, session: Session) -> list[schema.Switch]:
    """Every switch with its holds."""
    return [queries.switch(session, name) for name in responder.switches.names]


def switch_titles(responder: Responder) -> dict[str, str]:
    """What people call each switch."""
    return {name: spec.title for name, spec in responder.configuration.switches.items()}


PAGES: Pages = (("/switches", _switches),)

ACTS: Acts = (
    ("/switches/{name}/hold", _hold, _switches),
    ("/switches/{name}/release", _release, _switches),
)
