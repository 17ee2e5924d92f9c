"""chat.checklist: what only a person can check, ticked in chat or on the page."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints
from sqlmodel import Session, select

from responder.actions.base import ActionParams, Outcome, StepContext, Waits
from responder.chat import outbox
from responder.store.tables import ChecklistItem

Text = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]


class ChatChecklistParams(ActionParams):
    """The items, in order."""

    items: tuple[Text, ...] = Field(min_length=1, max_length=200)


class ChatChecklist:
    """Waits until every item is ticked."""

    Params: ClassVar = ChatChecklistParams
    effect: ClassVar = False

    def intent(self, params: ChatChecklistParams) -> str:
        """In plain words."""
        return f"Ask people to check {len(params.items)} things"

    async def run(self, context: StepContext, params: ChatChecklistParams) -> Outcome:
        """Write the items down and show them, once."""
        now = context.now()

        def work(session: Session) -> None:
            there = select(ChecklistItem).where(ChecklistItem.step_id == context.step_id)
            if session.exec(there).first() is None:
                for position, text in enumerate(params.items):
                    session.add(
                        ChecklistItem(step_id=context.step_id, position=position, text=text)
                    )
            outbox.checklist(session, context.incident_id, context.step_id, now=now)

        await context.tools.store.write(work)
        return Waits(f"{len(params.items)} items to check")

    async def reconcile(self, context: StepContext, params: ChatChecklistParams) -> Outcome | None:
        """Writing the same items down again changes nothing."""
        return None
