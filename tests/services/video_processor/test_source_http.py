"""Downloads over real sockets, from a server that misbehaves."""

from __future__ import annotations

import sys
import time

import pytest

from services.video_processor.engines.port import SourceSettings
from services.video_processor.engines.sources import source_for
from shared.errors import (
    BadInput,
    Cancelled,
    Conflict,
    Forbidden,
    MediaRejected,
    NotFound,
    OutOfSpace,
    Retryable,
    TooLarge,
    Unavailable,
)
from shared.progress.report import silent
from tests.services.video_processor.conftest import BODY, SHA256, SIZE

LIMIT = 10 * SIZE


@pytest.fixture
def fetch(files, tmp_path):
    def fetch(path="/v.mp4", *, max_bytes=LIMIT, report=silent, **settings):
        known = {"net_allow": ("127.0.0.1",), "stall_s": 2.0} | settings
        source = source_for(files.url, SourceSettings(uploads_root=tmp_path / "uploads", **known))
        url = path if "://" in path else files.url + path
        return source.fetch(url, tmp_path / "source.mp4", max_bytes=max_bytes, report=report)

    return fetch


def leftovers(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir())


def test_a_file_arrives_whole_with_its_digest_and_progress(files, fetch, tmp_path):
    seen = []
    info = fetch(
        report=lambda fraction, message="", **figures: seen.append((fraction, figures["bytes"]))
    )
    assert (tmp_path / "source.mp4").read_bytes() == BODY
    assert (info.bytes, info.sha256, info.resumed_from) == (SIZE, SHA256, 0)
    assert (info.content_type, info.etag) == ("video/mp4", '"v1"')
    assert seen[-1] == (1.0, SIZE)
    assert leftovers(tmp_path) == ["source.mp4"]


def test_five_cuts_are_continued_by_range(files, fetch, tmp_path):
    files.plan = ["cut"] * 5
    info = fetch()
    assert info.sha256 == SHA256
    starts = [int(headers.get("Range", "bytes=0-")[6:-1]) for _, headers in files.asked]
    assert len(starts) == 6
    assert starts == sorted(starts)
    assert starts[1] > 0
    assert {headers.get("If-Range") for _, headers in files.asked[1:]} == {'"v1"'}


def test_a_later_call_continues_where_the_last_one_gave_up(files, fetch):
    files.plan = ["cut", 503]
    with pytest.raises(Retryable):
        fetch()
    info = fetch()
    assert info.sha256 == SHA256
    assert info.resumed_from > 50_000
    assert files.asked[-1][1]["Range"] == f"bytes={info.resumed_from}-"


def test_too_many_cuts_end_as_retryable(files, fetch):
    files.plan = ["cut"] * 3
    with pytest.raises(Unavailable, match="broke"):
        fetch(resumes=2)
    assert len(files.asked) == 3


def test_a_changed_file_is_fetched_from_its_start(files, fetch, tmp_path):
    files.plan = ["cut", 503]
    with pytest.raises(Retryable):
        fetch()
    files.headers, files.body = {"ETag": '"v2"'}, BODY[::-1]
    info = fetch()
    assert info.resumed_from == 0
    assert (tmp_path / "source.mp4").read_bytes() == BODY[::-1]


def test_a_file_that_became_shorter_than_the_part_is_fetched_again(files, fetch, tmp_path):
    files.plan = ["cut", 503]
    with pytest.raises(Retryable):
        fetch()
    files.body = BODY[:1000]  # the same tag, wrongly: the server answers 416
    with pytest.raises(Retryable):
        fetch()
    assert fetch().bytes == 1000


def test_a_file_without_tag_or_date_is_not_continued_blindly(files, fetch):
    files.headers, files.plan = {}, ["cut"]
    with pytest.raises(Unavailable):
        fetch()
    info = fetch()
    assert (info.sha256, info.resumed_from) == (SHA256, 0)
    assert "Range" not in files.asked[-1][1]


def test_a_date_serves_where_the_tag_is_weak(files, fetch):
    files.headers = {"ETag": 'W/"v1"', "Last-Modified": "Tue, 01 Apr 2025 10:00:00 GMT"}
    files.plan = ["cut"]
    assert fetch().sha256 == SHA256
    assert files.asked[1][1]["If-Range"] == "Tue, 01 Apr 2025 10:00:00 GMT"


def test_a_part_that_is_already_whole_is_only_renamed(files, fetch, tmp_path):
    class KilledError(Exception):
        pass

    def dies_at_the_end(fraction, message="", **figures):
        if fraction == 1.0:
            raise KilledError

    with pytest.raises(KilledError):
        fetch(report=dies_at_the_end)
    info = fetch()
    assert (info.sha256, info.resumed_from) == (SHA256, SIZE)
    assert len(files.asked) == 1
    assert leftovers(tmp_path) == ["source.mp4"]


def test_the_part_of_another_address_is_not_used(files, fetch):
    files.plan = ["cut", 503]
    with pytest.raises(Retryable):
        fetch("/a.mp4")
    assert fetch("/b.mp4").resumed_from == 0


def test_a_stall_ends_soon_and_says_so(files, fetch):
    files.plan = ["stall"]
    started = time.monotonic()
    with pytest.raises(Unavailable, match="no byte arrived"):
        fetch(stall_s=0.3)
    assert time.monotonic() - started < 3
    files.released.set()
    assert fetch().resumed_from == 1000


def test_cancel_stops_the_download_and_keeps_the_part(files, fetch, tmp_path):
    def cancelled(fraction, message="", **figures):
        raise Cancelled("The user cancelled the task.")

    with pytest.raises(Cancelled):
        fetch(report=cancelled)
    assert leftovers(tmp_path) == ["source.mp4.part", "source.mp4.part.json"]
    assert fetch().resumed_from > 0


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (404, NotFound, "does not exist"), (410, NotFound, "does not exist"),
        (401, Forbidden, "does not let us in"), (403, Forbidden, "signed link"),
        (400, BadInput, "HTTP 400"), (500, Retryable, "broken just now"), (429, Retryable, "busy"),
    ],
)  # fmt: skip
def test_a_status_becomes_a_sentence_without_the_signature(files, fetch, status, error, words):
    files.plan = [status]
    with pytest.raises(error, match=words) as caught:
        fetch("/v.mp4?signature=topsecret")
    assert "topsecret" not in str(caught.value)


@pytest.mark.parametrize("value", ["7", "date"])
def test_the_server_names_the_wait(files, fetch, value):
    if value == "date":
        value = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 8))
    files.plan, files.extra = [503], {"Retry-After": value}
    with pytest.raises(Retryable) as caught:
        fetch()
    assert 5 <= caught.value.retry_after_s <= 8
    assert fetch().sha256 == SHA256


def test_an_announced_size_over_the_limit_is_refused_before_the_first_byte(files, fetch, tmp_path):
    files.announced = 10**15
    seen = []
    with pytest.raises(TooLarge, match="1,000,000 bytes"):
        fetch(max_bytes=1_000_000, report=lambda *a, **k: seen.append(a))
    assert seen == []
    assert leftovers(tmp_path) == []


def test_more_than_the_disk_holds_is_refused_before_the_first_byte(files, fetch):
    files.announced = 10**15
    with pytest.raises(OutOfSpace, match="Free some space"):
        fetch(max_bytes=10**16)


def test_a_size_that_was_not_announced_is_cut_at_the_limit(files, fetch, tmp_path):
    files.announced = "nothing"
    assert fetch(max_bytes=SIZE).sha256 == SHA256
    (tmp_path / "source.mp4").unlink()
    with pytest.raises(TooLarge):
        fetch(max_bytes=SIZE - 1)
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is a Linux device")
def test_a_full_disk_is_named(files, fetch, tmp_path):
    (tmp_path / "source.mp4.part").symlink_to("/dev/full")
    with pytest.raises(OutOfSpace, match=r"The disk is full while writing source\.mp4"):
        fetch()


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_is_no_video(files, fetch, kind):
    files.content_type, files.body = kind, b"\n<!DOCTYPE html><html><body>Sign in</body></html>"
    with pytest.raises(MediaRejected, match="web page"):
        fetch()


def test_a_packed_answer_is_refused(files, fetch):
    files.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(MediaRejected, match="gzip"):
        fetch()


def test_a_redirect_is_followed(files, fetch):
    files.location = "/other.mp4"
    assert fetch("/redirect").sha256 == SHA256


def test_a_redirect_to_a_private_address_is_blocked(files, fetch):
    files.location = f"http://127.0.0.2:{files.server_address[1]}/v.mp4"
    with pytest.raises(Forbidden, match="private or reserved"):
        fetch("/redirect")
    assert len(files.asked) == 1


def test_a_private_address_is_blocked_by_default(files, fetch):
    with pytest.raises(Forbidden):
        fetch(net_allow=())
    assert files.asked == []


def test_a_circle_of_redirects_is_named(fetch):
    with pytest.raises(Conflict, match="circle"):
        fetch("/circle")


def test_an_unknown_scheme_lists_the_known_ones(tmp_path):
    with pytest.raises(BadInput, match=r"ftp://.*https://.*s3://"):
        source_for("ftp://example.org/v.mp4", SourceSettings(uploads_root=tmp_path))


def test_two_workers_do_not_write_one_part(files, fetch, tmp_path):
    problems = []

    def second_call(fraction, message="", **figures):
        if not problems:
            with pytest.raises(Retryable, match="another worker") as caught:
                fetch()
            problems.append(caught.value)

    assert fetch(report=second_call).sha256 == SHA256
    assert len(problems) == 1
