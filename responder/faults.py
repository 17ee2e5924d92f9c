"""Named places where a test may kill the process, to prove that nothing is lost there."""

from __future__ import annotations

import os
import signal

POINTS = frozenset(
    {
        "delivery.stored",  # after the 202's commit, before the delivery is looked at
        "delivery.decided",  # the incident and its run are committed, no step has begun
        "step.started",  # the intent is committed, the effect has not begun
        "step.effected",  # the effect happened, its outcome is not yet committed
        "step.finished",  # the outcome is committed
        "chat.sent",  # the chat took a message, we have not noted it
    }
)


def point(name: str) -> None:
    """Die here, as by `kill -9`, if RESPONDER_CRASH_AT names this place."""
    assert name in POINTS, name
    if os.environ.get("RESPONDER_CRASH_AT") == name:
        os.kill(os.getpid(), signal.SIGKILL)
