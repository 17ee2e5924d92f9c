"""sentry.comment: tell whoever looks at the issue in Sentry what goes on here."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from responder.actions.base import ActionParams, Outcome, StepContext
from responder.actions.sentry import on_each_issue
from responder.receive.fields import mapping, text
from responder.receive.sentry_api import SentryApi


class SentryCommentParams(ActionParams):
    """`text` by default names the incident. A link to its page always follows."""

    text: str = Field(default="", max_length=4000)


class SentryComment:
    """Comments on the incident's issues, once on each.

    The link leads to this very step, so that a comment of ours is known again by it.
    """

    Params: ClassVar = SentryCommentParams
    effect: ClassVar = True

    def intent(self, params: SentryCommentParams) -> str:
        """In plain words."""
        return "Comment on the incident's issues in Sentry"

    async def run(self, context: StepContext, params: SentryCommentParams) -> Outcome:
        """Look for our comment on each issue, for an earlier attempt may have got through."""
        words = params.text.strip() or f"responder opened an incident: {context.incident_title}"
        link = context.page_url

        async def comment(sentry: SentryApi, issue: str) -> str:
            for said in await sentry.comments(issue):
                if link in text(mapping(said.get("data")).get("text")).split():
                    return "commented before"
            await sentry.comment(issue, f"{words}\n\n{link}")
            return "commented"

        return await on_each_issue(context, comment)

    async def reconcile(self, context: StepContext, params: SentryCommentParams) -> Outcome | None:
        """Running it again looks first."""
        return None
