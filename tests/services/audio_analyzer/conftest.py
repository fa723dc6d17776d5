"""A catalogue on SQLite; `test_on_postgres` runs what matters there on the other database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.audio_analyzer.shelf import Shelf


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with Shelf.opened(tmp_path_factory.mktemp("data")) as opened:
        yield opened
