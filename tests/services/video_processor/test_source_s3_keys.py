"""The keys for users' sources come from the settings, and the server really checks them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from services.video_processor.engines.sources import source_for
from services.video_processor.tasks import _source_settings
from shared.errors import Forbidden
from shared.progress.report import silent
from shared.settings import Settings
from shared.storage.files import FileStorage
from tests.servers.s3 import S3Server


def test_the_keys_of_the_settings_open_the_bucket(
    s3_server: S3Server, s3_bucket: str, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    s3_server.client().put_object(Bucket=s3_bucket, Key="day 1/clip.mp4", Body=b"film")

    def fetched(secret: str) -> bytes:
        monkeypatch.setenv("ACTVERSE_NETWORK__S3_BUCKETS", f'["{s3_bucket}"]')
        monkeypatch.setenv("ACTVERSE_NETWORK__S3_ENDPOINT", s3_server.url)
        monkeypatch.setenv("ACTVERSE_NETWORK__S3_REGION", s3_server.region)
        monkeypatch.setenv("ACTVERSE_NETWORK__S3_ACCESS_KEY", s3_server.access_key)
        monkeypatch.setenv("ACTVERSE_NETWORK__S3_SECRET_KEY", secret)
        platform = SimpleNamespace(settings=Settings(), storage=FileStorage(tmp_path))
        settings = _source_settings(SimpleNamespace(platform=platform))
        assert secret not in repr(settings)
        url, target = f"s3://{s3_bucket}/day 1/clip.mp4", tmp_path / "source.mp4"
        source_for(url, settings).fetch(url, target, max_bytes=10**6, report=silent)
        return target.read_bytes()

    assert fetched(s3_server.secret_key) == b"film"
    with pytest.raises(Forbidden, match="may not be read") as raised:
        fetched("another-secret")
    assert "another-secret" not in str(raised.value)
