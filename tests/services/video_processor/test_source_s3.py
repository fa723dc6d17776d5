"""S3 through moto's server: real HTTP, unit speed."""

from __future__ import annotations

import hashlib
import os
import random
import re

import boto3
import pytest
from botocore.response import StreamingBody
from moto.server import ThreadedMotoServer

from services.video_processor.engines.port import SourceSettings
from services.video_processor.engines.sources import source_for
from shared.errors import BadInput, Cancelled, Forbidden, NotFound, Retryable, TooLarge, Unavailable
from shared.progress.report import silent

DATA = random.Random(9).randbytes(5_000_003)
SHA256 = hashlib.sha256(DATA).hexdigest()
URL = "s3://films/day 1/clip.mp4"


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint):
    bucket = boto3.resource(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    ).Bucket("films")  # fmt: skip
    bucket.create()
    bucket.put_object(Key="day 1/clip.mp4", Body=DATA, ContentType="video/mp4")
    yield bucket
    bucket.objects.delete()
    bucket.delete()


@pytest.fixture
def fetch(endpoint, tmp_path):
    def fetch(url=URL, *, max_bytes=10**9, report=silent, **settings):
        known = {
            "s3_buckets": ("films", "missing"), "s3_endpoint": endpoint, "s3_region": "us-east-1",
            "s3_access_key": "a", "s3_secret_key": "b", "stall_s": 5.0, "connect_s": 1.0,
        } | settings  # fmt: skip
        source = source_for(url, SourceSettings(uploads_root=tmp_path, **known))
        return source.fetch(url, tmp_path / "source.mp4", max_bytes=max_bytes, report=report)

    return fetch


def test_an_object_arrives_whole(bucket, fetch, tmp_path):
    seen = []
    info = fetch(report=lambda fraction, message="", **figures: seen.append(fraction))
    assert (info.bytes, info.sha256, info.resumed_from) == (len(DATA), SHA256, 0)
    assert info.content_type == "video/mp4"
    assert (tmp_path / "source.mp4").read_bytes() == DATA
    assert len(seen) >= 5
    assert seen[-1] == 1.0


def stop_after(pieces):
    seen = []

    def report(fraction, message="", **figures):
        seen.append(fraction)
        if len(seen) == pieces:
            raise Cancelled("The user cancelled the task.")

    return report


def test_a_second_call_continues(bucket, fetch):
    with pytest.raises(Cancelled):
        fetch(report=stop_after(2))
    info = fetch()
    assert info.sha256 == SHA256
    assert info.resumed_from == 2 << 20


def test_a_replaced_object_is_fetched_from_its_start(bucket, fetch):
    with pytest.raises(Cancelled):
        fetch(report=stop_after(2))
    bucket.put_object(Key="day 1/clip.mp4", Body=DATA[::-1])
    info = fetch()
    assert (info.sha256, info.resumed_from) == (hashlib.sha256(DATA[::-1]).hexdigest(), 0)


def test_a_broken_stream_is_continued_in_the_same_call(bucket, fetch, monkeypatch):
    """The connection is really closed in the middle; what follows is botocore's own reaction."""
    real, broken = StreamingBody.read, []

    def closes_once(self, amt=None):
        if len(broken) < 3 and self._amount_read > 1 << 20:
            broken.append(self._amount_read)
            self._raw_stream.close()
            raise ConnectionResetError("cut")
        return real(self, amt)

    monkeypatch.setattr(StreamingBody, "read", closes_once)
    assert fetch().sha256 == SHA256
    assert len(broken) >= 1


def test_an_object_over_the_limit_is_refused_at_once(bucket, fetch, tmp_path):
    with pytest.raises(TooLarge):
        fetch(max_bytes=1000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["s3://films/nothing.mp4", "s3://missing/clip.mp4"])
def test_what_is_not_there_says_so(bucket, fetch, url):
    with pytest.raises(NotFound, match=re.escape(url)):
        fetch(url)


def test_a_bucket_that_is_not_open_is_refused(bucket, fetch):
    with pytest.raises(Forbidden, match="not open"):
        fetch(s3_buckets=())
    assert fetch(s3_buckets=("*",)).sha256 == SHA256


@pytest.mark.parametrize("url", ["s3://films", "s3://films/", "s3:///key", "s3://UP_per/x"])
def test_a_wrong_address_says_how_to_write_it(fetch, url):
    with pytest.raises(BadInput, match="s3://bucket/path"):
        fetch(url, s3_buckets=("*",))


def test_nobody_there_is_worth_another_try(fetch):
    with pytest.raises(Unavailable):
        fetch(s3_endpoint="http://127.0.0.1:1")


def test_no_key_is_named(fetch, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(Forbidden, match="access key"):
        fetch(s3_access_key=None, s3_secret_key=None)


def test_an_object_replaced_during_the_transfer_is_not_mixed(bucket, fetch, monkeypatch):
    real, done = StreamingBody.read, []

    def replaced(self, amt=None):
        if not done and self._amount_read > 1 << 20:
            done.append(True)
            bucket.put_object(Key="day 1/clip.mp4", Body=DATA[::-1])
            raise ConnectionResetError("cut")
        return real(self, amt)

    monkeypatch.setattr(StreamingBody, "read", replaced)
    with pytest.raises(Retryable, match="replaced"):
        fetch()
    assert fetch().sha256 == hashlib.sha256(DATA[::-1]).hexdigest()
