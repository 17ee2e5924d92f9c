"""sentry.resolve: close the incident's issues in Sentry."""

from __future__ import annotations

from typing import ClassVar, Literal

from responder.actions.base import ActionParams, Outcome, StepContext
from responder.actions.sentry import on_each_issue
from responder.receive.sentry_api import SentryApi, SentryApiError


class SentryResolveParams(ActionParams):
    """`in_release: next` keeps quiet about them until a release after the present one."""

    in_release: Literal["next"] | None = None


class SentryResolve:
    """Resolves the incident's issues."""

    Params: ClassVar = SentryResolveParams
    effect: ClassVar = True

    def intent(self, params: SentryResolveParams) -> str:
        """In plain words."""
        return f"Resolve the incident's issues in Sentry{_when(params)}"

    async def run(self, context: StepContext, params: SentryResolveParams) -> Outcome:
        """Resolve each and read it back."""
        status = "resolvedInNextRelease" if params.in_release else "resolved"

        async def resolve(sentry: SentryApi, issue: str) -> str:
            now = (await sentry.update_issue(issue, status=status)).get("status")
            if now != "resolved":
                raise SentryApiError(f"Sentry took it, but issue {issue} reads back {now}")
            return f"resolved{_when(params)}"

        return await on_each_issue(context, resolve)

    async def reconcile(self, context: StepContext, params: SentryResolveParams) -> Outcome | None:
        """Resolving once more changes nothing."""
        return None


def _when(params: SentryResolveParams) -> str:
    return " in the next release" if params.in_release else ""
