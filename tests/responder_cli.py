"""Running the command line as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def responder(
    *arguments: str, cwd: Path = ROOT, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """`responder …` with only these settings in its environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RESPONDER_")}
    kept.pop("KULTI_DATABASE_URL", None)
    return subprocess.run(
        [sys.executable, "-m", "responder", *arguments],
        cwd=cwd,
        env=kept | environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
