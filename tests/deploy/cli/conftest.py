from __future__ import annotations

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from deploy.cli.main import app
from tests.shared.web.door import Door


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data")) as opened:
        yield opened


@pytest.fixture
def actverse(door: Door, monkeypatch: pytest.MonkeyPatch):
    """Runs a verb against the door; `Result` has its exit code and what it printed."""
    monkeypatch.setenv("ACTVERSE_URL", door.url)
    monkeypatch.setenv("ACTVERSE_API_KEY", door.key)
    monkeypatch.setenv("ACTVERSE_DATA_DIR", str(door.platform.settings.data_dir))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments)

    return run
