"""Times as a line of figures."""

from __future__ import annotations

import statistics


def line(name: str, seconds: list[float]) -> str:
    """Median, 95th percentile and worst, in milliseconds."""
    ordered = sorted(seconds)
    median = statistics.median(ordered) * 1000
    late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))] * 1000
    worst = ordered[-1] * 1000
    return f"{name:<58} {median:8.2f} {late:8.2f} {worst:8.2f}   n={len(ordered)}"


HEAD = f"{'milliseconds':<58} {'median':>8} {'p95':>8} {'worst':>8}"
