from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from services.model_trainer.engines.dataset import build_dataset, load_dataset
from services.model_trainer.errors import (
    ClassNotInTraining,
    DatasetTooSmall,
    FrameMissing,
    NothingLabelled,
)
from shared.errors import NotFound
from shared.labels.boxes import FrameLabels, FrameState, LabelSet
from shared.labels.yolo import parse_yolo
from tests.services.model_trainer.squares import FAST, render


def unseen(frame: FrameLabels) -> FrameLabels:
    return FrameLabels(frame.frame, frame.file, FrameState.UNSEEN)


@pytest.fixture
def built(tmp_path):
    labels = render(tmp_path / "frames", [[0, 1], [0], [], [0, 1], [1]] * 5, step_s=3.0)
    frames = [unseen(f) if i in {4, 11} else f for i, f in enumerate(labels.frames)]
    labels = LabelSet(labels.classes, tuple(frames))
    return labels, build_dataset(tmp_path / "frames", labels, FAST, tmp_path / "work")


def test_frames_and_labels_lie_where_ultralytics_looks(built):
    labels, dataset = built
    by_file = {frame.file: frame for frame in labels.frames}
    assert len(dataset.train) + len(dataset.val) + len(dataset.dropped) == 23
    assert dataset.unseen == 2
    for name, files in (("train", dataset.train), ("val", dataset.val)):
        data = dataset.work / "data"
        assert sorted(file.name for file in (data / "images" / name).iterdir()) == sorted(files)
        for file in files:
            text = (data / "labels" / name / file).with_suffix(".txt").read_text()
            boxes = parse_yolo(text, dataset.classes, where=file)
            assert [box.class_id for box in boxes] == [box.class_id for box in by_file[file].boxes]
    content = yaml.safe_load(dataset.yaml.read_text())
    assert content == {
        "train": "data/images/train",
        "val": "data/images/val",
        "names": {0: "square", 1: "tile"},
    }


def test_the_split_is_written_for_people_and_programs(built):
    _, dataset = built
    header, *lines = (dataset.work / "data" / "train_test_split.txt").read_text().splitlines()
    assert header.startswith("# set image time_s")
    rows = [line.split() for line in lines]
    assert [row[1].split("/")[-1] for row in rows if row[0] == "val"] == list(dataset.val)
    assert [row[1] for row in rows if row[0] == "train"] == [
        f"images/train/{file}" for file in dataset.train
    ]
    assert [float(row[2]) for row in rows] == sorted(float(row[2]) for row in rows)


def test_images_are_linked_not_doubled(built, tmp_path):
    _, dataset = built
    image = dataset.work / "data" / "images" / "train" / dataset.train[0]
    assert image.samefile(tmp_path / "frames" / dataset.train[0])


def test_a_damaged_jpeg_is_copied_because_it_gets_repaired_in_place(tmp_path):
    labels = render(tmp_path / "frames", [[0]] * 8, step_s=3.0)
    for frame in labels.frames:
        file = tmp_path / "frames" / frame.file
        file.write_bytes(file.read_bytes()[:-2])
    dataset = build_dataset(tmp_path / "frames", labels, FAST, tmp_path / "work")
    image = dataset.work / "data" / "images" / "train" / dataset.train[0]
    assert not image.samefile(tmp_path / "frames" / dataset.train[0])
    assert image.read_bytes() == (tmp_path / "frames" / dataset.train[0]).read_bytes()


def test_building_again_gives_the_same_data_set_without_leftovers(built, tmp_path):
    labels, dataset = built
    (dataset.work / "data" / "labels" / "train.cache").write_text("stale")
    (dataset.work / "data.part").mkdir()
    assert build_dataset(tmp_path / "frames", labels, FAST, dataset.work) == dataset
    assert load_dataset(dataset.work) == dataset
    assert sorted(each.name for each in dataset.work.iterdir()) == ["data", "data.yaml"]
    assert not (dataset.work / "data" / "labels" / "train.cache").exists()


def test_other_labels_make_another_data_set(built, tmp_path):
    labels, dataset = built
    fewer = LabelSet(labels.classes, (unseen(labels.frames[0]), *labels.frames[1:]))
    other = build_dataset(tmp_path / "frames", fewer, FAST, dataset.work)
    assert other.sha256 != dataset.sha256
    assert labels.frames[0].file not in {*other.train, *other.val, *other.dropped}


def test_the_summary_says_what_the_figures_are_worth(built, tmp_path):
    _, dataset = built
    assert "leakage: 0% of the validation frames lie within 2 s" in dataset.summary
    labels = render(tmp_path / "short", [[0]] * 4, step_s=0.04)
    short = build_dataset(tmp_path / "short", labels, FAST, tmp_path / "short_work")
    assert short.leakage == 1.0
    assert any("100% of the validation frames" in warning for warning in short.warnings)
    assert any("Only 1 validation frame" in warning for warning in short.warnings)


def test_a_class_without_a_box_is_named(tmp_path):
    labels = render(tmp_path / "frames", [[0]] * 12, step_s=3.0)
    labels = replace(labels, classes=("square", "rat"))
    dataset = build_dataset(tmp_path / "frames", labels, FAST, tmp_path / "work")
    assert dataset.boxes["rat"] == (0, 0)
    assert any("No box is labelled rat" in warning for warning in dataset.warnings)


def test_a_class_of_one_frame_is_taught_and_its_figures_are_doubted(tmp_path):
    labels = render(tmp_path / "frames", [[0]] * 7 + [[0, 1]] + [[0]] * 7, step_s=3.0)
    dataset = build_dataset(tmp_path / "frames", labels, FAST, tmp_path / "work")
    assert dataset.boxes["tile"] == (1, 0)
    assert any("Validation holds no tile" in warning for warning in dataset.warnings)


def test_classes_that_no_cut_can_teach_are_named(tmp_path):
    labels = render(tmp_path / "frames", [[0], [], [], [1]], step_s=3.0)
    settings = FAST.model_copy(update={"min_images": 2})
    with pytest.raises(ClassNotInTraining, match=r"would have no (square|tile)"):
        build_dataset(tmp_path / "frames", labels, settings, tmp_path / "work")
    assert not (tmp_path / "work" / "data").exists()


def test_three_frames_are_refused_unless_asked_for(tmp_path):
    labels = render(tmp_path / "frames", [[0]] * 3, step_s=0.1)
    with pytest.raises(DatasetTooSmall, match=r"Only 3 labelled frames .* training needs 4\."):
        build_dataset(tmp_path / "frames", labels, FAST, tmp_path / "work")
    settings = FAST.model_copy(update={"min_images": 3})
    dataset = build_dataset(tmp_path / "frames", labels, settings, tmp_path / "work")
    assert (len(dataset.train), len(dataset.val)) == (2, 1)


def test_no_box_at_all_is_said(tmp_path):
    labels = render(tmp_path / "frames", [[]] * 5)
    with pytest.raises(NothingLabelled, match=r"None of the 5 frames has a box \(5 are confirmed"):
        build_dataset(tmp_path / "frames", labels, FAST, tmp_path / "work")


@pytest.mark.parametrize("fault", ["absent", "empty", "unlisted"])
def test_a_frame_that_is_not_there_is_named(tmp_path, fault):
    labels = render(tmp_path / "frames", [[0]] * 8, step_s=3.0)
    file = tmp_path / "frames" / labels.frames[3].file
    if fault == "absent":
        file.unlink()
    elif fault == "empty":
        file.write_bytes(b"")
    else:
        extra = FrameLabels.seen(999, "00000999.jpg", list(labels.frames[0].boxes))
        labels = LabelSet(labels.classes, (*labels.frames, extra))
    with pytest.raises(FrameMissing, match=r"00000900|999"):
        build_dataset(tmp_path / "frames", labels, FAST, tmp_path / "work")
    assert not (tmp_path / "work" / "data").exists()


def test_a_data_set_must_be_built_before_it_is_loaded(tmp_path):
    with pytest.raises(NotFound, match="Build it first"):
        load_dataset(tmp_path)
