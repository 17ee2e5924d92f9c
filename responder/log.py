"""JSON lines in production, readable ones at a terminal."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(*, pretty: bool) -> None:
    """Set logging up for the process. Everything goes to standard error."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    # The pool repeats each failure several times, with parts of the address in it.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    renderer: list[structlog.typing.Processor] = (
        [_harmless, structlog.dev.ConsoleRenderer()]
        if pretty
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _harmless(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Without control characters, which a terminal would obey and a stranger may have sent."""
    return {
        key: "".join(mark if mark.isprintable() else "\ufffd" for mark in value)
        if isinstance(value, str)
        else value
        for key, value in event.items()
    }
