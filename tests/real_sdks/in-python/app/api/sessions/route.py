"""Plans a session."""

import logging

from lib.supabase import server


async def handle(what: str) -> None:
    if what == "database":
        server.read("")
    logging.error("%s: %s", what, {"status": 500})
