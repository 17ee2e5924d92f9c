"""A running service for the pages' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.site import Site


@pytest.fixture(scope="session")
def quiet_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The service with nothing in it but people, shared by tests that leave it so."""
    with Site(f"sqlite:///{tmp_path_factory.mktemp('quiet') / 'responder.db'}") as running:
        yield running


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The service on SQLite, with the shipped playbooks and no database of the app."""
    with Site(f"sqlite:///{tmp_path / 'responder.db'}") as running:
        yield running
