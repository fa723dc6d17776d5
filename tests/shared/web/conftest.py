from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.shared.web.door import Door


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(
        tmp_path_factory.mktemp("data"),
        gateway={"allowed_origins": ["https://lab.example"], "max_upload_bytes": 2 * 1024**2},
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def admin(door: Door) -> Iterator[httpx.Client]:
    with door.client() as client:
        yield client


@pytest.fixture(scope="module")
def ann(door: Door) -> Iterator[httpx.Client]:
    with door.client("ann") as client:
        yield client


@pytest.fixture(scope="module")
def bob(door: Door) -> Iterator[httpx.Client]:
    with door.client("bob") as client:
        yield client
