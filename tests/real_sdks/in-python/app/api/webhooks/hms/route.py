"""What the video service tells us."""

import sentry_sdk
from components.session import room
from lib.credits import service
from lib.hms import recorder


async def handle(what: str) -> None:
    match what:
        case "session.close":
            service.add_credits("evt_9")
        case "peer.join":
            service.add_credits_logged()
        case "peer.leave":
            room.join({})
        case "beam.stop":
            recorder.stop()
        case "beam.start":
            sentry_sdk.capture_message("A recording took its time", level="warning")
        case _:
            raise ValueError(f"what is {what}?")
