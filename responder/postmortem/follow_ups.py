"""What a post-mortem asks to be done. Pure."""

from __future__ import annotations

import re

_OPEN = re.compile(r" {0,8}[-*+] \[ \] +(\S.*)")


def unfinished(body: str) -> list[str]:
    """The tasks of its Markdown that nobody has ticked, without their boxes."""
    return [found[1].rstrip() for line in body.splitlines() if (found := _OPEN.fullmatch(line))]
