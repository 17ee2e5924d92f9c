"""Payloads as Sentry sends them, written by hand in Kulti's shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from responder.receive.alert import Alert
from responder.receive.sentry import SentrySource

FOLDER = Path(__file__).parents[1] / "samples" / "sentry"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
SOURCE = SentrySource()


def body(name: str) -> bytes:
    return (FOLDER / f"{name}.json").read_bytes()


def payload(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(body(name))
    return content


def resource(name: str) -> str:
    """What the header says with this sample: the file's name up to the first dot."""
    return "preprod_artifact" if name == "unknown" else name.partition(".")[0]


def alert(name: str) -> Alert:
    return SOURCE.normalise(resource(name), payload(name))
