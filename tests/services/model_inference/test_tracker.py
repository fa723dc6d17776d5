"""Identities through crossings, gaps, weak frames, and across a restart."""

from __future__ import annotations

import json

import numpy as np
import pytest

from services.model_inference.engines.tracker import Tracker
from shared.vision.boxes import Detections

FPS = 25.0


def _found(boxes, confidence=0.9, classes=None) -> Detections:
    """Boxes as centre x, centre y, width, height."""
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    xyxy = np.concatenate(
        [boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1
    )
    return Detections(
        xyxy,
        np.broadcast_to(np.float32(confidence), len(boxes)).copy(),
        np.array(classes if classes is not None else np.zeros(len(boxes)), np.int64),
    )


def _tracker(lost_s: float = 1.0) -> Tracker:
    return Tracker(FPS, confidence=0.25, lost_s=lost_s)


def test_numbers_count_from_one_in_order_of_confidence():
    tracker = _tracker()
    ids = tracker.update(_found([(50, 50, 20, 20), (150, 50, 20, 20)]), 0.0)
    assert ids.tolist() == [1, 2]
    assert ids.dtype == np.int64
    ids = tracker.update(_found([(151, 50, 20, 20), (51, 50, 20, 20), (90, 90, 9, 9)]), 1 / FPS)
    assert ids.tolist() == [2, 1, 3]
    assert tracker.tracks == 3


def test_two_that_cross_keep_their_numbers():
    tracker = _tracker()
    for frame in range(60):
        x = 20 + 4.0 * frame
        boxes = [(x, 100, 24, 24), (260 - x, 108, 24, 24)]  # they meet in the middle
        order = [0, 1] if frame % 2 else [1, 0]
        ids = tracker.update(_found([boxes[i] for i in order]), frame / FPS)
        by_animal = dict(zip(order, ids.tolist(), strict=True))
        if frame == 0:
            first = by_animal
        assert by_animal == first


@pytest.mark.parametrize(("hidden_frames", "same"), [(15, True), (40, False)])
def test_one_that_hides_keeps_its_number_for_the_lost_time(hidden_frames, same):
    tracker = _tracker(lost_s=1.0)
    frames = [frame for frame in range(100) if not 30 <= frame < 30 + hidden_frames]
    ids = {f: tracker.update(_found([(20 + 2.0 * f, 60, 20, 20)]), f / FPS)[0] for f in range(30)}
    for frame in range(30, 30 + hidden_frames):
        assert not len(tracker.update(_found([]), frame / FPS))
    for frame in frames[30:]:
        ids[frame] = tracker.update(_found([(20 + 2.0 * frame, 60, 20, 20)]), frame / FPS)[0]
    assert (ids[frames[-1]] == ids[0]) == same
    assert len(set(ids.values())) == (1 if same else 2)


def test_a_weak_box_continues_a_track_but_begins_none():
    tracker = _tracker()
    for frame in range(5):
        tracker.update(_found([(50 + frame, 50, 20, 20)]), frame / FPS)
    weak = _found([(55, 50, 20, 20), (150, 150, 20, 20)], confidence=0.15)
    assert tracker.update(weak, 5 / FPS).tolist() == [1, 0]
    assert tracker.tracks == 1


def test_classes_are_tracked_apart():
    tracker = _tracker()
    for frame in range(4):
        assert tracker.update(_found([(50, 50, 20, 20)], classes=[0]), frame / FPS) == [1]
    assert tracker.update(_found([(50, 50, 20, 20)], classes=[1]), 4 / FPS) == [2]


def test_skipped_frames_change_the_step_not_the_numbers():
    """Every fifth frame, 3 pixels a frame: the boxes of one animal hardly overlap."""
    tracker = _tracker()
    ids = []
    for frame in range(0, 200, 5):
        found = _found([(30 + 3.0 * frame, 60, 24, 24), (700 - 3.0 * frame, 150, 24, 24)])
        ids.append(tracker.update(found, frame / FPS).tolist())
    assert ids == [[1, 2]] * 40


def test_a_long_pause_between_frames_does_not_end_what_is_still_there():
    tracker = _tracker(lost_s=0.5)
    for second in range(0, 60, 4):  # steps far beyond lost_s
        assert tracker.update(_found([(50, 50, 30, 30)]), float(second)).tolist() == [1]


def _noisy(seed: int, frames: int) -> list[Detections]:
    """Random walks with misses, false alarms and weak boxes."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(50, 350, (6, 2))
    found = []
    for _ in range(frames):
        centre = np.clip(centre + rng.normal(0, 3, centre.shape), 10, 390)
        seen = rng.random(6) > 0.15
        boxes = [(*point, 25, 18) for point in centre[seen]]
        boxes += [(*rng.uniform(0, 400, 2), 20, 20)] * int(rng.random() < 0.2)
        found.append(_found(boxes, confidence=rng.choice([0.15, 0.5, 0.9], len(boxes))))
    return found


@pytest.mark.parametrize("cut", [1, 37, 119])
def test_a_restored_tracker_goes_on_as_if_nothing_had_happened(cut):
    frames = _noisy(5, 120)
    whole, first, second = _tracker(), _tracker(), _tracker()
    expected = [whole.update(found, n / FPS).tolist() for n, found in enumerate(frames)]
    got = [first.update(found, n / FPS).tolist() for n, found in enumerate(frames[:cut])]
    second.restore(json.loads(json.dumps(first.state())))
    got += [
        second.update(found, n / FPS).tolist() for n, found in enumerate(frames[cut:], start=cut)
    ]
    assert got == expected
    assert second.state() == whole.state()
    assert max(max(ids, default=0) for ids in got) == whole.tracks


def test_memory_holds_only_the_living():
    tracker = _tracker()
    rng = np.random.default_rng(0)
    for frame in range(400):
        tracker.update(_found([(*rng.uniform(0, 4000, 2), 10, 10) for _ in range(5)]), frame / FPS)
    assert tracker.tracks > 1500
    assert len(tracker.state()["id"]) < 200


def test_degenerate_boxes_and_equal_times_do_no_harm():
    tracker = _tracker()
    for time_s in (0.0, 0.0, 0.04, 0.02):
        ids = tracker.update(_found([(5, 5, 1e-3, 1e-3), (5, 5, 400, 300)]), time_s)
        assert (ids > 0).all()
        assert len(set(ids.tolist())) == 2
    assert np.isfinite(tracker.state()["position"]).all()
