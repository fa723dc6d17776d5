"""Real workers over a broker file, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shared.bus.sqlite_mesh import Mesh


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """One worker with one slot, for the tests that leave it alive; each uses words of its own."""
    made = Mesh(tmp_path_factory.mktemp("steady"))
    made.start()
    yield made
    made.close()


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    made = Mesh(tmp_path)
    yield made
    made.close()
