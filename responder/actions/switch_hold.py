"""switch.hold: pause something for as long as the incident needs."""

from __future__ import annotations

from typing import ClassVar

from responder.actions.base import ActionParams, Done, Failed, Outcome, StepContext, SwitchName
from responder.incident.records import RESPONDER
from responder.switches.base import Reading, SwitchError, SwitchState


class SwitchHoldParams(ActionParams):
    """`reason` is shown wherever the hold is; by default the incident's title."""

    switch: SwitchName
    reason: str = ""


class SwitchHold:
    """Places the incident's hold and reads the pause back. Unconfirmed is failed."""

    Params: ClassVar = SwitchHoldParams
    effect: ClassVar = True

    def intent(self, params: SwitchHoldParams) -> str:
        """In plain words."""
        return f"Pause {params.switch}"

    async def run(self, context: StepContext, params: SwitchHoldParams) -> Outcome:
        """Hold the switch."""
        return await self._hold(context, params, read_first=False)

    async def reconcile(self, context: StepContext, params: SwitchHoldParams) -> Outcome | None:
        """Read the switch back, and pause it only if it is not paused."""
        return await self._hold(context, params, read_first=True)

    async def _hold(
        self, context: StepContext, params: SwitchHoldParams, *, read_first: bool
    ) -> Outcome:
        try:
            reading = await context.tools.switches.hold(
                params.switch,
                key=context.key,
                by=RESPONDER,
                reason=params.reason or context.incident_title,
                incident_id=context.incident_id,
                read_first=read_first,
            )
        except SwitchError as error:
            return Failed(f"{params.switch} could not be paused: {error}", again=True)
        return paused_or_failed(params.switch, reading)


def paused_or_failed(switch: str, reading: Reading) -> Outcome:
    """What a reading means for a step that wanted the switch paused."""
    evidence = {
        "state": reading.state.value,
        "confirmed": reading.confirmed,
        "at": reading.at.isoformat() if reading.at else None,
        "holdouts": list(reading.holdouts),
    }
    detail = "; in the way: ".join([reading.detail, *reading.holdouts])
    if reading.state is not SwitchState.PAUSED:
        return Failed(f"{switch} reads back {reading.state}: {detail}", evidence, again=True)
    if not reading.confirmed:
        return Failed(f"{switch} is not surely paused: {detail}", evidence, again=True)
    return Done(f"{switch} is paused: {detail}", evidence)
