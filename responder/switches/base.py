"""The seam every switch driver meets: apply, then read back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel

if TYPE_CHECKING:
    import httpx

    from responder.databases import Databases


class SwitchState(StrEnum):
    """What a switch is, as far as anybody has read it back."""

    RUNNING = "running"
    PAUSED = "paused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reading:
    """A switch as its driver read it back.

    `confirmed` is true only when the state holds from this moment on: a pause with a writer
    still in flight is `PAUSED` and not confirmed. `holdouts` names, one line each, whoever
    stood in the way, whether or not they still do.
    """

    state: SwitchState
    confirmed: bool
    detail: str
    at: datetime | None = None  # the protected system's own clock, where it told us
    holdouts: tuple[str, ...] = ()
    refused: int | None = None  # operations turned away so far, where the driver can count


class SwitchError(Exception):
    """The driver could not apply or read the switch; the message says what to mend."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a driver may reach out with."""

    databases: Databases
    http: httpx.AsyncClient


class Driver(Protocol):
    """Pauses and resumes one switch.

    Every call is safe to repeat: `key` is the same for each attempt at the same change.
    Raises `SwitchError` when the other side can't be reached or refuses.
    """

    Options: ClassVar[type[BaseModel]]

    def __init__(self, name: str, options: Any, reach: Reach) -> None: ...

    async def pause(self, *, reason: str, key: str) -> Reading: ...

    async def resume(self, *, reason: str, key: str) -> Reading: ...

    async def read(self) -> Reading: ...
