"""The rule that plays the annotator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from services.labeling_manager.engines.auto import AutoEngine
from services.labeling_manager.engines.port import LabelingEngine
from services.labeling_manager.errors import NoConfidentBoxes
from shared.errors import Invalid
from shared.labels.boxes import Box, FrameState
from shared.labels.folder import read_label_folder, write_label_folder
from tests.contracts.labeling import BOX, SPEC, LabelingContract, images, sure
from tests.services.labeling_manager.conftest import platform


@pytest.fixture
def make_engine(tmp_path: Path) -> Callable[[], AutoEngine]:
    return lambda: AutoEngine(tmp_path / "labels")


@pytest.fixture
def engine(make_engine: Callable[[], AutoEngine]) -> AutoEngine:
    return make_engine()


@pytest.fixture
def annotate(tmp_path: Path) -> Callable[..., None]:
    def model_is_sure(engine: LabelingEngine, ref: str, frame: int, boxes: Sequence[Box]) -> None:
        engine.push(ref, images(tmp_path / "frames", [frame]), {frame: [sure(b) for b in boxes]})

    return model_is_sure


class TestAutoEngine(LabelingContract):
    def test_three_bands_of_confidence(self, engine: AutoEngine, tmp_path: Path):
        ref = engine.open(SPEC)
        engine.push(
            ref,
            images(tmp_path / "frames", [0, 1, 2, 3, 4]),
            {
                0: [sure(BOX, 0.5), sure(replace(BOX, cx=0.2), 0.49)],
                1: [sure(BOX, 0.49)],
                2: [sure(BOX, 0.05)],
                3: [],
            },
        )
        labels = engine.pull(ref)
        assert [len(frame.boxes) for frame in labels.frames] == [1, 0, 0, 0, 0]
        assert [frame.state for frame in labels.frames[1:]] == [FrameState.UNSEEN] * 4
        status = engine.status(ref)
        assert (status.total, status.done, status.skipped) == (5, 1, 4)
        assert status.complete
        assert "Nobody looked at these labels" in status.message
        assert "0.50" in status.message
        assert "1 of 5" in status.message

    def test_empty_frames_only_when_the_setting_says_so(self, tmp_path: Path):
        """A frame at which no model looked is never empty."""
        engine = AutoEngine(tmp_path / "labels", confirm_empty=True)
        ref = engine.open(SPEC)
        engine.push(
            ref,
            images(tmp_path / "frames", [0, 1, 2, 3, 4]),
            {0: [sure(BOX)], 1: [], 2: [sure(BOX, 0.05)], 3: [sure(BOX, 0.3)]},
        )
        states = [frame.state for frame in engine.pull(ref).frames]
        seen_empty = [FrameState.EMPTY] * 2
        assert states == [FrameState.LABELLED, *seen_empty, FrameState.UNSEEN, FrameState.UNSEEN]

    def test_no_confident_box_is_a_clear_end(self, engine: AutoEngine, tmp_path: Path):
        ref = engine.open(SPEC)
        engine.push(ref, images(tmp_path / "frames", [0, 1]), {0: [sure(BOX, 0.31)], 1: []})
        assert engine.status(ref).complete
        with pytest.raises(NoConfidentBoxes, match=r"best box has 0\.31.*from 0\.50.*by hand"):
            engine.pull(ref)
        nothing = engine.open(replace(SPEC, task_id="task-2"))
        engine.push(nothing, images(tmp_path / "frames", [0]), {0: []})
        with pytest.raises(NoConfidentBoxes, match="no box at all"):
            engine.pull(nothing)

    def test_boxes_over_the_edge_become_labels_that_pass_the_check(
        self, engine: AutoEngine, tmp_path: Path
    ):
        ref = engine.open(SPEC)
        over = [
            Box(0, -0.01, 0.5, 0.1, 0.2),
            Box(0, 0.99, 1.0, 0.2, 0.2),
            Box(0, 1.5, 0.5, 0.1, 0.1),  # outside altogether
            Box(0, float("nan"), 0.5, 0.1, 0.1),
        ]
        engine.push(ref, images(tmp_path / "frames", [0]), {0: [sure(box) for box in over]})
        labels = engine.pull(ref)
        assert len(labels.frames[0].boxes) == 2
        listed = tmp_path / "frames.json"
        listed.write_text('{"fps": 30, "frames": [{"frame": 0, "file": "00000000.jpg"}]}')
        write_label_folder(tmp_path / "out", labels)
        assert read_label_folder(tmp_path / "out", listed).count(FrameState.LABELLED) == 1

    def test_the_operator_chooses_the_confidence(self, tmp_path: Path):
        engine = AutoEngine.from_platform(platform(tmp_path, auto_confidence=0.3))
        ref = engine.open(SPEC)
        engine.push(ref, images(tmp_path / "frames", [0]), {0: [sure(BOX, 0.31)]})
        assert engine.pull(ref).count(FrameState.LABELLED) == 1
        with pytest.raises(Invalid, match=r"not in 0\.\.1"):
            AutoEngine.from_platform(platform(tmp_path, auto_confidence=50))
