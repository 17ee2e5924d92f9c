"""What the actions that talk to Sentry share: one issue of the incident after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from responder.actions.base import Done, Failed, Outcome, StepContext
from responder.incident.issues import issues_of
from responder.receive.sentry_api import SentryApi, SentryApiError


async def on_each_issue(
    context: StepContext, act: Callable[[SentryApi, str], Awaitable[str]]
) -> Outcome:
    """Do something to each of the incident's issues; failed unless it worked for all.

    Args:
        act: is given an issue's id and says what it did, in a word or two. Doing it again to
            an issue where it worked must do no harm.
    """
    sentry = context.tools.sentry
    if sentry is None:
        return Failed("no RESPONDER_SENTRY_API_TOKEN is set, so Sentry was not told")
    issues = await context.tools.store.read(lambda session: issues_of(session, context.incident_id))
    if not issues:
        return Done("no Sentry issue belongs to this incident, so there was nothing to do")
    done: dict[str, str] = {}
    errors: list[SentryApiError] = []
    for issue in issues:
        try:
            done[issue] = await act(sentry, issue)
        except SentryApiError as error:
            errors.append(error)
            done[issue] = str(error)
            if error.again:
                break  # the next would meet the same
    if not errors:
        return Done("; ".join(f"issue {issue}: {what}" for issue, what in done.items()), done)
    worked = len(done) - len(errors)
    return Failed(
        f"done for {worked} of {len(issues)} issues: {errors[-1]}",
        done,
        again=any(error.again for error in errors),
    )
