"""How bad it is."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """Worst first. Compare by `rank`: as strings they would sort by the alphabet."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """The higher, the worse."""
        return len(Severity) - list(Severity).index(self)
