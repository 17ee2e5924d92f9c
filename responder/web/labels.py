"""What pages and the terminal call outcomes and origins. Pure."""

from __future__ import annotations

OUTCOMES = {
    "opened": "◆ opened an incident",
    "joined": "▲ joined an incident",
    "counted": "● counted",
    "first_seen": "★ counted, new",
    "measured": "● figures",
    "same_event": "= counted before",
    "suppressed": "∅ kept quiet",
    "other_environment": "∅ other environment",
    "noted": "✎ noted",
    "kept": "○ kept to be looked at",
    "test": "○ test",
    "not_understood": "✗ not understood",
    "failed": "✗ failed",
}

ORIGINS = {
    "webhook": "signed webhook",
    "plugin": "unsigned, from the legacy plugin",
    "reconciled": "fetched from Sentry’s API",
    "let_in": "let in from the quarantine",
    "let_in_unverified": "let in from the quarantine, its source unproven",
    "posted": "figures that were posted",
    "polled": "figures asked of Sentry’s API",
    "replay": "replay",
}


def outcome_mark(outcome: str) -> str:
    """An outcome by shape and word."""
    return OUTCOMES.get(outcome, f"? {outcome.replace('_', ' ')}")


def origin_words(origin: str) -> str:
    """How a delivery came."""
    return ORIGINS.get(origin, origin.replace("_", " "))
