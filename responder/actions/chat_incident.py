"""chat.incident: the incident's card, kept up to date in place."""

from __future__ import annotations

from typing import ClassVar

from responder.actions.base import ActionParams, Done, Outcome, StepContext
from responder.chat import outbox


class ChatIncidentParams(ActionParams):
    """Takes nothing."""


class ChatIncident:
    """Done when the card is durably on its way: chat may be late, but never loses it."""

    Params: ClassVar = ChatIncidentParams
    effect: ClassVar = False

    def intent(self, params: ChatIncidentParams) -> str:
        """In plain words."""
        return "Tell chat about the incident"

    async def run(self, context: StepContext, params: ChatIncidentParams) -> Outcome:
        """Queue the card."""
        now = context.now()
        await context.tools.store.write(
            lambda session: outbox.card(session, context.incident_id, now=now)
        )
        return Done("card on its way to chat")

    async def reconcile(self, context: StepContext, params: ChatIncidentParams) -> Outcome | None:
        """Queueing the same card again changes nothing."""
        return None
