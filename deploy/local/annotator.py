"""Plays the person at the labeling tool: drops YOLO text files into the folder, from known boxes."""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

from deploy.cli.client import Client
from services.labeling_manager.engines.truth_csv import Truth, read_truth
from shared.errors import ActverseError, Unavailable
from shared.labels.folder import label_name, read_frames
from shared.labels.yolo import write_yolo
from shared.settings import Settings

LOOK_EVERY_S = 0.5


class Annotator(threading.Thread):
    """Waits until a task's frames are in the folder, then labels every one of them from the truth.

    A frame without a box in the truth is confirmed empty. `problem` holds what went wrong, if
    anything did; the task is cancelled then, because nobody else would label.
    """

    def __init__(
        self, client: Client, task_id: str, truth: Path, *, size: tuple[int, int] | None = None
    ) -> None:
        """Plays for one task; `size` is the video's, pixels, where the task does not know it."""
        super().__init__(daemon=True)
        self._size = size
        self.problem: str | None = None
        self.frames = self.boxes = 0
        self._client = client
        self._task_id = task_id
        self._truth = truth
        self._data = Settings().data_dir

    def run(self) -> None:
        """Label everything once the labeling step waits."""
        try:
            task = self._wait()
            if task is not None:
                self._label(task)
        except ActverseError as error:
            self.problem = str(error)
            self._client.call("POST", f"/tasks/{self._task_id}/cancel")

    def _wait(self) -> dict[str, Any] | None:
        while True:
            with contextlib.suppress(Unavailable):  # a gateway that was killed is back in seconds
                task = self._client.task(self._task_id)
                if task["state"] in {"SUCCEEDED", "FAILED", "CANCELLED"}:
                    return None
                states = {step["step"]: step["state"] for step in task["steps"]}
                if states.get("labeling") == "WAITING":
                    return task
            time.sleep(LOOK_EVERY_S)

    def _label(self, task: dict[str, Any]) -> None:
        results = task["results"]
        classes = tuple(task["options"]["classes"])
        width, height = self._size or (results["width"], results["height"])
        truth = read_truth(self._truth, width=width, height=height, classes=classes)
        self._write(truth, self._data / results["frame_path"], Path(results["where"]) / "labels")

    def _write(self, truth: Truth, frames: Path, folder: Path) -> None:
        for entry in read_frames(frames / "frames.json"):
            boxes = truth.boxes.get(entry.frame, ())
            part = folder / f".{label_name(entry.file)}.part"
            part.write_text(write_yolo(boxes), encoding="utf-8")
            part.replace(folder / label_name(entry.file))
            self.frames += 1
            self.boxes += len(boxes)


def classes_of(truth: Path, width: int, height: int) -> list[str]:
    """The class names that the truth uses."""
    return list(read_truth(truth, width=width, height=height).classes)
