"""The whole pipeline through the gateway: a video in, a deployed detector and its results out."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
from pathlib import Path

import av
import httpx
import pytest

from deploy.cli.client import Client, Refused
from deploy.local.annotator import Annotator
from deploy.local.mesh import Mesh
from tests.stack.conftest import FAST, data_dir

COLUMNS = "frame,time_s,track_id,class,confidence,x,y,w,h,model,version"


@pytest.fixture(scope="module")
def done(client: Client, arena: tuple[Path, Path]) -> dict:
    video, truth = arena
    wish = {
        "num_frames": 16,
        "labeler": "folder",
        "classes": ["mouse"],
        "training": FAST,
        "inference": {"confidence": 0.05},
    }
    task_id = client.submit(str(video), wish, key="first")
    annotator = Annotator(client, task_id, truth)
    annotator.start()
    seen = [(name, data) for name, data in client.events(task_id)]
    task = client.task(task_id)
    assert annotator.problem is None
    assert task["state"] == "SUCCEEDED", task["error"]
    return {"task": task, "events": seen}


def test_every_step_succeeded_once_and_said_so_live(done: dict) -> None:
    steps = done["task"]["steps"]
    assert {s["state"] for s in steps} == {"SUCCEEDED"}
    assert [s["step"] for s in steps] == [
        "video_processing",
        "global_inference",
        "labeling",
        "label_download",
        "model_training",
        "model_conversion",
        "model_deployment",
        "inference",
        "model_promotion",
        "results_upload",
    ]
    succeeded = [d["step"] for n, d in done["events"] if n == "step" and d["state"] == "SUCCEEDED"]
    assert succeeded == [s["step"] for s in steps]


def test_the_results_are_linked_and_agree(client: Client, done: dict, mesh: Mesh) -> None:
    outputs = {o["name"]: o for o in done["task"]["outputs"]}
    assert set(outputs) == {
        "results.csv",
        "results.json",
        "chunks/result_chunk_1.json",
        "overlaid_results.mp4",
    }
    headers = {"Authorization": f"Bearer {mesh.key}"}
    files = {
        n: httpx.get(mesh.url + o["url"], headers=headers, follow_redirects=True).content
        for n, o in outputs.items()
    }
    for name, content in files.items():
        assert hashlib.sha256(content).hexdigest() == outputs[name]["sha256"]
    text = files["results.csv"].decode()
    assert text.splitlines()[0] == COLUMNS
    rows = list(csv.DictReader(io.StringIO(text)))
    whole = json.loads(files["results.json"])
    assert len(rows) == sum(len(f["detections"]) for f in whole["frames"])
    assert len(whole["frames"]) == 60
    with av.open(io.BytesIO(files["overlaid_results.mp4"])) as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert sum(1 for _ in video.decode(stream)) == 60


def test_files_lie_where_the_documents_say(done: dict) -> None:
    task_id, root = done["task"]["task_id"], data_dir()
    for path in (
        f"videos/{task_id}/source.mp4",
        f"videos/{task_id}/normalised.mp4",
        f"videos/{task_id}/probe.json",
        f"frames/{task_id}/frames.json",
        f"labels/{task_id}/classes.txt",
        f"labels/{task_id}/labels.json",
        f"train_log/{task_id}/data.yaml",
        f"train_log/{task_id}/data/train_test_split.txt",
        f"train_log/{task_id}/model.pt",
        f"train_log/{task_id}/results.csv",
        f"models/task-{task_id}/1/model.pt",
        f"models/task-{task_id}/1/model.onnx",
        f"models/task-{task_id}/1/model.json",
        f"inference_results/{task_id}/chunks/result_chunk_1.json",
        f"inference_results/{task_id}/overlaid_results.mp4",
    ):
        assert (root / path).is_file(), path


def test_the_model_is_registered_with_its_lineage_and_served(client: Client, done: dict) -> None:
    task_id = done["task"]["task_id"]
    about = json.loads((data_dir() / f"models/task-{task_id}/1/model.json").read_text())
    lineage = about["lineage"]
    assert lineage["task_id"] == task_id
    assert lineage["video_sha256"] == done["task"]["results"]["video_sha256"]
    assert lineage["base_weights"] == "global"
    assert lineage["settings"]["epochs"] == 1
    served = {(m["name"], m["state"]) for m in client.call("GET", "/models")}
    assert {("global", "READY"), (f"task-{task_id}", "READY")} <= served
    training = client.call("GET", f"/training/{task_id}")
    assert (training["current_epoch"], training["epochs"], training["state"]) == (1, 1, "SUCCEEDED")
    labeling = client.call("GET", f"/labeling/{task_id}")
    assert (labeling["done"], labeling["total"], labeling["state"]) == (16, 16, "DONE")


def test_the_model_analyses_another_video_alone(
    client: Client, done: dict, arena: tuple[Path, Path]
) -> None:
    upload = client.upload(arena[0])
    answer = client.call(
        "POST",
        f"/models/{done['task']['task_id']}/inference",
        json={"data_path": upload, "confidence": 0.1, "frame_skip": 3, "max_frames": 5},
        headers={"Prefer": "wait=60"},
    )
    assert answer["inference_result_path"] == f"inference_results/{answer['task_id']}"
    assert "results.csv" in answer["outputs"]


def test_the_same_request_again_is_the_same_task(client: Client, done: dict) -> None:
    task = done["task"]
    body = {"file_path": task["options"]["file_path"]}
    wish = {k: v for k, v in task["options"].items() if k in {"num_frames", "labeler", "classes"}}
    wish |= {"training": FAST, "inference": {"confidence": 0.05}}
    again = client.call(
        "POST", "/tasks/", json={**body, "options": wish}, headers={"Idempotency-Key": "first"}
    )
    assert again["task_id"] == task["task_id"]


def name_the_animals(client: Client, root: str, truth: Path) -> None:
    """Import the labels of round one again, now with the animal that each box is of."""
    with truth.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    frames = json.loads((data_dir() / f"frames/{root}/frames.json").read_text())["frames"]
    images = [
        {"id": f["frame"], "file_name": f["file"], "width": 320, "height": 240} for f in frames
    ]
    annotations = [
        {
            "id": n,
            "image_id": int(row["frame"]),
            "category_id": 1,
            "bbox": [float(row[side]) for side in ("x", "y", "w", "h")],
            "track_id": int(row["track"]),
        }
        for n, row in enumerate(rows)
        if int(row["frame"]) in {f["frame"] for f in frames}
    ]
    coco = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "mouse"}],
    }
    told = client.call(
        "POST",
        f"/labels/{root}/import?format=coco&dry_run=false",
        files={"file": ("truth.json", json.dumps(coco), "application/json")},
    )
    assert told["stored"] == len(frames)


def test_a_second_round_teaches_on_from_the_first(
    client: Client, done: dict, arena: tuple[Path, Path]
) -> None:
    first = done["task"]
    root = first["task_id"]
    assert first["results"]["decision"] == "CURRENT"
    assert first["results"]["effort"]["frames"] == 16
    name_the_animals(client, root, arena[1])
    wish = {"num_frames": 6, "training": FAST, "promotion": {"int8": False}}
    round_id = client.call("POST", f"/tasks/{root}/rounds", json=wish)["task_id"]
    size = (first["results"]["width"], first["results"]["height"])
    annotator = Annotator(client, round_id, arena[1], size=size)
    annotator.start()
    for _ in client.events(round_id):
        pass
    task = client.task(round_id)
    assert annotator.problem is None
    assert task["state"] == "SUCCEEDED", task["error"]
    assert (task["results"]["model"], task["results"]["version"]) == (f"task-{root}", 2)
    assert task["results"]["preannotated_by"] == f"task-{root}/1"
    told = client.call("GET", f"/tasks/{root}/rounds")
    one, two = told["rounds"]
    assert (one["frames"], two["frames"]) == (16, 22)
    assert sum(two["chosen"].values()) == 6
    assert two["effort"]["frames"] == 6
    assert two["effort"]["preannotated_by"] == f"task-{root}/1"
    assert set(two["figures"]) >= {"new", "current", "global", "leakage"}
    assert two["decision"] in {"CURRENT", "CANDIDATE"}
    assert two["reason"]
    assert len(told["curve"]["points"]) == 2
    assert "tracking" not in one["figures"], "nobody had named the animals then"
    tracking = two["figures"]["tracking"]
    assert tracking["frames"] == 4, "those of round one that judge"
    assert tracking["new"]["truths"] == tracking["before"]["truths"] == 8
    assert 0 <= tracking["new"]["idf1"] <= 1
    assert tracking["sentence"].startswith("On 4 frames whose animals are named")
    versions = client.call("GET", f"/models/{root}/versions")["versions"]
    assert [v["metrics"].get("tracking") for v in versions if v["version"] == 2] == [tracking]
    first_frames, frames = (
        {
            entry["frame"]
            for entry in json.loads((data_dir() / key / "frames.json").read_text())["frames"]
        }
        for key in (f"frames/{root}", f"frames/{round_id}")
    )
    assert not first_frames & frames


def test_a_withdrawn_model_is_gone_and_comes_back_when_deployed(client: Client, done: dict) -> None:
    results, waits = done["task"]["results"], {"Prefer": "wait=60"}

    def state() -> str:
        return {m["name"]: m["state"] for m in client.call("GET", "/models")}[results["model"]]

    client.call("DELETE", f"/deployments/{results['deployment_id']}", headers=waits)
    assert state() != "READY"
    wish = {"task_id": done["task"]["task_id"], "model_path": results["model_path"]}
    again = client.call("POST", "/deployments", json=wish, headers=waits)
    assert (again["model"], again["version"]) == (results["model"], results["version"])
    assert state() == "READY"


def test_at_last_the_task_goes_with_its_round_and_its_model(client: Client, done: dict) -> None:
    root, model = done["task"]["task_id"], done["task"]["results"]["model"]
    round_id = client.call("GET", f"/tasks/{root}/rounds")["rounds"][-1]["task_id"]
    with pytest.raises(Refused, match=round_id):
        client.delete(root, model=True)
    versions = client.call("GET", f"/models/{root}/versions")
    if versions["current"] == 2:
        with pytest.raises(Refused, match="rollback"):
            client.delete(round_id, model=True)
        client.call("POST", f"/models/{root}/rollback")
    for task_id, versions_left in ((round_id, [1]), (root, [])):
        assert client.delete(task_id, model=True)["state"] == "DELETING"
        until = time.monotonic() + 60
        while task_id in {task["task_id"] for task in client.call("GET", "/tasks/")["items"]}:
            assert time.monotonic() < until, client.task(task_id)
            time.sleep(0.1)
        known = [m for m in client.call("GET", "/models") if m["name"] == model]
        assert [m["version"] for m in known if m["state"] == "READY"] == versions_left, known
        assert not [path for path in data_dir().rglob("*") if path.name == task_id]
