"""The committed JSON Schema is the present one."""

from __future__ import annotations

import json

from responder.playbook.schema import schema
from tests.service import PLAYBOOKS


def test_the_committed_schema_is_current() -> None:
    committed = json.loads((PLAYBOOKS / "playbook.schema.json").read_text())
    assert committed == schema(), "run: responder schema > playbooks/playbook.schema.json"
