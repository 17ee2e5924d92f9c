"""Incidents: what is going on, what to do about it, and the forms that do it."""

from __future__ import annotations

from urllib.parse import urlencode

from sqlmodel import Session
from starlette.responses import RedirectResponse, Response

from responder import registry
from responder.incident.lifecycle import IncidentState, NotAllowed
from responder.playbook.run import StepState
from responder.web import queries, schema
from responder.web.pages.switches import switch_rows, switch_titles
from responder.web.problems import Invalid
from responder.web.visit import Acts, Pages, Visit


async def _home(visit: Visit) -> Response:
    return RedirectResponse("/incidents", 303)


async def _incidents(visit: Visit) -> Response:
    asked, cursor = visit.request.query_params.get("state"), visit.cursor()
    state = asked if asked in list(IncidentState) else None

    def work(
        session: Session,
    ) -> tuple[schema.Page[schema.IncidentLine], list[schema.Switch]]:
        return (
            queries.incidents(session, state=state, area=None, before=cursor),
            switch_rows(visit.responder, session),
        )

    page, switches = await visit.read(work)
    return visit.show(
        "incidents.html",
        page=page,
        state=state or "",
        states=[state.value for state in IncidentState],
        further=urlencode({"state": state or "", "cursor": page.next}) if page.next else "",
        paused=[switch for switch in switches if switch.holds],
        titles=switch_titles(visit.responder),
        webhook=f"{visit.responder.settings.base_url}/webhooks/sentry",
    )


async def _incident(visit: Visit, incident_id: int | None = None) -> Response:
    number = visit.id if incident_id is None else incident_id

    def work(
        session: Session,
    ) -> tuple[schema.IncidentDetail, list[schema.Switch], list[schema.Switch]]:
        incident = queries.incident(session, number)
        released = queries.released(session, number)
        return (
            incident,
            [queries.switch(session, name) for name in incident.holds],
            [queries.switch(session, name) for name in released],
        )

    incident, paused, released = await visit.read(work)
    return visit.show(
        "incident.html",
        incident=incident,
        paused=paused,
        released=released,
        failed_checks=_failed_checks(incident),
        titles=switch_titles(visit.responder),
        contacts=visit.responder.configuration.contacts_for(incident.area),
    )


def _failed_checks(incident: schema.IncidentDetail) -> list[int]:
    """The failed steps that change nothing outside, so that many may be retried at once."""
    actions = registry.find("actions")
    return [
        step.step_id
        for step in (incident.run.steps if incident.run else ())
        if step.state == StepState.FAILED and not actions[step.action].effect
    ]


async def _incident_of_step(visit: Visit) -> Response:
    return await _incident(visit, visit.form.number("incident"))


async def _acknowledge(visit: Visit) -> str:
    await visit.responder.desk.acknowledge(visit.id, visit.person)
    return f"/incidents/{visit.id}"


async def _escalate(visit: Visit) -> str:
    await visit.responder.desk.escalate(visit.id, visit.person, visit.form.reason())
    return f"/incidents/{visit.id}"


async def _resolve(visit: Visit) -> str:
    await visit.responder.desk.resolve(visit.id, visit.person)
    return f"/incidents/{visit.id}"


async def _retry_checks(visit: Visit) -> str:
    number = visit.id
    checks = _failed_checks(await visit.read(lambda session: queries.incident(session, number)))
    if not checks:
        raise NotAllowed("no check has failed any more")
    for step in checks:
        await visit.responder.desk.retry(step, visit.person)
    return f"/incidents/{number}"


async def _tick(visit: Visit) -> str:
    form = visit.form
    await visit.responder.desk.tick(
        visit.id, visit.person, shown=form.numbers("shown"), done=form.numbers("done")
    )
    return _to_step(visit)


async def _decide(visit: Visit) -> str:
    decision = visit.form.text("decision")
    if decision not in ("approve", "deny"):
        raise Invalid("press Approve or Deny")
    await visit.responder.desk.decide(
        visit.id, visit.person, approve=decision == "approve", reason=visit.form.reason()
    )
    return _to_step(visit)


async def _retry(visit: Visit) -> str:
    await visit.responder.desk.retry(visit.id, visit.person)
    return _to_step(visit)


async def _skip(visit: Visit) -> str:
    await visit.responder.desk.skip(visit.id, visit.person, visit.form.reason())
    return _to_step(visit)


def _to_step(visit: Visit) -> str:
    return f"/incidents/{visit.form.number('incident')}#step-{visit.id}"


PAGES: Pages = (
    ("/", _home),
    ("/incidents", _incidents),
    ("/incidents/{id:number}", _incident),
)

ACTS: Acts = (
    ("/incidents/{id:number}/acknowledge", _acknowledge, _incident),
    ("/incidents/{id:number}/escalate", _escalate, _incident),
    ("/incidents/{id:number}/resolve", _resolve, _incident),
    ("/incidents/{id:number}/retry", _retry_checks, _incident),
    ("/steps/{id:number}/tick", _tick, _incident_of_step),
    ("/steps/{id:number}/decide", _decide, _incident_of_step),
    ("/steps/{id:number}/retry", _retry, _incident_of_step),
    ("/steps/{id:number}/skip", _skip, _incident_of_step),
)
