"""`make bench`: print every figure that docs/performance.md quotes."""

from __future__ import annotations

from bench import backtest, containment, store_drivers, storm

for part in (containment, storm, backtest, store_drivers):
    part.main()
