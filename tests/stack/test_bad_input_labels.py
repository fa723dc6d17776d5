"""Labels that cannot be used: the status names file and line, the task waits, and goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.labels.folder import label_name, read_frames
from tests.stack.conftest import FAST, data_dir
from tests.stack.person import Person, state_of

pytestmark = pytest.mark.usefixtures("still_serves")

BOX = "0 0.5 0.5 0.2 0.2\n"


class Desk:
    """A labeling whose folder lies open before its person."""

    def __init__(self, person: Person, stored: str, frames: int, classes: list[str]) -> None:
        self.person = person
        wish = {"file_path": stored, "num_frames": frames}
        self.frames = person.post("/video/extract-frames", wish, wait_s=30).given()["frame_path"]
        body = {"folder_path": self.frames, "labeler": "folder", "classes": classes}
        self.task_id = person.post("/labeling", body).given(202)["task_id"]
        person.until(self.task_id, lambda s: state_of(s, "labeling")["state"] == "WAITING")
        listed = read_frames(data_dir() / self.frames / "frames.json")
        self.names = [label_name(frame.file) for frame in listed]
        self.work = Path(person.get(f"/tasks/{self.task_id}").given()["results"]["where"])

    def write(self, index: int, text: str) -> str:
        """The label file of a frame, as messages name it."""
        (self.work / "labels" / self.names[index]).write_text(text)
        return f"labels/{self.names[index]}"

    def message(self, *words: str) -> dict[str, Any]:
        """Wait until the waiting step says this."""
        return self.person.until(
            self.task_id,
            lambda s: all(w in str(state_of(s, "labeling")["message"]) for w in words),
            within_s=10,
        )


def test_a_wrong_label_is_named_by_file_and_line_and_waits_to_be_mended(
    person: Person, stored: str
) -> None:
    desk = Desk(person, stored, 4, ["mouse"])
    other = desk.write(0, BOX + "7 0.5 0.5 0.2 0.2\n")
    pixels = desk.write(1, "0 160 120 32 24\n")
    nan = desk.write(2, "0 nan 0.5 0.2 0.2\n")
    desk.write(3, BOX)
    status = desk.message(
        f"{other} line 2: class 7 does not exist; the classes are 0 = mouse",
        f"{pixels} line 1: cx is 160, outside 0..1",
        f"{nan} line 1: cx is nan, not a number",
    )
    assert status["state"] == state_of(status, "labeling")["state"] == "WAITING"
    seen = person.get(f"/labeling/{desk.task_id}").given()
    assert (seen["done"], seen["total"], len(seen["problems"])) == (1, 4, 3)
    (desk.work / "DONE").touch()  # even so nothing of theirs is left out
    for index in range(3):
        desk.write(index, BOX)
    assert person.ended(desk.task_id)["state"] == "SUCCEEDED"
    results = person.get(f"/tasks/{desk.task_id}").given()["results"]
    assert (results["labelled"], results["empty"], results["unseen"]) == (4, 0, 0)


def test_done_without_a_label_fails_with_what_to_do_and_goes_on_after_it(
    person: Person, stored: str
) -> None:
    desk = Desk(person, stored, 3, ["mouse"])
    (desk.work / "DONE").touch()
    person.failed(
        desk.task_id,
        "label_download",
        "NothingLabelled",
        "none of its 3 frames is labelled",
        str(desk.work / "labels"),
        "retry the step",
    )
    desk.write(0, BOX)
    desk.write(1, "")
    person.post(f"/tasks/{desk.task_id}/retry").given(202)  # at once: the files are still fresh
    assert person.ended(desk.task_id)["state"] == "SUCCEEDED"
    results = person.get(f"/tasks/{desk.task_id}").given()["results"]
    assert (results["labelled"], results["empty"], results["unseen"]) == (1, 1, 1)


def test_a_class_that_only_validation_would_have_is_named(person: Person, stored: str) -> None:
    desk = Desk(person, stored, 2, ["mouse", "rat"])
    desk.write(0, BOX)
    desk.write(1, BOX.replace("0", "1", 1))
    assert person.ended(desk.task_id)["state"] == "SUCCEEDED"
    labels = person.get(f"/tasks/{desk.task_id}").given()["results"]["labeling_path"]
    how = {**FAST, "min_images": 2}
    wish = {"data_path": labels, "frame_path": desk.frames, "mode_train_info": how}
    person.post("/training", wish, wait_s=60).refused(
        409, "However the video is cut", "would have no", "Label it in more frames"
    )
    how["min_images"] = 4
    person.post("/training", wish, wait_s=60).refused(
        409, "Only 2 labelled frames", "training needs 4", "min_images"
    )


def test_labels_that_are_not_there_yet_are_asked_for(person: Person, stored: str) -> None:
    task_id = stored.split("/")[1]
    person.post("/training", {"data_path": f"labels/{task_id}"}).refused(
        400, f"There is no labels/{task_id}/labels.json", "label frames first"
    )
    person.post("/labeling", {"folder_path": f"frames/{task_id}"}).refused(
        404, "has no frames.json", "POST /video/extract-frames"
    )
