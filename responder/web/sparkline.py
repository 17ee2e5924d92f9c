"""The geometry of a small line chart, as text for the attributes of an SVG. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

WIDTH, HEIGHT = 300, 56  # units of the SVG's own, stretched to whatever there is room for
EDGE = 5  # above and below, so that no line is cut
GAP = 8  # stretches with nothing measured after which a line is not drawn on
USUAL = 2  # unless values come that seldom: times what lies between two of them as a rule


@dataclass(frozen=True, slots=True)
class Sparkline:
    """Path data: the `line`, `dots` where it has no neighbours, its `last`; the target's y."""

    line: str
    dots: str
    last: str
    target: float


def draw(
    points: Sequence[tuple[datetime, float]],
    target: float,
    *,
    end: datetime,
    span: timedelta,
    each: timedelta,
) -> Sparkline:
    """Draw values, the oldest first, over the time `span` up to `end`.

    Args:
        target: is in the picture too, wherever the values are.
        each: what one point stands for.
    """
    values = [value for _, value in points]
    low, high = min([target, *values]), max([target, *values])
    room = (high - low) or 1.0

    def y(value: float) -> float:
        return round(HEIGHT - EDGE - (value - low) / room * (HEIGHT - 2 * EDGE), 1)

    def x(at: datetime) -> float:
        share = 1 - (end - at) / span
        return round(min(max(share, 0.0), 1.0) * (WIDTH - 2 * EDGE) + EDGE, 1)

    between = [later - earlier for (earlier, _), (later, _) in pairwise(points)]
    usual = sorted(between)[len(between) // 2] if between else each
    longest = max(GAP * each, USUAL * usual)
    line, dots = [], []
    for position, (at, value) in enumerate(points):
        place = f"{x(at):g} {y(value):g}"
        joins = position > 0 and between[position - 1] <= longest
        goes_on = position < len(between) and between[position] <= longest
        if joins or goes_on:
            line.append(f"{'L' if joins else 'M'}{place}")
        else:
            dots.append(f"M{place}h0")  # with round caps, a dot
    last = f"M{x(points[-1][0]):g} {y(points[-1][1]):g}h0" if points else ""
    return Sparkline("".join(line), "".join(dots), last, y(target))
