"""What every labeling engine promises; inherited by one test class per engine.

The class gives three fixtures: `engine`; `make_engine`, another instance over the same place (what
another process would hold); and `annotate`, which makes the tool say that frame n shows the boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from services.labeling_manager.engines.port import (
    FrameImage,
    LabelingEngine,
    LabelingSpec,
    Prediction,
)
from shared.errors import BadInput, Conflict, Invalid, NotFound
from shared.labels.boxes import Box, FrameState

SPEC = LabelingSpec("task-1", ("fly", "mouse"), title="Two animals", instructions="Whole bodies.")
BOX = Box(1, 0.5, 0.5, 0.25, 0.125)
Annotate = Callable[[LabelingEngine, str, int, Sequence[Box]], None]


def images(folder: Path, numbers: Sequence[int]) -> list[FrameImage]:
    """Frames as extraction leaves them: 00000012.jpg."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number in numbers:
        path = folder / f"{number:08d}.jpg"
        path.write_bytes(b"\xff\xd8 frame %d" % number)
        found.append(FrameImage(number, path))
    return found


def sure(box: Box, confidence: float = 0.9) -> Prediction:
    return Prediction(box.class_id, box.cx, box.cy, box.w, box.h, confidence)


class LabelingContract:
    """Verbs, repetition, states of frames."""

    def test_opening_twice_is_one_labeling(self, engine: LabelingEngine):
        assert engine.open(SPEC) == engine.open(SPEC)

    def test_nothing_pushed_is_not_complete(self, engine: LabelingEngine):
        status = engine.status(engine.open(SPEC))
        assert (status.total, status.done, status.complete) == (0, 0, False)

    def test_pushing_twice_adds_nothing(self, engine: LabelingEngine, tmp_path: Path):
        ref = engine.open(SPEC)
        frames = images(tmp_path / "frames", [3, 7])
        predictions = {3: [sure(BOX)], 7: [sure(BOX)]}
        engine.push(ref, frames, predictions)
        engine.push(ref, frames, predictions)
        engine.push(ref, frames[:1], predictions)
        assert engine.status(ref).total == 2
        assert [frame.frame for frame in engine.pull(ref).frames] == [3, 7]

    def test_parts_add_up_in_the_order_of_the_video(self, engine: LabelingEngine, tmp_path: Path):
        ref = engine.open(SPEC)
        predictions = {n: [sure(BOX)] for n in (1, 2, 9)}
        engine.push(ref, images(tmp_path / "frames", [9]), predictions)
        engine.push(ref, images(tmp_path / "frames", [1, 2]), predictions)
        assert [frame.frame for frame in engine.pull(ref).frames] == [1, 2, 9]

    def test_labels_come_back(self, engine: LabelingEngine, annotate: Annotate, tmp_path: Path):
        ref = engine.open(SPEC)
        engine.push(ref, images(tmp_path / "frames", [0, 5]), {})
        annotate(engine, ref, 0, [BOX])
        annotate(engine, ref, 5, [BOX, replace(BOX, class_id=0, cx=0.25)])
        status = engine.status(ref)
        assert (status.total, status.done, status.skipped) == (2, 2, 0)
        assert status.complete
        assert not status.problems
        labels = engine.pull(ref)
        assert labels.classes == ("fly", "mouse")
        assert [frame.state for frame in labels.frames] == [FrameState.LABELLED] * 2
        assert labels.frames[0].file == "00000000.jpg"
        assert len(labels.frames[1].boxes) == 2
        box = labels.frames[0].boxes[0]
        assert box.class_id == 1
        assert (box.cx, box.cy, box.w, box.h) == pytest.approx((0.5, 0.5, 0.25, 0.125), abs=1e-5)

    def test_another_process_sees_the_same(
        self,
        engine: LabelingEngine,
        make_engine: Callable[[], LabelingEngine],
        annotate: Annotate,
        tmp_path: Path,
    ):
        ref = engine.open(SPEC)
        engine.push(ref, images(tmp_path / "frames", [0, 5]), {})
        annotate(engine, ref, 0, [BOX])
        other = make_engine()
        assert other.open(SPEC) == ref
        assert other.status(ref).done == engine.status(ref).done == 1
        assert other.pull(ref) == engine.pull(ref)

    def test_pulling_and_closing_twice_is_harmless(
        self, engine: LabelingEngine, annotate: Annotate, tmp_path: Path
    ):
        ref = engine.open(SPEC)
        engine.push(ref, images(tmp_path / "frames", [0]), {})
        annotate(engine, ref, 0, [BOX])
        assert engine.pull(ref) == engine.pull(ref)
        engine.close(ref)
        engine.close(ref)

    def test_a_ref_of_nothing_is_not_found(self, engine: LabelingEngine):
        with pytest.raises(NotFound, match="is gone"):
            engine.status("task-that-never-was")

    def test_a_ref_cannot_leave_the_folder(self, engine: LabelingEngine):
        with pytest.raises(BadInput, match=r"path"):
            engine.status("../../etc")

    def test_other_classes_need_another_labeling(self, engine: LabelingEngine):
        engine.open(SPEC)
        with pytest.raises(Conflict, match="open with the classes fly, mouse"):
            engine.open(replace(SPEC, classes=("mouse", "fly")))

    def test_a_prediction_of_no_class_is_refused(self, engine: LabelingEngine, tmp_path: Path):
        ref = engine.open(SPEC)
        with pytest.raises(Invalid, match="class 2, but the labeling has only"):
            engine.push(
                ref, images(tmp_path / "frames", [0]), {0: [sure(replace(BOX, class_id=2))]}
            )

    def test_two_frames_cannot_share_a_label_file(self, engine: LabelingEngine, tmp_path: Path):
        ref = engine.open(SPEC)
        first, second = images(tmp_path / "a", [0]), images(tmp_path / "b", [0])
        with pytest.raises(Invalid, match="share the label file"):
            engine.push(ref, [first[0], FrameImage(1, second[0].path)], {})
