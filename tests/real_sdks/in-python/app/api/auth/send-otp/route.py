"""Sends a one-time password."""

import logging

from lib.auth import session


async def handle(what: str) -> None:
    if what == "session":
        session.refresh()
    logging.error("Send OTP error")
