"""`make bench`: print every figure that docs/performance.md quotes."""

from __future__ import annotations

from bench import containment, store_drivers

for part in (containment, store_drivers):
    part.main()
