"""Moves credits, in vain."""

import logging

import sentry_sdk
from lib.supabase import server

log = logging.getLogger(__name__)


class LedgerConflict(Exception):
    """The entry is there already."""


def add_credits(key: str) -> None:
    raise LedgerConflict(f"duplicate ledger entry for {key}")


def add_credits_logged() -> None:
    log.error("Failed to add credits to %s", "usr_1042")


def tip_logged() -> None:
    try:
        add_credits("tip_7")
    except LedgerConflict:
        log.exception("It did not work")


def report() -> None:
    sentry_sdk.capture_message("The balance is below zero", level="error")


def balance() -> object:
    return server.read("<html>")


def award() -> None:
    failed = []
    for key in ("a", "b"):
        try:
            add_credits(key)
        except LedgerConflict as error:
            failed.append(error)
    raise ExceptionGroup("not everybody was awarded", failed)
