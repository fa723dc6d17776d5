"""What every strategy promises, and what each of them goes by."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.video_processor.engines.choice.breaks import track_breaks
from services.video_processor.engines.choice.clusters import cluster
from services.video_processor.engines.choice.doubt import (
    disagreement,
    doubts,
    entropy,
    margin_doubt,
)
from services.video_processor.engines.choice.port import CannotAct, Material
from services.video_processor.engines.choice.results import Found, read, stride
from services.video_processor.engines.choice.selection import Looks
from services.video_processor.engines.choice.strategies import STRATEGIES
from shared.errors import Invalid
from tests.services.video_processor.choice_films import table

FIGURES = ("motion", "uncertainty", "track_breaks")


@st.composite
def materials(draw):
    count = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    taken = rng.random(count) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    figures = {
        name: rng.random(count).astype(np.float32).round(1) if draw(st.booleans()) else None
        for name in FIGURES
    }
    features = rng.normal(size=(count, 4)) * draw(st.sampled_from([0, 1]))
    return Material(
        np.arange(count) * 3,
        np.arange(count) * 0.1,
        taken,
        features.astype(np.float32),
        **figures,
    )


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=30)
@given(material=materials(), wanted=st.integers(1, 80), seed=st.integers(0, 2**31))
def test_a_ranking_holds_free_candidates_once_and_is_the_same_again(name, material, wanted, seed):
    strategy = STRATEGIES[name]
    try:
        ranked = strategy.rank(material, wanted, seed)
    except CannotAct:
        figures = getattr(material, name) if name in FIGURES else material.features
        assert figures is None or not (figures[~material.taken] > 0).any() or len(figures) == 1
        return
    rows = [each.row for each in ranked]
    assert len(set(rows)) == len(rows)
    assert all(0 <= row < len(material.frames) and not material.taken[row] for row in rows)
    assert list(strategy.rank(material, wanted, seed)) == list(ranked)
    if name in FIGURES:
        scores = [each.score for each in ranked]
        assert scores == sorted(scores, reverse=True)
        assert min(scores) > 0
    else:
        assert len(rows) == (~material.taken).sum()


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_kind_has_a_cluster_of_its_own(seed):
    rng = np.random.default_rng(seed)
    centres = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])
    kinds = np.repeat([0, 1, 2, 3], [2000, 40, 20, 10])
    rows = rng.normal(centres[kinds], 0.5).astype(np.float32)
    labels, distances = cluster(rows, 12, seed)
    assert all(len(set(kinds[labels == each])) == 1 for each in set(labels))
    assert distances.max() < 4
    again, _ = cluster(rows, 12, seed)
    assert (again == labels).all()


def test_rows_that_are_all_equal_are_one_cluster():
    labels, distances = cluster(np.ones((50, 3), np.float32), 8, seed=0)
    assert set(labels) == {0}
    assert distances.max() < 1e-3


def found(*boxes, kinds=None):
    """(x, confidence) each; boxes of 10 pixels."""
    xyxy = np.array([[x, 0, x + 10, 10] for x, _ in boxes], np.float32).reshape(-1, 4)
    sure = np.array([sure for _, sure in boxes], np.float32)
    kinds = kinds or ("mouse",) * len(boxes)
    return Found(0, xyxy, sure, ("",) * len(boxes), tuple(kinds))


def test_entropy_is_of_the_least_certain_boxes():
    assert entropy(found((0, 0.5))) == pytest.approx(1)
    assert entropy(found((0, 0.999999))) < 1e-4
    crowd = [(50 * i, 0.999) for i in range(20)]
    assert entropy(found(*crowd, (2000, 0.5))) > 0.3
    assert entropy(found()) == 0


def test_a_margin_is_to_the_best_rival_in_the_same_place():
    assert margin_doubt(found((0, 0.9))) == pytest.approx(0.2, abs=1e-6)
    rivals = found((0, 0.9), (1, 0.85), kinds=("mouse", "rat"))
    assert margin_doubt(rivals) == pytest.approx(0.95, abs=1e-6)
    elsewhere = found((0, 0.9), (100, 0.85), kinds=("mouse", "rat"))
    assert margin_doubt(elsewhere) == pytest.approx(0.3, abs=1e-6)
    assert margin_doubt(found()) == 0


def test_models_disagree_by_what_only_one_of_them_sees():
    one, other = found((0, 0.9), (100, 0.9)), found((0, 0.4), (100, 0.3))
    assert disagreement(one, other) == pytest.approx(0, abs=1e-6)
    assert disagreement(one, found((0, 0.9))) == pytest.approx(1 / 3, abs=1e-6)
    assert disagreement(one, found((300, 0.9), (400, 0.9))) == 1
    assert disagreement(one, found()) == 1
    assert disagreement(found(), found()) == 0


def test_a_model_that_was_not_asked_has_no_opinion(tmp_path):
    """The global model saw every fifth frame up to 50; it missed the animal at 20 only."""
    last = table(tmp_path / "last.csv", [(i, 1, 0.99, 10, 10) for i in range(100)])
    seen = [(i, "", 0.99, 10, 10) for i in range(0, 55, 5) if i != 20]
    other = table(tmp_path / "global.csv", seen)
    found = doubts(last, other, 100)
    assert int(found.argmax()) == 20
    assert found[np.arange(100) != 20].max() < 0.1


def test_gaps_of_a_track_and_its_ends_are_breaks(tmp_path):
    rows = [(i, 1, 0.9, 50, 40) for i in range(0, 400, 2) if not 100 <= i < 110]
    rows += [(i, 2, 0.9, 80, 40) for i in range(50, 200, 2)]
    breaks = track_breaks(table(tmp_path / "t.csv", sorted(rows)), 400, 25.0, (160, 96))
    assert np.flatnonzero(breaks).tolist() == [48, 100, 200]
    assert breaks[200] > breaks[100] * 0.5
    untracked = table(tmp_path / "u.csv", [(i, "", 0.9, 50, 40) for i in range(10)])
    assert track_breaks(untracked, 10, 25.0, (160, 96)) is None


def test_a_table_is_read_frame_by_frame(tmp_path):
    file = table(tmp_path / "t.csv", [(0, 1, 0.9, 1, 2), (0, 2, 0.8, 5, 6), (6, 1, 0.7, 3, 4)])
    frames = list(read(file))
    assert [(each.frame, len(each)) for each in frames] == [(0, 2), (6, 1)]
    assert frames[0].xyxy.tolist() == [[1, 2, 11, 12], [5, 6, 15, 16]]
    assert stride(file) == 6
    backwards = table(tmp_path / "b.csv", [(6, 1, 0.9, 1, 2), (0, 1, 0.9, 1, 2)])
    with pytest.raises(Invalid, match="not in order"):
        list(read(backwards))


@pytest.mark.parametrize(
    ("cover", "boxes", "alike"),
    [
        ((0.1, 0.1), None, True),
        ((0.9, 0.9), None, False),  # the camera moves: nothing is known
        ((0.9, 0.9), ([0, 0, 10, 10], [0, 0, 10, 11]), True),
        ((0.1, 0.1), ([0, 0, 10, 10], [30, 0, 40, 10]), False),
        ((0.1, 0.1), ([0, 0, 10, 10], None), False),
    ],
)
def test_frames_are_alike_by_boxes_and_foreground(cover, boxes, alike):
    masks = np.full((2, 8), 0b1100, np.uint8)
    by_row = None
    if boxes:
        by_row = {i: np.array([box], np.float32) for i, box in enumerate(boxes) if box}
    assert Looks(masks, np.array(cover), by_row).alike(0, [1]) is alike


def test_another_place_of_the_foreground_is_another_picture():
    masks = np.array([[0b1100] * 8, [0b0011] * 8], np.uint8)
    assert not Looks(masks, np.array([0.1, 0.1]), None).alike(0, [1])
