"""Labeling through a folder, with the mistakes that people make."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from services.labeling_manager.engines.folder import FolderEngine
from services.labeling_manager.engines.port import LabelingEngine
from services.labeling_manager.errors import NothingLabelled, TaskFileDamaged
from shared.errors import NotFound
from shared.labels.boxes import Box, FrameState
from shared.labels.yolo import parse_yolo, write_yolo
from tests.contracts.labeling import BOX, SPEC, LabelingContract, images, sure

LINE = "1 0.5 0.5 0.25 0.125\n"


@pytest.fixture
def make_engine(tmp_path: Path) -> Callable[[], FolderEngine]:
    return lambda: FolderEngine(tmp_path / "labels", settle_s=0)


@pytest.fixture
def engine(make_engine: Callable[[], FolderEngine]) -> FolderEngine:
    return make_engine()


@pytest.fixture
def annotate() -> Callable[..., None]:
    def drop(engine: LabelingEngine, ref: str, frame: int, boxes: Sequence[Box]) -> None:
        folder = Path(engine.status(ref).where)
        (folder / "labels" / f"{frame:08d}.txt").write_text(write_yolo(boxes))

    return drop


@pytest.fixture
def ref(engine: FolderEngine, tmp_path: Path) -> str:
    """An open labeling with the frames 0, 1 and 2."""
    ref = engine.open(SPEC)
    engine.push(ref, images(tmp_path / "frames", [0, 1, 2]), {0: [sure(BOX)], 1: [sure(BOX, 0.1)]})
    return ref


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "labels/task-1/work"


class TestFolderEngine(LabelingContract):
    pass


class TestWhatAPersonFinds:
    def test_everything_is_there(self, ref: str, work: Path, tmp_path: Path):
        assert (work / "images/00000001.jpg").samefile(tmp_path / "frames/00000001.jpg")
        assert (work / "classes.txt").read_text() == "fly\nmouse\n"
        task = json.loads((work / "task.json").read_text())
        assert task["instructions"] == "Whole bodies."
        assert task["counts"] == {"frames": 3, "frames_with_predictions": 2, "predictions": 2}
        text = (work / "README.txt").read_text()
        for said in ("Two animals", "Whole bodies.", "0 = fly", "1 = mouse", "3 images", "DONE"):
            assert said in text

    def test_suggestions_are_labels_that_a_person_may_copy(
        self, engine: FolderEngine, ref: str, work: Path
    ):
        """The faint one of frame 1 is not offered; what stays in `predictions` is no label."""
        assert [path.name for path in (work / "predictions").iterdir()] == ["00000000.txt"]
        suggested = work / "predictions/00000000.txt"
        assert parse_yolo(suggested.read_text(), SPEC.classes, where="x") == [BOX]
        assert engine.status(ref).done == 0
        suggested.rename(work / "labels/00000000.txt")
        assert engine.status(ref).done == 1

    def test_a_second_push_repairs_what_is_missing(
        self, engine: FolderEngine, ref: str, work: Path, tmp_path: Path
    ):
        (work / "images/00000001.jpg").unlink()
        engine.push(ref, images(tmp_path / "frames", [0, 1, 2]), {})
        assert (work / "images/00000001.jpg").is_file()
        assert not list((work / "predictions").iterdir())

    def test_without_links_the_images_are_copied(
        self, engine: FolderEngine, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        def other_file_system(source: Path, target: Path) -> None:
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(target))

        monkeypatch.setattr(os, "link", other_file_system)
        ref = engine.open(SPEC)
        engine.push(ref, images(tmp_path / "frames", [0]), {})
        source, copy = tmp_path / "frames/00000000.jpg", work / "images/00000000.jpg"
        assert copy.read_bytes() == source.read_bytes()
        assert not copy.samefile(source)

    def test_a_frame_that_does_not_exist_is_named(
        self, engine: FolderEngine, ref: str, tmp_path: Path
    ):
        gone = images(tmp_path / "frames", [9])
        gone[0].path.unlink()
        with pytest.raises(NotFound, match=r"00000009\.jpg does not exist"):
            engine.push(ref, gone, {})
        assert engine.status(ref).total == 3


class TestStates:
    def test_the_three_states_and_the_skip(self, engine: FolderEngine, ref: str, work: Path):
        (work / "labels/00000000.txt").write_text(LINE)
        (work / "labels/00000001.txt").write_text("")
        assert not engine.status(ref).complete
        (work / "skipped.txt").write_text("# blurred\n00000002.jpg\n")
        status = engine.status(ref)
        assert (status.done, status.skipped, status.complete) == (2, 1, True)
        states = [frame.state for frame in engine.pull(ref).frames]
        assert states == [FrameState.LABELLED, FrameState.EMPTY, FrameState.UNSEEN]

    @pytest.mark.parametrize("line", ["00000002", "00000002.jpg", "00000002.txt", "2", " 2 # why"])
    def test_a_skip_may_be_written_in_any_way(
        self, engine: FolderEngine, ref: str, work: Path, line: str
    ):
        (work / "skipped.txt").write_bytes(f"\ufeff{line}\r\n".encode())
        assert engine.status(ref).skipped == 1

    def test_a_skip_of_no_frame_is_a_problem(self, engine: FolderEngine, ref: str, work: Path):
        (work / "skipped.txt").write_text("2\n77\n")
        status = engine.status(ref)
        assert status.skipped == 1
        assert status.problems == (
            "skipped.txt line 2: there is no frame '77'. Write the name of an image, or its number.",
        )

    def test_a_skip_outweighs_a_label(self, engine: FolderEngine, ref: str, work: Path):
        (work / "labels/00000002.txt").write_text(LINE)
        (work / "skipped.txt").write_text("2\n")
        assert (engine.status(ref).done, engine.status(ref).skipped) == (0, 1)

    @pytest.mark.parametrize("name", ["DONE", "done", "DONE.txt", "labels/Done"])
    def test_done_leaves_the_rest_unseen(
        self, engine: FolderEngine, ref: str, work: Path, name: str
    ):
        (work / "labels/00000000.txt").write_text(LINE)
        (work / name).touch()
        status = engine.status(ref)
        assert (status.done, status.skipped, status.complete) == (1, 0, True)
        assert engine.pull(ref).count(FrameState.UNSEEN) == 2

    def test_done_without_a_label_is_a_clear_end(self, engine: FolderEngine, ref: str, work: Path):
        (work / "DONE").touch()
        assert engine.status(ref).complete
        with pytest.raises(NothingLabelled, match=r"none of its 3 frames is labelled.*work/labels"):
            engine.pull(ref)

    @pytest.mark.parametrize("place", [".", "labels", "images"])
    def test_labels_count_wherever_tools_save_them(
        self, engine: FolderEngine, ref: str, work: Path, place: str
    ):
        (work / place / "00000000.txt").write_text(LINE)
        assert engine.status(ref).done == 1

    def test_the_newest_of_two_labels_counts(self, engine: FolderEngine, ref: str, work: Path):
        (work / "labels/00000000.txt").write_text(LINE)
        (work / "images/00000000.txt").write_text("")
        os.utime(work / "images/00000000.txt", (2e9, 2e9))
        assert engine.pull(ref).frames[0].state is FrameState.EMPTY

    def test_the_rate_counts_what_came_lately(self, engine: FolderEngine, ref: str, work: Path):
        assert engine.status(ref).rate == 0
        (work / "labels/00000000.txt").write_text(LINE)
        assert engine.status(ref).rate > 0


class TestFilesThatAreBeingWritten:
    def test_a_young_file_is_not_final(self, ref: str, work: Path, tmp_path: Path):
        """An empty file says "no animal here": it must not be believed while a tool writes it."""
        engine = FolderEngine(tmp_path / "labels", settle_s=30)
        for n in range(3):
            (work / f"labels/{n:08d}.txt").touch()
        (work / "DONE").touch()
        status = engine.status(ref)
        assert (status.done, status.complete, status.problems) == (0, False, ())
        assert engine.pull(ref).count(FrameState.UNSEEN) == 3

    def test_a_half_file_is_no_problem_yet(self, ref: str, work: Path, tmp_path: Path):
        (work / "labels/00000000.txt").write_text("1 0.5 0.5 0.2")
        assert FolderEngine(tmp_path / "labels", settle_s=30).status(ref).problems == ()
        problems = FolderEngine(tmp_path / "labels", settle_s=0).status(ref).problems
        assert len(problems) == 1
        assert "labels/00000000.txt line 1: 4 columns" in problems[0]

    def test_a_young_skip_list_waits_too(self, ref: str, work: Path, tmp_path: Path):
        (work / "skipped.txt").write_text("0\n1\n2")
        status = FolderEngine(tmp_path / "labels", settle_s=30).status(ref)
        assert (status.skipped, status.complete) == (0, False)

    def test_a_corrected_file_is_read_again(self, engine: FolderEngine, ref: str, work: Path):
        (work / "labels/00000000.txt").write_text("1 0.5 0.5 0.2\n")
        assert engine.status(ref).problems
        (work / "labels/00000000.txt").write_text(LINE)
        status = engine.status(ref)
        assert (status.done, status.problems) == (1, ())

    def test_temporary_files_of_tools_are_passed_over(
        self, engine: FolderEngine, ref: str, work: Path
    ):
        for name in (".00000000.txt.part", "00000000.txt~", ".DS_Store"):
            (work / "labels" / name).write_text("half")
        assert engine.status(ref).problems == ()


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("2 0.5 0.5 0.2 0.2\n", "class 2 does not exist; the classes are 0 = fly, 1 = mouse"),
            ("0 0.5 1.5 0.2 0.2\n", "outside 0..1"),
            ("0 nan 0.5 0.2 0.2\n", "not a number"),
            ("0 320 240 100 80\n", "not pixels"),
            ("fly 0.5 0.5 0.2 0.2\n", "is not a class number"),
            ("0 0.5 0.5 0.2 0.2 0.9\n", "remove it"),
            ("0 0.5 0.5 0 0.2\n", "Delete this line"),
            ('{"shapes": []}', "columns"),
        ],
    )
    def test_a_wrong_label_is_named_and_does_not_count(
        self, engine: FolderEngine, ref: str, work: Path, text: str, said: str
    ):
        (work / "labels/00000000.txt").write_text(text)
        for n in (1, 2):
            (work / f"labels/{n:08d}.txt").write_text(LINE)
        status = engine.status(ref)
        assert (status.done, status.complete) == (2, False)
        assert status.problems[0].startswith("labels/00000000.txt line 1: ")
        assert said in status.problems[0]
        assert str(work) not in status.problems[0]

    def test_done_waits_until_no_work_would_be_lost(
        self, engine: FolderEngine, ref: str, work: Path
    ):
        (work / "labels/00000000.txt").write_text(LINE)
        (work / "labels/00000001.txt").write_text("9 0.5 0.5 0.2 0.2\n")
        (work / "DONE").touch()
        status = engine.status(ref)
        assert not status.complete
        assert "DONE is there, but files cannot be used" in status.message
        (work / "labels/00000001.txt").unlink()
        assert engine.status(ref).complete

    def test_a_misnamed_label_is_not_lost(self, engine: FolderEngine, ref: str, work: Path):
        (work / "labels/0.txt").write_text(LINE)
        assert "labels/0.txt belongs to no frame" in engine.status(ref).problems[0]

    def test_a_class_list_in_another_order_is_noticed(
        self, engine: FolderEngine, ref: str, work: Path
    ):
        """labelImg writes its own classes.txt beside the labels; the numbers mean other classes."""
        (work / "labels/classes.txt").write_text("mouse\nfly\n")
        (work / "labels/00000000.txt").write_text(LINE)
        status = engine.status(ref)
        assert status.done == 0
        assert "lists the classes mouse, fly, but the task has fly, mouse" in status.problems[0]
        (work / "labels/classes.txt").write_text("fly\nmouse\nrat\n")
        assert engine.status(ref).done == 1

    def test_another_format_is_not_lost(self, engine: FolderEngine, ref: str, work: Path):
        (work / "images/00000000.xml").write_text("<annotation/>")
        (work / "DONE").touch()
        status = engine.status(ref)
        assert not status.complete
        assert "images/00000000.xml is not a YOLO text (1 such files)" in status.problems[0]

    def test_binary_and_huge_files_are_named(self, engine: FolderEngine, ref: str, work: Path):
        (work / "labels/00000000.txt").write_bytes(b"\xff\xfe\x00\x01")
        (work / "labels/00000001.txt").write_bytes(b"0" * 1_000_001)
        problems = engine.status(ref).problems
        assert "not a UTF-8 text" in problems[0]
        assert "over 1000000 bytes" in problems[1]

    def test_links_are_not_followed(
        self, engine: FolderEngine, ref: str, work: Path, tmp_path: Path
    ):
        (tmp_path / "elsewhere.txt").write_text(LINE)
        (work / "labels/00000000.txt").symlink_to(tmp_path / "elsewhere.txt")
        assert engine.status(ref).done == 0

    def test_many_problems_are_cut(self, engine: FolderEngine, ref: str, work: Path):
        for n in range(50):
            (work / f"labels/stray{n}.txt").write_text("")
        problems = engine.status(ref).problems
        assert len(problems) == 21
        assert problems[-1] == "... and 30 more problems."

    def test_a_damaged_task_file_is_named(self, engine: FolderEngine, ref: str, work: Path):
        (work / "task.json").write_text('{"task_id": "task-1"')
        with pytest.raises(TaskFileDamaged, match="Remove it and retry"):
            engine.status(ref)
        (work / "labels/00000000.txt").write_text(LINE)
        (work / "task.json").unlink()
        engine.open(SPEC)
        assert (work / "labels/00000000.txt").exists()


class TestClosing:
    def test_what_a_person_made_stays(self, engine: FolderEngine, ref: str, work: Path):
        (work / "labels/00000000.txt").write_text(LINE)
        (work / "images/00000001.txt").write_text(LINE)
        before = engine.pull(ref)
        engine.close(ref)
        assert not list((work / "images").glob("*.jpg"))
        assert engine.pull(ref) == before
        engine.close(ref)

    def test_a_closed_labeling_can_be_opened_again(
        self, engine: FolderEngine, ref: str, work: Path, tmp_path: Path
    ):
        engine.close(ref)
        assert engine.open(SPEC) == ref
        engine.push(ref, images(tmp_path / "frames", [0, 1, 2]), {})
        assert (work / "images/00000002.jpg").is_file()

    def test_closing_what_is_gone_is_harmless(self, engine: FolderEngine):
        engine.close("task-that-never-was")


def test_another_engine_starts_afresh(engine: FolderEngine, ref: str, tmp_path: Path):
    from services.labeling_manager.engines.auto import AutoEngine

    auto = AutoEngine(tmp_path / "labels")
    assert auto.status(auto.open(replace(SPEC, classes=("rat",)))).total == 0
