"""sentry.assign: hand the incident's issues to a person or a team in Sentry."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from responder.actions.base import ActionParams, Outcome, StepContext
from responder.actions.sentry import on_each_issue
from responder.receive.sentry_api import SentryApi, SentryApiError


class SentryAssignParams(ActionParams):
    """`to` is `team:ID`, `user:ID` or somebody's e-mail address in Sentry."""

    to: str = Field(max_length=200, pattern=r"^((team|user):[0-9]+|[^@\s]+@[^@\s]+)$")


class SentryAssign:
    """Assigns the incident's issues, whoever had them before."""

    Params: ClassVar = SentryAssignParams
    effect: ClassVar = True

    def intent(self, params: SentryAssignParams) -> str:
        """In plain words."""
        return f"Assign the incident's issues in Sentry to {params.to}"

    async def run(self, context: StepContext, params: SentryAssignParams) -> Outcome:
        """Assign each and read it back."""

        async def assign(sentry: SentryApi, issue: str) -> str:
            now = await sentry.update_issue(issue, assignedTo=params.to)
            if not now.get("assignedTo"):
                raise SentryApiError(f"Sentry took it, but issue {issue} is assigned to nobody")
            return f"assigned to {params.to}"

        return await on_each_issue(context, assign)

    async def reconcile(self, context: StepContext, params: SentryAssignParams) -> Outcome | None:
        """Assigning to the same again changes nothing."""
        return None
