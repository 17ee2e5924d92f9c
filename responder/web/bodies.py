"""Reading bodies that anybody may send: so large, so slow and so many at once, and no more."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

LARGEST = 2**31 - 1


class TooLarge(Exception):
    """The body is over the limit."""


class Busy(Exception):
    """The bodies being read are over what may be held in memory."""


def declared_size(request: Request) -> int:
    """How large the body says it is, as far as a number in the database goes; 0 if it does not."""
    declared = request.headers.get("content-length", "")
    return min(int(declared), LARGEST) if declared.isascii() and declared.isdigit() else 0


class Bodies:
    """Reads bodies, holding at most `most_held` bytes and one body of all of them together.

    Args:
        limit: bytes of one body.
        seconds: how long a sender may take.
    """

    def __init__(self, limit: int, *, most_held: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._most_held = most_held
        self._held = 0

    async def read(self, request: Request) -> bytes:
        """The raw bytes.

        Raises:
            TooLarge, Busy: it is, or all of them are, more than is held.
            TimeoutError, ClientDisconnect: the sender was too slow, or is gone.
        """
        if declared_size(request) > self.limit:
            raise TooLarge
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.seconds):
                async for part in request.stream():
                    size += len(part)
                    self._held += len(part)
                    if size > self.limit:
                        raise TooLarge
                    if self._held > self._most_held + self.limit:
                        raise Busy
                    parts.append(part)
            return b"".join(parts)
        finally:
            self._held -= size
