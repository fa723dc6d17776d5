from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from services.model_trainer.engines.compare import compare, units_of
from services.model_trainer.engines.evaluate_matches import (
    JudgedFrame,
    average_precisions,
    match,
    mean_ap,
)
from shared.vision.boxes import Detections
from shared.vision.metrics import Truth, mean_average_precision


def judged(*, frames: int = 24, spread: float = 0.08, missed: float = 0.2, seed: int = 0):
    """Frames with up to three boxes of two classes; predictions `spread` beside them, some absent."""
    random = np.random.default_rng(seed)
    truth_random = np.random.default_rng(99)  # the same truth for every model
    made = []
    for i in range(frames):
        count = int(truth_random.integers(0, 4))
        corner = truth_random.uniform(0, 60, (count, 2))
        boxes = np.hstack([corner, corner + truth_random.uniform(20, 40, (count, 2))])
        classes = truth_random.integers(0, 2, count)
        found, found_class = [], []
        for box, class_id in zip(boxes, classes, strict=True):
            for _ in range(2):
                if random.random() > missed:
                    found.append(box + random.normal(0, spread * 30, 4))
                    found_class.append(class_id if random.random() > 0.1 else 1 - class_id)
        for _ in range(int(random.integers(0, 3))):
            left, top = random.uniform(0, 80, 2)
            found.append([left, top, left + 20, top + 20])
            found_class.append(int(random.integers(0, 2)))
        order = np.argsort(-(confidence := random.random(len(found)).astype(np.float32)))
        made.append(
            JudgedFrame(
                f"{i}.jpg",
                Truth(boxes.astype(np.float32), classes),
                Detections(
                    np.array(found, np.float32).reshape(-1, 4)[order],
                    confidence[order],
                    np.array(found_class, np.int64)[order],
                ),
            )
        )
    return made


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_choice_of_frames_is_scored_as_the_metric_scores_it(seed):
    frames = judged(seed=seed)
    times = np.random.default_rng(seed).integers(0, 3, (4, len(frames)))
    map50, map50_95 = mean_ap(average_precisions(match(frames, 2), times))
    for draw in range(len(times)):
        chosen = [frame for frame, n in zip(frames, times[draw], strict=True) for _ in range(n)]
        score = mean_average_precision([f.truth for f in chosen], [f.found for f in chosen])
        assert map50[draw] == pytest.approx(score.map50, abs=1e-3)
        assert map50_95[draw] == pytest.approx(score.map50_95, abs=1e-3)


def test_classes_may_count_as_one():
    frames = judged(seed=5)
    once = np.ones((1, len(frames)), np.int64)
    agnostic = mean_ap(average_precisions(match(frames, 2, class_agnostic=True), once))
    score = mean_average_precision(
        [f.truth for f in frames], [f.found for f in frames], class_agnostic=True
    )
    assert agnostic[0][0] == pytest.approx(score.map50, abs=1e-9)
    assert agnostic[1][0] == pytest.approx(score.map50_95, abs=1e-9)


def against(new, other, blocks=None, **settings):
    blocks = blocks or [i // 2 for i in range(len(new))]
    return compare(("task-a/2", match(new, 2)), ("task-a/1", match(other, 2)), blocks, **settings)


def test_a_clearly_better_model_is_better_and_the_reverse_is_not():
    good, bad = judged(spread=0.02, missed=0.05), judged(spread=0.2, missed=0.5, seed=4)
    forward, back = against(good, bad, draws=200), against(bad, good, draws=200)
    assert forward.map50_95.difference == pytest.approx(-back.map50_95.difference)
    assert forward.map50_95.low > 0
    better, sentence = forward.better(0.005, 0.9)
    assert better
    assert "task-a/2 is better by at least 0.005" in sentence
    assert f"{forward.map50_95.difference:+.3f}" in sentence
    worse, sentence = back.better(0.005, 0.9)
    assert not worse
    assert "task-a/2 is not better" in sentence


def test_the_same_model_is_not_better_than_itself():
    frames = judged()
    comparison = against(frames, frames, draws=50)
    assert (comparison.map50_95.difference, comparison.map50_95.share_better) == (0, 0)
    assert comparison.better(0.0, 0.9)[0] is False


def test_a_margin_that_is_not_reached_is_told():
    comparison = against(judged(spread=0.05), judged(spread=0.07), draws=100)
    comparison = replace(
        comparison,
        map50_95=replace(comparison.map50_95, difference=0.003, share_better=0.99),
    )
    assert "less than the 0.005 asked for" in comparison.better(0.005, 0.9)[1]
    unsure = replace(
        comparison, map50_95=replace(comparison.map50_95, difference=0.02, share_better=0.8)
    )
    better, sentence = unsure.better(0.005, 0.9)
    assert not better
    assert "not sure enough: 90% of the draws" in sentence
    assert "With 24 frames the interval is wide" in sentence


def test_the_same_seed_gives_the_same_numbers_and_a_record_is_json():
    frames, others = judged(), judged(seed=7)
    first, again = (against(frames, others, draws=60, seed=3) for _ in range(2))
    assert first == again
    record = json.loads(json.dumps(first.record(0.005, 0.9)))
    assert record["against"] == "task-a/1"
    assert record["difference"] == first.map50_95.difference
    assert record["better"] is first.better(0.005, 0.9)[0]
    assert record["sentence"] == first.better(0.005, 0.9)[1]


def test_few_blocks_are_cut_into_contiguous_parts_and_that_is_said():
    blocks = [0] * 8 + [1] * 8
    units = units_of(blocks)
    assert len(set(units)) == 10
    assert units == sorted(units)
    assert {units[i] for i in range(8)}.isdisjoint({units[i] for i in range(8, 16)})
    frames = judged(frames=16)
    comparison = against(frames, judged(frames=16, seed=2), blocks, draws=20)
    assert comparison.drawn == "10 contiguous parts of only 2 blocks of time"
    many = against(judged(), judged(seed=2), draws=20)
    assert many.drawn == "12 blocks of time"


def test_one_frame_cannot_tell_anything():
    frames = judged(frames=4)[3:]
    comparison = against(frames, frames, [0], draws=10)
    better, sentence = comparison.better(0.0, 0.6)
    assert not better
    assert "1 validation frame is too few" in sentence


def test_fewer_frames_make_wider_intervals():
    def width(frames):
        found = against(
            judged(frames=frames, spread=0.05), judged(frames=frames, spread=0.1, seed=1), draws=200
        ).map50_95
        return found.high - found.low

    assert width(20) > width(160)
