"""Opens a room."""

import logging


async def handle(what: str) -> None:
    logging.error("%s: %s", what, {"status": 500})
