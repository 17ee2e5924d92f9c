"""A switch whose state lives in responder: the app asks for it and obeys."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from responder.switches.base import Reach, Reading, SwitchState


class BuiltinOptions(BaseModel):
    """Nothing to choose."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BuiltinDriver:
    """Remembers what was last applied; until then it can't know."""

    Options: ClassVar[type[BaseModel]] = BuiltinOptions

    def __init__(self, name: str, options: BuiltinOptions, reach: Reach) -> None:
        self._name = name
        self._state = SwitchState.UNKNOWN

    async def pause(self, *, reason: str, key: str) -> Reading:
        """From now on the app is told `paused`."""
        self._state = SwitchState.PAUSED
        return await self.read()

    async def resume(self, *, reason: str, key: str) -> Reading:
        """From now on the app is told `running`."""
        self._state = SwitchState.RUNNING
        return await self.read()

    async def read(self) -> Reading:
        """What was last applied by this process."""
        if self._state is SwitchState.UNKNOWN:
            return Reading(self._state, confirmed=False, detail="not applied since the start")
        return Reading(
            self._state,
            confirmed=True,
            detail=f"the app obeys once it next asks for /api/v1/switches/{self._name}",
        )
