"""Labels of several rounds in one data set, judged by frames that round one froze."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from services.model_trainer.engines.dataset import build_dataset, load_dataset
from services.model_trainer.engines.frozen import read_frozen, split_by_frozen
from services.model_trainer.engines.merge import Source, merge
from services.model_trainer.engines.split import GUARD_S
from services.model_trainer.errors import FrameMissing, FrozenVideoTaught
from shared.errors import NotFound
from shared.labels.boxes import FrameLabels, FrameState, LabelSet
from tests.services.model_trainer.squares import FAST, render

ONE, TWO = "a" * 64, "b" * 64


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Round one: 24 frames of a video, three seconds apart; its folder, labels and data set."""
    folder = tmp_path_factory.mktemp("first")
    labels = render(folder / "frames", [[0], [0, 1], [], [1]] * 6, step_s=3.0)
    dataset = build_dataset(folder / "frames", labels, FAST, folder / "work", video=ONE)
    return folder / "frames", labels, dataset


def at(folder, times_s, template):
    """Frames of the same video at other times, with the boxes of the frames of `template`."""
    frames, labels, _ = template
    folder.mkdir()
    rows, made = [], []
    for time_s, like in zip(times_s, [f for f in labels.frames if f.boxes], strict=False):
        frame = round(time_s * 100)
        file = f"{frame:08d}.jpg"
        shutil.copyfile(frames / like.file, folder / file)
        rows.append({"frame": frame, "file": file, "time_s": time_s})
        made.append(FrameLabels.seen(frame, file, like.boxes))
    (folder / "frames.json").write_text(json.dumps({"fps": 100, "frames": rows}))
    return LabelSet(labels.classes, tuple(made))


def second(tmp_path, first, times_s, **settings):
    frames, labels, dataset = first
    new = at(tmp_path / "new", times_s, first)
    return build_dataset(
        tmp_path / "new",
        new,
        FAST,
        tmp_path / "work",
        **{
            "video": ONE,
            "number": 2,
            "earlier": [Source(frames, labels, ONE, 1)],
            "frozen": dataset.frozen,
            **settings,
        },
    )


def test_round_one_freezes_what_judges(first):
    _, labels, dataset = first
    by_frame = {frame.frame: frame.file for frame in labels.frames}
    assert [by_frame[each.frame] for each in dataset.frozen.frames] == list(dataset.val)
    assert {each.video for each in dataset.frozen.frames} == {ONE}
    assert len(set(dataset.val_blocks)) == len(dataset.val_blocks_s)
    assert load_dataset(dataset.work).frozen == dataset.frozen


def test_a_second_round_judges_by_the_same_frames_and_teaches_the_new_ones(first, tmp_path):
    _, _, dataset = first
    judges = [each.time_s for each in dataset.frozen.frames]
    far = [t + 1.5 for t in range(0, 69, 3) if min(abs(t + 1.5 - j) for j in judges) > GUARD_S][:6]
    again = second(tmp_path, first, far)
    assert again.val == dataset.val
    assert again.frozen == dataset.frozen
    assert set(dataset.train) < set(again.train)
    assert again.images_by_round["2"] == len(far)
    assert again.leakage == 0
    assert again.leak == ""
    assert again.summary.startswith("round 2: ")
    assert again.sha256 != dataset.sha256


def test_new_frames_close_to_a_judge_are_dropped(first, tmp_path):
    judge = first[2].frozen.frames[0].time_s
    again = second(tmp_path, first, [judge - 1.9, judge + 0.5, judge + 1.1])
    assert len(again.dropped) - len(first[2].dropped) >= 3
    assert again.leakage == 0


def test_a_frame_that_was_labelled_twice_has_the_newest_boxes(first):
    frames, labels, _ = first
    old = next(frame for frame in labels.frames if len(frame.boxes) == 1)
    moved = replace(old, boxes=(replace(old.boxes[0], cx=0.5, cy=0.5),))
    newer = LabelSet(labels.classes, (moved,))
    merged = merge([Source(frames, labels, ONE, 1), Source(frames, newer, ONE, 2)])
    found = {each.labels.frame: each for each in merged.frames}
    assert found[old.frame].labels.boxes == moved.boxes
    assert found[old.frame].round == 2
    assert len(merged.frames) == len(labels.usable)


def test_a_frame_that_was_not_looked_at_again_keeps_its_labels(first):
    frames, labels, _ = first
    old = labels.frames[0]
    unseen = LabelSet(labels.classes, (FrameLabels(old.frame, old.file, FrameState.UNSEEN),))
    merged = merge([Source(frames, labels, ONE, 1), Source(frames, unseen, ONE, 2)])
    assert merged.frames[0].labels.boxes == old.boxes
    assert merged.unseen == 0


def test_classes_are_matched_by_name_and_new_ones_come_last(first):
    frames, labels, _ = first
    other = replace(labels, classes=("tile", "square"))
    more = replace(labels, classes=("tile", "rat"))
    merged = merge([Source(frames, labels, ONE, 1), Source(frames, other, TWO, 2)])
    assert merged.classes == ("square", "tile")
    swapped = [
        f.labels.boxes[0].class_id for f in merged.frames if f.video == TWO and f.labels.boxes
    ]
    plain = [f.labels.boxes[0].class_id for f in merged.frames if f.video == ONE and f.labels.boxes]
    assert swapped == [1 - class_id for class_id in plain]
    merged = merge([Source(frames, labels, ONE, 1), Source(frames, more, TWO, 2)])
    assert merged.classes == ("square", "tile", "rat")


def test_frames_of_two_videos_keep_their_names_apart(first):
    frames, labels, _ = first
    merged = merge([Source(frames, labels, ONE, 1), Source(frames, labels, TWO, 2)])
    names = [each.name for each in merged.frames]
    assert len(set(names)) == len(names) == 2 * len(labels.usable)
    assert names[0] == labels.frames[0].file
    assert names[-1] == f"{TWO[:12]}-{labels.frames[-1].file}"


def test_a_whole_video_may_be_frozen_later(first, tmp_path):
    again = second(tmp_path, first, range(0, 60, 3), video=TWO, freeze_videos=[TWO])
    assert set(first[2].val) < set(again.val)
    assert again.val_videos.count(TWO) == len(again.val) - len(first[2].val)
    assert list(again.images_by_round) == ["1"]
    assert again.frozen.videos == (TWO,)
    assert max(again.val_blocks) == max(first[2].val_blocks) + 1


def test_a_video_that_was_taught_cannot_be_frozen(first, tmp_path):
    with pytest.raises(FrozenVideoTaught, match="earlier rounds taught from its frames"):
        second(tmp_path, first, [1.5], freeze_videos=[ONE])


def test_leaking_says_that_nothing_can_be_promoted(tmp_path):
    labels = render(tmp_path / "short", [[0]] * 8, step_s=0.1)
    dataset = build_dataset(tmp_path / "short", labels, FAST, tmp_path / "work")
    assert dataset.leakage == 1
    assert "nothing can be promoted by them" in dataset.leak


def test_building_a_round_again_gives_the_same(first, tmp_path):
    built = second(tmp_path, first, [1.5, 4.5, 7.5])
    shutil.rmtree(tmp_path / "new")
    assert second(tmp_path, first, [1.5, 4.5, 7.5]) == built


def once_more(first, tmp_path, labels):
    """Round one again, with `labels` and what it froze before."""
    frames, _, dataset = first
    work = tmp_path / "again"
    return build_dataset(frames, labels, FAST, work, video=ONE, frozen=dataset.frozen)


def test_round_one_that_runs_again_is_the_same(first, tmp_path):
    again = once_more(first, tmp_path, first[1])
    assert replace(again, work=first[2].work) == first[2]
    assert again.frozen == first[2].frozen


def test_round_one_of_a_short_video_that_runs_again_is_the_same(tmp_path):
    labels = render(tmp_path / "short", [[0]] * 16, step_s=0.3)
    built = build_dataset(tmp_path / "short", labels, FAST, tmp_path / "work")
    frozen = built.frozen
    assert frozen.taught_near
    again = build_dataset(tmp_path / "short", labels, FAST, tmp_path / "work", frozen=frozen)
    assert again == built


def test_round_one_that_runs_again_with_other_labels_is_judged_by_the_same_frames(first, tmp_path):
    frames, labels, dataset = first
    judges = {each.frame for each in dataset.frozen.frames}
    taught = [frame for frame in labels.frames if frame.frame not in judges]
    fewer = LabelSet(labels.classes, tuple(f for f in labels.frames if f not in taught[::3]))
    anew = build_dataset(frames, fewer, FAST, tmp_path / "anew", video=ONE)
    assert anew.val != dataset.val  # by itself it would freeze others
    again = once_more(first, tmp_path, fewer)
    assert (again.val, again.frozen) == (dataset.val, dataset.frozen)
    assert set(again.train) < set(dataset.train)


def test_round_one_freezes_anew_when_none_of_its_judges_is_labelled_any_more(first, tmp_path):
    _, labels, dataset = first
    judges = {each.frame for each in dataset.frozen.frames}
    left = LabelSet(labels.classes, tuple(f for f in labels.frames if f.frame not in judges))
    again = once_more(first, tmp_path, left)
    assert again.val
    assert not set(again.val) & set(dataset.val)
    assert len(again.frozen.frames) == len(again.val)


def test_a_label_of_another_extraction_is_named(first):
    frames, labels, _ = first
    stray = FrameLabels.seen(7, "00000007.jpg", labels.frames[0].boxes)
    with pytest.raises(FrameMissing, match="Frame 7 is labelled but not listed"):
        merge([Source(frames, LabelSet(labels.classes, (stray,)), ONE, 1)])


def test_frames_of_one_split_never_overlap(first):
    frames, labels, dataset = first
    merged = merge([Source(frames, labels, ONE, 1)])
    split = split_by_frozen(merged.frames, dataset.frozen)
    parts = [*split.train, *split.val, *split.dropped]
    assert sorted(parts) == list(range(len(merged.frames)))


def test_a_missing_list_is_said(tmp_path):
    with pytest.raises(NotFound, match="no frozen validation set"):
        read_frozen(tmp_path / "frozen.json")
