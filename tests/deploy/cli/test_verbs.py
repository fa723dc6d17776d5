"""The verbs against a live gateway: what they print, and how they end."""

from __future__ import annotations

import json
import threading
import time

import httpx
import pytest

from deploy.cli import client as rest
from shared.errors import ActverseError, MediaRejected, Unavailable
from shared.web.rate import SURE_FOR_S
from tests.shared.web.door import VIDEO_URL, Door

LONG = "Only 3 of 60 frames carry a label [see labels/1]. " * 8


def ended(door: Door, error: ActverseError | None = None) -> str:
    """A copy task that has failed, or succeeded."""
    task_id = door.submit("ann", "video_upload", file_path="files/a/b", upload_path="files/a/c")
    door.begin(task_id)
    if error:
        door.fail(task_id, error)
    else:
        door.succeed(task_id, upload_path="files/a/c")
    return task_id


def test_submit_prints_the_id_and_nothing_else(door, actverse) -> None:
    done = actverse("submit", VIDEO_URL, "--frames", "12", "--classes", "mouse, fly")
    assert done.exit_code == 0
    task_id = done.stdout.strip()
    with door.client() as client:
        options = client.get(f"/tasks/{task_id}").json()["options"]
    assert (options["num_frames"], options["classes"]) == (12, ["mouse", "fly"])


def test_submit_sends_a_file_and_takes_more_options(door, actverse, tmp_path) -> None:
    clip = tmp_path / "쥐 1.mp4"
    clip.write_bytes(b"\0\0\0\x18ftypmp42")
    done = actverse("submit", str(clip), "--options", '{"training": {"epochs": 3}}', "--key", "k1")
    again = actverse("submit", VIDEO_URL, "--key", "k2")
    same = actverse("submit", VIDEO_URL, "--key", "k2")
    assert again.stdout == same.stdout != done.stdout
    with door.client() as client:
        options = client.get(f"/tasks/{done.stdout.strip()}").json()["options"]
    assert options["file_path"].startswith("upload://")
    assert options["training"]["epochs"] == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("submit", "none.mp4"), "There is no file"),
        (("submit", VIDEO_URL, "--options", "{"), "not JSON"),
        (("submit", VIDEO_URL, "--options", "[1]"), "JSON object"),
        (("submit", VIDEO_URL, "--frames", "0"), "options.num_frames"),
        (("submit", VIDEO_URL, "--labeler", "crayons"), "options.labeler"),
        (("submit", "ftp://example.org/a"), "ftp://"),
        (("status", "nope"), "There is no task nope"),
        (("watch", "nope"), "There is no task nope"),
        (("cancel", "nope"), "There is no task nope"),
        (("retry", "nope"), "There is no task nope"),
        (("list", "--state", "lazy"), "state"),
        (("pipelines", "--name", "knitting"), "there are: vision"),
    ],
)
def test_what_goes_wrong_is_one_sentence(actverse, arguments, sentence) -> None:
    refused = actverse(*arguments)
    assert isinstance(refused.exception, ActverseError)  # `main` prints it, see test_command
    assert sentence in str(refused.exception)


def test_status_is_a_table_that_long_messages_do_not_break(door, actverse) -> None:
    task_id = ended(door, MediaRejected(LONG))
    shown = actverse("status", task_id).stdout
    rows = [line for line in shown.splitlines() if "video_upload" in line and "FAILED" in line]
    assert len(rows) == 2  # the title, and one row for the step
    assert rows[1].rstrip().endswith("…")
    assert " ".join(shown.split()).count(" ".join(LONG.split())) == 1  # in full, below
    assert f"actverse retry {task_id}" in shown


def test_status_for_programs(door, actverse) -> None:
    told = json.loads(actverse("status", ended(door), "--json").stdout)
    assert told["state"] == "SUCCEEDED"
    assert told["process_status"][0]["step"] == "video_upload"


def test_list_shows_the_newest_and_filters(door, actverse) -> None:
    failed, fine = ended(door, MediaRejected("no")), ended(door)
    shown = actverse("list").stdout
    assert shown.index(fine) < shown.index(failed)
    only = json.loads(actverse("list", "--state", "failed", "--json").stdout)
    assert failed in {t["task_id"] for t in only}
    assert {t["state"] for t in only} == {"FAILED"}


def test_cancel_and_retry(door, actverse) -> None:
    task_id = door.submit("ann")
    assert "is cancelled" in actverse("cancel", task_id).stdout
    assert "already cancelled" in str(actverse("cancel", task_id).exception)
    assert "knitting" in str(actverse("retry", task_id, "--step", "knitting").exception)
    assert "goes on" in actverse("retry", task_id).stdout


def test_watch_tells_the_end_by_its_exit_code(door, actverse) -> None:
    fine = actverse("watch", ended(door))
    assert fine.exit_code == 0
    assert "SUCCEEDED" in fine.stdout
    failed = actverse("watch", ended(door, MediaRejected("clip.mp4 has no video stream.")))
    assert failed.exit_code == 1
    assert "clip.mp4 has no video stream." in failed.stdout


def test_watch_follows_a_task_while_it_runs(door, actverse) -> None:
    task_id = door.submit("ann", "video_upload", file_path="files/a/b", upload_path="files/a/c")

    def work() -> None:
        time.sleep(0.5)
        door.begin(task_id)
        time.sleep(0.5)
        door.succeed(task_id, upload_path="files/a/c")

    worker = threading.Thread(target=work)
    worker.start()
    lines = [json.loads(line) for line in actverse("watch", task_id, "--json").stdout.splitlines()]
    worker.join()
    assert [e["state"] for e in lines if e["event"] == "step"] == ["QUEUED", "RUNNING", "SUCCEEDED"]
    assert lines[-1]["state"] == "SUCCEEDED"


def test_watch_outlives_a_gateway_that_restarts(tmp_path, monkeypatch) -> None:
    """The second gateway goes on where the first stopped: nothing missed, nothing twice."""
    monkeypatch.setattr(rest, "time", type("t", (), {"sleep": lambda s: time.sleep(s / 10)}))
    seen = []
    with Door.opened(tmp_path) as door:
        port = int(door.url.rpartition(":")[2])
        task_id = door.submit("ann")
        door.begin(task_id)
        following = rest.Client(door.url, door.key)
        events = following.events(task_id)
        seen += [next(events) for _ in range(3)]
    with Door.opened(tmp_path, port=port) as door:
        door.fail(task_id, MediaRejected("no"))
        seen += list(events)
        with door.client() as client:
            whole = list(rest.Client(door.url, door.key).events(task_id))
            assert client.get(f"/status/{task_id}").json()["state"] == "FAILED"
    assert seen == whole


def test_pipelines_for_people_for_readme_and_for_programs(actverse) -> None:
    assert "EVENT_MODEL_TRAINING_REQUESTED" in actverse("pipelines").stdout
    assert actverse("pipelines", "--name", "vision", "--mermaid").stdout.startswith("flowchart")
    told = json.loads(actverse("pipelines", "--name", "vision", "--json").stdout)
    assert told[0]["steps"][0]["service"] == "video_processor"


def test_key_makes_a_user_and_revokes(door, actverse) -> None:
    made = actverse("key", "carol").stdout.strip()
    headers = {"X-API-Key": made}
    assert httpx.get(f"{door.url}/tasks/", headers=headers).json()["items"] == []
    assert actverse("key", "carol", "--revoke").stdout.strip() == "1 keys revoked"
    deadline = time.monotonic() + SURE_FOR_S + 1.0
    while httpx.get(f"{door.url}/tasks/", headers=headers).status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_parked_tells_what_was_given_up(door, actverse) -> None:
    assert "nothing is parked" in actverse("parked", "list").stdout


def test_doctor_finds_what_is_wrong(door, actverse) -> None:
    key_file = door.platform.settings.data_dir / "api_key"
    key_file.chmod(0o644)
    (key_file.parent / "mesh.json").write_text(json.dumps({"url": door.url, "pid": 1}))
    told = {f["what"]: f for f in json.loads(actverse("doctor", "--json").stdout)}
    assert told["API key"]["ok"] is False
    assert told["API key"]["remedy"] == f"chmod 600 {key_file}"
    assert told["mesh"]["ok"] is True
    assert told["database"]["ok"] is True
    assert told["storage"]["ok"] is True
    shown = actverse("doctor")
    assert shown.exit_code == 1
    assert "to mend" in shown.stdout
    key_file.chmod(0o600)


def test_doctor_changes_nothing_where_nothing_was(actverse, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ACTVERSE_DATA_DIR", str(tmp_path / "new"))
    told = {f["what"]: f for f in json.loads(actverse("doctor", "--json").stdout)}
    assert "not made yet" in told["database"]["text"]
    assert not list((tmp_path / "new").rglob("actverse.db"))


def test_a_gateway_that_is_away_is_said(door, actverse, monkeypatch) -> None:
    monkeypatch.setenv("ACTVERSE_URL", "http://127.0.0.1:9")
    refused = actverse("list")
    assert isinstance(refused.exception, Unavailable)
    assert "make up" in str(refused.exception)
    monkeypatch.setenv("ACTVERSE_URL", "localhost:80")
    assert "http://" in str(actverse("list").exception)
    monkeypatch.setenv("ACTVERSE_URL", door.url)
    monkeypatch.setenv("ACTVERSE_API_KEY", "av_wrong")
    assert "not known" in str(actverse("list").exception)
