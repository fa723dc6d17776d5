"""The tests of data sets, imported labels and CVAT's engine once more, on PostgreSQL and S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.labeling_manager.engines.cvat import CvatEngine
from tests.contracts.labeling import LabelingContract
from tests.servers.learning import on_s3, on_servers
from tests.servers.postgres import Postgres
from tests.servers.s3 import S3Server
from tests.services.labeling_manager.conftest import platform
from tests.services.labeling_manager.cvat_server import TOKEN, CvatServer
from tests.services.labeling_manager.test_cvat import annotate, server  # noqa: F401 - fixtures
from tests.services.labeling_manager.test_imports import *  # noqa: F403
from tests.services.model_deployer.test_tracking import *  # noqa: F403
from tests.services.model_trainer.test_dataset_versions import *  # noqa: F403
from tests.shared.web.conftest import bob  # noqa: F401 - fixtures
from tests.shared.web.door import Door

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def door(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, s3_server: S3Server
) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("data")
    with Door.opened(folder, **on_servers(postgres, s3_server)) as opened:
        yield opened


class TestCvatOnS3(LabelingContract):
    """Two instances share nothing but the bucket: each has a folder of its own."""

    @pytest.fixture
    def make_engine(
        self,
        tmp_path: Path,
        server: CvatServer,  # noqa: F811 - the fixture
        s3_server: S3Server,
    ) -> Callable[..., CvatEngine]:
        stored, folders = on_s3(s3_server), iter(range(9))

        def make(**more: Any) -> CvatEngine:
            chosen = {"cvat_url": server.url, "cvat_token": SecretStr(TOKEN), "cvat_job_frames": 1}
            chosen["cvat_organisation"] = "lab"
            data = tmp_path / f"data-{next(folders)}"
            return CvatEngine.from_platform(platform(data, stored=stored, **chosen, **more))

        return make

    @pytest.fixture
    def engine(self, make_engine: Callable[..., CvatEngine]) -> CvatEngine:
        return make_engine()
