"""Files that are no good videos: what their sender reads, and that nothing else suffers."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.cli.client import Client
from deploy.local.mesh import Mesh
from shared.web.uploads import GATHERED_BYTES
from tests.services.video_processor.films import film, tone
from tests.stack.conftest import data_dir
from tests.stack.person import Person

pytestmark = pytest.mark.usefixtures("still_serves")


def text(path: Path) -> None:
    path.write_text("frame,x,y\n" * 100)


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(255, 0, -1)) * 64)


def picture(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))


def playlist(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXTINF:9\n/etc/passwd\n")


def without_index(path: Path) -> None:
    film(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def cut_off(path: Path) -> None:
    film(path, frames=60, container_options={"movflags": "+faststart"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def sound(path: Path) -> None:
    tone(path, codec="aac")


def no_frames(path: Path) -> None:
    film(path, frames=0)


def too_small(path: Path) -> None:
    film(path, frames=5, size=(8, 8))


BAD = [
    ("text.mp4", text, ("text.mp4 is text, not a video",)),
    ("noise.mp4", noise, ("noise.mp4 is not a video", "Convert it to mp4 (H.264)")),
    ("picture.mp4", picture, ("picture.mp4 is a picture, not a video",)),
    ("list.mp4", playlist, ("list.mp4 is a playlist", "send that")),
    ("no index.mp4", without_index, ("no_index.mp4 is cut off", "index", "send the file again")),
    ("cut.mp4", cut_off, ("cut.mp4 is damaged or cut off", "of 60 frames", "Send the file again")),
    ("sound.mp4", sound, ("sound.mp4 holds only sound", "Send the video file itself")),
    ("nothing.mp4", no_frames, ("nothing.mp4 holds no video stream",)),
    ("nothing.avi", no_frames, ("nothing.avi announces a video but holds no frame",)),
    ("small.mp4", too_small, ("small.mp4 has 8x8 pixels", "at least")),
]


@pytest.mark.parametrize(("name", "make", "words"), BAD, ids=[name for name, *_ in BAD])
def test_a_task_on_a_bad_file_says_what_is_wrong_with_it(
    person: Person,
    tmp_path: Path,
    name: str,
    make: Callable[[Path], None],
    words: tuple[str, ...],
) -> None:
    make(tmp_path / name)
    task_id = person.submit(person.uploaded(tmp_path / name))
    person.failed(task_id, "video_processing", "MediaRejected", *words)


def test_a_single_step_says_the_same_with_its_status(person: Person, tmp_path: Path) -> None:
    sound(tmp_path / "sound.mp4")
    wish = {"file_path": person.uploaded(tmp_path / "sound.mp4")}
    person.post("/video/download", wish, wait_s=30).refused(415, "sound.mp4 holds only sound")


def test_the_live_events_say_it_too(person: Person, client: Client, tmp_path: Path) -> None:
    text(tmp_path / "text.mp4")
    task_id = person.submit(person.uploaded(tmp_path / "text.mp4"))
    told = {name: data for name, data in client.events(task_id) if data.get("state") == "FAILED"}
    assert told["step"]["step"] == told["task"]["failed_step"] == "video_processing"
    assert "text.mp4 is text" in told["step"]["message"]
    assert told["task"]["message"] == told["step"]["message"]


def test_a_file_that_lost_only_its_last_frames_is_used(person: Person, tmp_path: Path) -> None:
    film(tmp_path / "whole.mp4", frames=60, container_options={"movflags": "+faststart"})
    whole = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "almost.mp4").write_bytes(whole[:-100])
    assert person.fetched(tmp_path / "almost.mp4")


UPLOADS = [
    (b"", "film.mp4", "video/mp4", 400, ("film.mp4 is empty",)),
    (b"<!doctype html><title>Log in</title>", "film.mp4", "video/mp4", 415, ("an HTML page",)),
    (b"%PDF-1.7 ...", "paper.mp4", "video/mp4", 415, ("a PDF document", "one media file")),
    (b"PK\x03\x04....", "films.mp4", "video/mp4", 415, ("a zip archive",)),
    (b"\x89PNG....", "frame.png", "image/png", 415, ("declared as image/png",)),
]


@pytest.mark.parametrize(("content", "name", "kind", "status", "words"), UPLOADS)
def test_an_upload_that_cannot_be_a_video_is_refused_at_once(
    person: Person, content: bytes, name: str, kind: str, status: int, words: tuple[str, ...]
) -> None:
    before = kept()
    person.send(content, name, kind).refused(status, *words)
    assert kept() == before


def test_an_upload_keeps_to_its_folder_whatever_its_name(person: Person, tmp_path: Path) -> None:
    content = film(tmp_path / "film.mp4").read_bytes()
    for name, kept_as in (("../../../evil.mp4", "evil.mp4"), ("C:\\evil.mp4", "evil.mp4")):
        path = person.send(content, name).given(201)["file_path"]
        assert path.endswith(f"/{kept_as}")
        assert (data_dir() / "uploads" / path.removeprefix("upload://")).is_file()


def test_frames_are_taken_from_an_upload_but_not_from_a_link(
    person: Person, tmp_path: Path
) -> None:
    wish = {"file_path": person.uploaded(film(tmp_path / "film.mp4")), "num_frames": 3}
    assert person.post("/video/extract-frames", wish, wait_s=30).given()["frames"] == 3
    wish["file_path"] = "https://example.org/film.mp4?token=s3cret"
    answer = person.post("/video/extract-frames", wish)
    assert "s3cret" not in answer.refused(400, "is not stored here", "POST /video/download").told


def test_what_is_no_form_is_refused(person: Person) -> None:
    raw = {"content": b"\x00\x00\x00\x18ftyp", "headers": {"Content-Type": "video/mp4"}}
    answer = person.ask("POST", "/uploads/", **raw)
    answer.refused(415, "sent as video/mp4", "multipart/form-data", "'file'")
    answer = person.ask("POST", "/uploads/", files={"video": ("film.mp4", b"x", "video/mp4")})
    answer.refused(400, "no part named 'file'")


def test_a_file_over_the_limit_is_refused_announced_or_not(person: Person) -> None:
    before = kept()
    too_much = bytes(66 * 1024**2)
    person.send(too_much).refused(413, "larger than 64 MB", "shorter or smaller")

    def unannounced():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="film.mp4"\r\n\r\n'
        for start in range(0, len(too_much), 1024**2):
            yield too_much[start : start + 1024**2]

    form = {
        "content": unannounced(),
        "headers": {"Content-Type": "multipart/form-data; boundary=b"},
    }
    person.ask("POST", "/uploads/", **form).refused(413, "larger than 64 MB")
    assert kept() == before


def test_an_upload_that_breaks_off_leaves_nothing(mesh: Mesh, person: Person) -> None:
    before = kept()
    head = (
        f"POST /uploads/ HTTP/1.1\r\nHost: x\r\nX-API-Key: {mesh.key}\r\nContent-Length: 10000000\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="film.mp4"\r\n\r\nabc'
    )
    with socket.create_connection(("127.0.0.1", mesh.port)) as line:
        line.sendall(head.encode())
        line.sendall(b"x" * 2 * GATHERED_BYTES)  # enough to be written before the rest
        wait_until(lambda: kept() != before)
    wait_until(lambda: kept() == before)


def kept() -> set[str]:
    """The folders of uploads that there are."""
    return {path.name for path in (data_dir() / "uploads").glob("*")}


def wait_until(true: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(200):
        if true():
            return
        waiting.wait(0.05)
    raise AssertionError("it did not come to that within 10 s")


def test_a_second_task_copies_the_upload_so_that_neither_needs_it(
    person: Person, tmp_path: Path
) -> None:
    film(tmp_path / "film.mp4")
    upload = person.uploaded(tmp_path / "film.mp4")
    one, two = (
        person.post("/video/download", {"file_path": upload}, wait_s=30).given() for _ in "12"
    )
    shutil.rmtree(data_dir() / "uploads" / upload.split("/")[2])
    for done in (one, two):
        wish = {"file_path": done["download_path"], "num_frames": 3}
        assert person.post("/video/extract-frames", wish, wait_s=30).given()["frames"] == 3
    person.post("/video/download", {"file_path": upload}).refused(404, "Nothing is stored")
