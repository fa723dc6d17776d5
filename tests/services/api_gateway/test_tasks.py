"""Tasks: submit once, list in pages, cancel, retry."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from sqlalchemy import select, update

from shared.db.models import Outgoing, Task
from shared.errors import MediaRejected
from shared.flow import sweeper
from tests.shared.web.door import VIDEO_URL, Door

WISH = {"file_path": VIDEO_URL, "options": {"num_frames": 12, "labeler": "auto"}}


def test_a_task_is_accepted_and_found(door, ann) -> None:
    answer = ann.post("/tasks/", json=WISH)
    task_id = answer.json()["task_id"]
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/status/{task_id}" == answer.json()["status_url"]
    task = ann.get(f"/tasks/{task_id}").json()
    assert (task["state"], task["pipeline"]) == ("QUEUED", "vision")
    assert task["options"]["num_frames"] == 12
    assert [s["step"] for s in task["steps"]][:2] == ["video_processing", "global_inference"]
    assert {s["state"] for s in task["steps"]} == {"PENDING"}
    assert task["outputs"] == []
    with door.platform.reads() as session:
        names = session.scalars(
            select(Outgoing.name).where(Outgoing.task_id == task_id).order_by(Outgoing.id)
        ).all()
    assert names == ["EVENT_TASK_SUBMITTED", "EVENT_VIDEO_PROCESSING_REQUESTED"]


def test_what_does_not_fit_is_said_field_by_field(ann) -> None:
    refused = ann.post("/tasks/", json={"options": {}, "colour": "red"})
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "Invalid")
    assert {e["where"] for e in problem["errors"]} == {"body.file_path", "body.colour"}
    cases = {
        "options.num_frames": {"num_frames": 0},
        "options.labeler": {"labeler": "crayons"},
        "options.training.imgsz": {"training": {"imgsz": 100}},
        "options.inference.confidence": {"inference": {"confidence": 7}},
        "options.nonsense": {"nonsense": 1},
        "no step 'trainign'": {"notify": {"steps": ["trainign"]}},
        "options.classes": {"classes": []},
    }
    for where, options in cases.items():
        refused = ann.post("/tasks/", json={"file_path": VIDEO_URL, "options": options})
        assert refused.status_code == 422, options
        assert where in refused.json()["detail"]


def test_sources_that_nobody_serves_are_refused_at_the_door(ann) -> None:
    for source in ("ftp://example.org/a.mp4", "file:///etc/passwd", "gopher://x/1", "https:///a"):
        refused = ann.post("/tasks/", json={"file_path": source})
        assert refused.status_code == 400, source
    assert ann.post("/tasks/", json={"file_path": "upload://nope/a.mp4"}).status_code == 404
    assert ann.post("/tasks/", json={"file_path": VIDEO_URL, "pipeline": "x"}).status_code == 400


def test_the_same_key_gives_the_same_task(ann, bob) -> None:
    headers = {"Idempotency-Key": "once"}
    first = ann.post("/tasks/", json=WISH, headers=headers).json()
    assert ann.post("/tasks/", json=WISH, headers=headers).json() == first
    assert bob.post("/tasks/", json=WISH, headers=headers).json() != first
    other = ann.post("/tasks/", json={"file_path": VIDEO_URL}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "KeyReused")
    assert ann.post("/tasks/", json=WISH, headers={"Idempotency-Key": ""}).status_code == 422


def test_the_same_key_at_the_same_moment_gives_one_task(door: Door) -> None:
    key = door.key_of("racer")
    found: list[str] = []
    together = threading.Barrier(8)

    def send() -> None:
        with door.client() as client:
            client.headers["Authorization"] = f"Bearer {key}"
            together.wait()
            sent = client.post("/tasks/", json=WISH, headers={"Idempotency-Key": "race"})
            found.append(sent.json()["task_id"])

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_pages_neither_repeat_nor_leave_out(door: Door) -> None:
    """Also among tasks of one moment, and while new ones arrive."""
    made = [door.submit("pager") for _ in range(11)]
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    with door.platform.sessions.begin() as session:
        session.execute(update(Task).where(Task.id.in_(made[:9])).values(created_at=moment))
    seen: list[str] = []
    cursor = None
    with door.client("pager") as client:
        while True:
            params = {"limit": 4} | ({"cursor": cursor} if cursor else {})
            page = client.get("/tasks/", params=params).json()
            seen += [t["task_id"] for t in page["items"]]
            door.submit("pager")
            cursor = page["next"]
            if cursor is None:
                break
        assert client.get("/tasks/", params={"cursor": "nonsense"}).status_code == 422
        for limit in (0, 201, "x"):
            assert client.get("/tasks/", params={"limit": limit}).status_code == 422
    assert sorted(seen) == sorted(made)


def test_lists_are_filtered(door, ann) -> None:
    task_id = door.submit("ann")
    door.begin(task_id)
    running = ann.get("/tasks/", params={"state": "RUNNING"}).json()["items"]
    assert task_id in {t["task_id"] for t in running}
    assert {t["state"] for t in running} == {"RUNNING"}
    single = ann.get("/tasks/", params={"pipeline": "inference"}).json()["items"]
    assert single == []
    assert ann.get("/tasks/", params={"state": "LAZY"}).status_code == 422


def test_a_task_is_cancelled_once(door, ann) -> None:
    task_id = door.submit("ann")
    door.begin(task_id)
    answer = ann.post(f"/tasks/{task_id}/cancel")
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/status/{task_id}"
    assert ann.get(f"/status/{task_id}").json()["state"] == "CANCELLED"
    again = ann.post(f"/tasks/{task_id}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "Conflict")


def test_a_task_is_cancelled_although_the_broker_is_away(door, ann, monkeypatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(sweeper, "revoke", away)
    task_id = door.submit("ann")
    door.begin(task_id)
    assert ann.post(f"/tasks/{task_id}/cancel").status_code == 202
    assert ann.get(f"/status/{task_id}").json()["state"] == "CANCELLED"


def test_a_failed_task_goes_on_from_the_failed_step(door, ann) -> None:
    task_id = door.submit("ann")
    assert ann.post(f"/tasks/{task_id}/retry").status_code == 409  # nothing has failed
    door.begin(task_id)
    door.fail(task_id, MediaRejected("clip.mp4 has no video stream."))
    status = ann.get(f"/status/{task_id}").json()
    assert status["error"]["message"] == "clip.mp4 has no video stream."
    assert status["error"]["step"] == "video_processing"
    answer = ann.post(f"/tasks/{task_id}/retry")
    assert answer.status_code == 202
    step = ann.get(f"/status/{task_id}").json()["process_status"][0]
    assert (step["step"], step["attempt"], step["state"]) == ("video_processing", 2, "PENDING")


def test_a_named_step_can_be_run_again(door, ann) -> None:
    task_id = door.submit("ann")
    door.begin(task_id)
    door.fail(task_id, MediaRejected("no"))
    unknown = ann.post(f"/tasks/{task_id}/retry", json={"step": "knitting"})
    assert unknown.status_code == 404
    assert "video_processing" in unknown.json()["detail"]
    early = ann.post(f"/tasks/{task_id}/retry", json={"step": "model_training"})
    assert early.status_code == 409
    assert ann.post(f"/tasks/{task_id}/retry", json={"stepp": "x"}).status_code == 422
    assert ann.post(f"/tasks/{task_id}/retry", json={"step": "video_processing"}).is_success


def test_the_status_tells_every_step(door, ann) -> None:
    task_id = door.submit("ann")
    door.begin(task_id)
    status = ann.get(f"/status/{task_id}").json()
    assert status["state"] == "RUNNING"
    first, second, *_ = status["process_status"]
    assert first["state"] == "RUNNING"
    assert first["started_at"]
    assert first["seconds"] >= 0
    assert (second["state"], second["started_at"], second["progress"]) == ("PENDING", None, 0.0)


def test_addresses_of_people_are_not_shown(door, ann) -> None:
    urls = {"notify": {"urls": ["mailto://ann:secret@example.org"]}}
    task_id = ann.post("/tasks/", json={"file_path": VIDEO_URL, "options": urls}).json()["task_id"]
    assert "mailto" not in ann.get(f"/tasks/{task_id}").text
