"""One mesh asks another once more: the asker on RabbitMQ, PostgreSQL, Redis and S3, whose links carry the audio."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.learning import on_s3
from tests.servers.ports import free_port
from tests.servers.s3 import S3Server
from tests.servers.worlds import settings_of
from tests.services.audio_analyzer.meshes import mesh_at
from tests.services.audio_analyzer.test_two_meshes import (
    Pair,
    test_a_recording_is_compared_by_another_mesh,
    test_what_the_server_cannot_read_is_told_in_the_readers_language,
)

pytestmark = pytest.mark.slow  # the way is the same; only who stores and carries is another
__all__ = [
    "test_a_recording_is_compared_by_another_mesh",
    "test_what_the_server_cannot_read_is_told_in_the_readers_language",
]


@pytest.fixture(scope="module")
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server
) -> Iterator[Pair]:
    folder, port = tmp_path_factory.mktemp("pair"), free_port()
    with mesh_at(folder / "server", network={"allow": ["127.0.0.1/32"]}) as server:
        settings = {
            **settings_of("servers", request),
            **on_s3(s3_server),
            "gateway": {"port": port, "public_url": f"http://127.0.0.1:{port}"},
            "speech": {
                "analysis_server": server.door.url,
                "analysis_key": server.door.key_of("another mesh"),
                "link_secret": "the same for gateways and workers",
            },
        }
        with mesh_at(folder / "asker", **settings) as asker:
            yield Pair(asker, server)
