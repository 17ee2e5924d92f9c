"""When a count of alerts is too high. Counts are kept by the minute, so windows are whole ones."""

from __future__ import annotations

from datetime import UTC, datetime

from responder.classify.areas import Threshold


def breached(threshold: Threshold, count: int, attempts: int | None = None) -> bool:
    """Whether a window's count is over the threshold; exactly on it is not.

    Args:
        count: alerts in the threshold's window, the newest included.
        attempts: how often it was tried in that window, failures included. A failure rate
            is never breached while this is unknown or below the threshold's `at_least`.
    """
    if threshold.failure_rate is not None:
        if not attempts or attempts < threshold.at_least:
            return False
        return count * 100 > threshold.failure_rate * attempts
    return threshold.any or count > (threshold.more_than or 0)


def minute(at: datetime) -> datetime:
    """The UTC minute a moment falls in."""
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def window_start(threshold: Threshold, now: datetime) -> datetime:
    """The minute before the window: minutes later than this one are in it, up to now's own.

    An hour's window is thus sixty minutes to add up, the running one included.
    """
    return minute(now) - threshold.per
