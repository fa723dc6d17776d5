"""A finished round one behind a real gateway, without a worker."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

from shared.db.learning_models import Dataset
from shared.db.models import Deployment, Model, StepRun, Task, now
from shared.flow.states import State
from shared.labels.boxes import Box, FrameLabels, LabelSet
from shared.labels.folder import write_label_folder
from shared.labels.yolo import write_yolo
from shared.storage.trees import keep_folder
from tests.shared.web.door import Door

METRICS = {
    "user_any_class": {"map50": 0.80, "map50_95": 0.40},
    "global_any_class": {"map50": 0.50, "map50_95": 0.20},
    "frames": 15,
    "boxes": 40,
    "leakage": 0.0,
}


def finish(
    door: Door, task_id: str, version: int, map50_95: float, against: str = "global", **facts: Any
) -> None:
    """The task has run through: `facts` over what a good round gives."""
    other = {"map50": {"other": 0.7}, "map50_95": {"other": 0.35}, "against": against}
    with door.platform.sessions.begin() as session:
        task = session.get_one(Task, task_id)
        root = task.context.get("root_task_id", task_id)
        own = {"map50": map50_95 + 0.3, "map50_95": map50_95}
        task.context = {
            "download_path": f"videos/{task_id}/normalised.mp4",
            "inference_data_path": f"videos/{task_id}/normalised.mp4",
            "video_sha256": "ab" * 32,
            **task.context,
            "frame_path": f"frames/{task_id}",
            "labeling_path": f"labels/{task_id}",
            "labelled": 18,
            "empty": 2,
            "unseen": 0,
            "effort": {"accepted": 30, "moved": 6, "added": 4, "seconds_per_frame": 12.0},
            "model": f"task-{root}",
            "version": version,
            "metrics": {**METRICS, "user_any_class": own, "comparison": other},
            "deployment_id": f"deployment-{root}-{version}",
            "inference_result_path": f"inference_results/{task_id}",
            **facts,
        }
        task.state, task.finished_at = State.SUCCEEDED, now()
        for model in session.query(Model).filter(Model.name == f"task-{root}"):
            model.state = "RETIRED"
        session.add(
            Model(
                name=f"task-{root}",
                version=version,
                task_id=task_id,
                user_id=task.user_id,
                path=f"models/task-{root}/{version}",
                weights_sha256="00",
                classes=["mouse"],
                image_size=320,
                metrics={},
                lineage={},
                state="CURRENT",
            )
        )
        session.add(
            Deployment(
                id=f"deployment-{root}-{version}",
                task_id=task_id,
                user_id=task.user_id,
                model=f"task-{root}",
                version=version,
                server="none",
                parity={},
            )
        )
        for run in session.query(StepRun).filter(StepRun.task_id == task_id):
            run.state, run.finished_at = State.SUCCEEDED, now()


def round_one(door: Door, user: str = "ann", **options: Any) -> str:
    """A task of `user` that is done."""
    given = {"classes": ["mouse"], "labeler": "folder", "training": {"epochs": 7}} | options
    task_id = door.submit(user, **given)
    finish(door, task_id, 1, 0.40)
    return task_id


def age(door: Door, task_id: str, hours: float) -> None:
    """The task began so long ago."""
    with door.platform.sessions.begin() as session:
        task = session.get_one(Task, task_id)
        task.created_at -= timedelta(hours=hours)


def labels(count: int, *, moved: int = 0) -> LabelSet:
    """Frames with a box each, of which the first `moved` are elsewhere."""
    return LabelSet(
        ("mouse",),
        tuple(
            FrameLabels.seen(n, f"{n:08d}.jpg", [Box(0, 0.3 if n < moved else 0.5, 0.5, 0.2, 0.2)])
            for n in range(count)
        ),
    )


def labelled(door: Door, root_id: str, found: LabelSet) -> None:
    """The labels of round one are these now."""
    listed = [{"frame": f.frame, "file": f.file, "time_s": f.frame / 30} for f in found.frames]
    text = json.dumps({"fps": 30.0, "frames": listed})
    door.keep(f"frames/{root_id}/frames.json", text.encode())
    folder = door.platform.storage.local(f"labels/{root_id}/labels.json").parent
    write_label_folder(folder, found)
    keep_folder(door.platform.storage, f"labels/{root_id}")


def recorded(door: Door, root_id: str, found: LabelSet) -> None:
    """A data set has these labels of round one."""
    frames = [
        {
            "key": f"frames/{root_id}/{frame.file}",
            "state": frame.state.value,
            "labels": write_yolo(frame.boxes),
        }
        for frame in found.frames
    ]
    content = json.dumps({"root": root_id, "frames": frames}).encode()
    sha256 = hashlib.sha256(content).hexdigest()
    key = door.keep(f"datasets/{root_id}/{sha256}/manifest.json", content)
    with door.platform.sessions.begin() as session:
        session.add(
            Dataset(
                root_id=root_id,
                sha256=sha256,
                user_id="ann",
                task_id=root_id,
                number=1,
                key=key,
                manifest={"frames": len(frames)},
            )
        )
