"""switch.release: lift the incident's hold, and resume when no other stands."""

from __future__ import annotations

from typing import ClassVar

from responder.actions.base import ActionParams, Done, Failed, Outcome, StepContext, SwitchName
from responder.incident.records import RESPONDER
from responder.switches.base import SwitchError, SwitchState


class SwitchReleaseParams(ActionParams):
    """Names the switch."""

    switch: SwitchName


class SwitchRelease:
    """Releases this incident's holds only; anybody else's keep the switch paused."""

    Params: ClassVar = SwitchReleaseParams
    effect: ClassVar = True

    def intent(self, params: SwitchReleaseParams) -> str:
        """In plain words."""
        return f"Release this incident's hold on {params.switch}; it resumes if no other stands"

    async def run(self, context: StepContext, params: SwitchReleaseParams) -> Outcome:
        """Release the switch."""
        try:
            reading = await context.tools.switches.release(
                params.switch,
                key=context.key,
                by=RESPONDER,
                reason=f"released by {context.step}",
                incident_id=context.incident_id,
            )
        except SwitchError as error:
            return Failed(f"{params.switch} could not be resumed: {error}", again=True)
        others = await context.tools.switches.holders(params.switch)
        if others and reading.state is SwitchState.PAUSED:
            return Done(f"{params.switch} stays paused, for others hold it: {', '.join(others)}")
        if reading.state is not SwitchState.RUNNING:
            return Failed(f"{params.switch} is {reading.state}: {reading.detail}", again=True)
        if not reading.confirmed:
            return Failed(f"{params.switch} is not surely running: {reading.detail}", again=True)
        return Done(f"{params.switch} runs again: {reading.detail}")

    async def reconcile(self, context: StepContext, params: SwitchReleaseParams) -> Outcome | None:
        """Releasing again is harmless, and the read-back tells whether it took."""
        return await self.run(context, params)
