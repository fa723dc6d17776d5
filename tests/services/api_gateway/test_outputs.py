"""Result files: whole, in ranges, or only their headers."""

from __future__ import annotations

import pytest

from shared.db.models import Output
from tests.shared.web.door import Door

CONTENT = bytes(range(256)) * 400


@pytest.fixture(scope="module")
def output(door: Door) -> str:
    """The address of a result of Ann's."""
    task_id = door.submit("ann")
    for name, kind in (
        ("overlaid_results.mp4", "video/mp4"),
        ("chunks/result_chunk_1.json", "x/y"),
    ):
        stored = door.platform.storage.keep(
            door.keep(f"inference_results/{task_id}/{name}", CONTENT)
        )
        with door.platform.sessions.begin() as session:
            session.add(
                Output(
                    task_id=task_id,
                    name=name,
                    key=stored.key,
                    uri=stored.uri,
                    bytes=stored.bytes,
                    sha256=stored.sha256,
                    content_type=kind,
                )
            )
    return f"/tasks/{task_id}/outputs/overlaid_results.mp4"


def test_a_result_is_listed_with_its_link(ann, output) -> None:
    task = ann.get(output.rpartition("/outputs/")[0]).json()
    assert [o["name"] for o in task["outputs"]] == [
        "chunks/result_chunk_1.json",
        "overlaid_results.mp4",
    ]
    for shown in task["outputs"]:
        assert ann.get(shown["url"]).content == CONTENT


def test_head_tells_what_get_would(ann, output) -> None:
    head, get = ann.head(output), ann.get(output)
    assert head.content == b""
    for name in ("content-length", "content-type", "etag", "accept-ranges"):
        assert head.headers[name] == get.headers[name]
    assert get.headers["content-type"] == "video/mp4"
    assert get.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("bytes=0-99", (0, 100)),
        ("bytes=1000-", (1000, None)),
        ("bytes=-10", (-10, None)),
        ("bytes=102399-999999", (102399, None)),
    ],
)
def test_a_range_is_honoured(ann, output, asked, given) -> None:
    answer = ann.get(output, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == CONTENT[slice(*given)]
    assert answer.headers["content-range"].endswith(f"/{len(CONTENT)}")


def test_a_range_of_another_file_gives_the_whole(ann, output) -> None:
    headers = {"Range": "bytes=0-9", "If-Range": '"another"'}
    assert ann.get(output, headers=headers).content == CONTENT
    etag = ann.head(output).headers["etag"]
    assert ann.get(output, headers=headers | {"If-Range": etag}).status_code == 206


def test_a_range_beyond_the_end_is_refused(ann, output) -> None:
    asked = f"bytes={len(CONTENT)}-"
    answer = ann.get(output, headers={"Range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (416, "RangeNotSatisfiable")
    assert asked in problem["detail"]
    assert f"{len(CONTENT)} bytes" in problem["detail"]
    assert problem["instance"] == output
    korean = ann.get(output, headers={"Range": asked, "Accept-Language": "ko"})
    assert korean.json()["title"] == "제공할 수 없는 범위"
    assert korean.headers["content-language"] == "ko"
    assert ann.head(output, headers={"Range": asked}).headers["content-range"] == (
        f"bytes */{len(CONTENT)}"
    )


@pytest.mark.parametrize(
    "asked", ["bytes=a-b", "lines=1-2", "bytes=9-1", "b" * 5000], ids=lambda asked: asked[:9]
)
def test_a_range_that_nobody_can_read_is_refused(ann, output, asked) -> None:
    answer = ann.get(output, headers={"Range": asked})
    assert answer.status_code == answer.json()["status"] == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert "bytes=0-1023" in answer.json()["detail"]
    assert len(answer.content) < 600


@pytest.mark.parametrize(
    "name", ["nothing.csv", "../../api_key", "%2e%2e/%2e%2e/api_key", "chunks"]
)
def test_what_is_no_result_is_not_found(ann, output, name) -> None:
    answer = ann.get(f"{output.rpartition('/')[0]}/{name}")
    assert answer.status_code == 404


def test_a_result_whose_file_is_gone_says_so(door, ann) -> None:
    task_id = door.submit("ann")
    with door.platform.sessions.begin() as session:
        session.add(
            Output(
                task_id=task_id,
                name="results.csv",
                key=f"inference_results/{task_id}/results.csv",
                uri="file:///x",
                bytes=1,
                sha256="0" * 64,
                content_type="text/csv",
            )
        )
    answer = ann.get(f"/tasks/{task_id}/outputs/results.csv")
    assert answer.status_code == 404
    assert "deleted" in answer.json()["detail"]
