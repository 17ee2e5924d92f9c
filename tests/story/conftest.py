"""The shipped playbooks with an HTTP switch, whose log tells what was really done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import PLAYBOOKS
from tests.stand_ins.process import SwitchStandIn

SWITCHES = """
switches:
  credit-transactions:
    title: Credit transactions
    driver: http
    url: {url}/switches/credit-transactions
"""


@pytest.fixture(scope="session")
def one_switch() -> Iterator[SwitchStandIn]:
    """The app's HTTP switch, started once."""
    with SwitchStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def switch(one_switch: SwitchStandIn) -> SwitchStandIn:
    """The app's HTTP switch, running, with an empty log."""
    one_switch.control(reset="yes")
    return one_switch


@pytest.fixture
def playbooks(tmp_path: Path, switch: SwitchStandIn) -> Path:
    """The shipped folder, with the switch an HTTP endpoint that keeps a log of what it did."""
    folder = tmp_path / "playbooks"
    shutil.copytree(PLAYBOOKS, folder)
    (folder / "switches.yaml").write_text(SWITCHES.format(url=switch.url))
    return folder
