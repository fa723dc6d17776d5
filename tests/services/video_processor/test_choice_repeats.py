"""A round asks for no sight twice: sleep, faint boxes, passed-over frames and lamps deceive no strategy."""

from __future__ import annotations

import numpy as np
import pytest

from services.video_processor.engines.choice.candidates import gather
from services.video_processor.engines.choice.choosing import Wish, choose, decide
from services.video_processor.engines.choice.port import Material
from services.video_processor.engines.choice.strategies import STRATEGIES
from services.video_processor.engines.frames import Table
from shared.events.learning_settings import FrameBudget
from shared.progress.report import silent
from tests.services.video_processor.choice_films import RATE, squares, table, walk

SHARES = ("uniform", "diversity", "uncertainty", "motion", "track_breaks")


def only(name, **more):
    return FrameBudget(**(dict.fromkeys(SHARES, 0.0) | {name: 1.0} | more))


def gathered(video, last=None):
    return gather(
        video,
        Table(video),
        8,
        gap_s=0,
        motion=True,
        seed=0,
        taken=[],
        last=last,
        other=None,
        report=silent,
    )


def material(features, taken=(), **figures):
    count = len(features)
    known = np.isin(np.arange(count), taken)
    rows = {name: np.asarray(figure, np.float32) for name, figure in figures.items()}
    return Material(np.arange(count), np.arange(count) * 1.0, known, np.float32(features), **rows)


@pytest.mark.parametrize("name", ["uncertainty", "motion", "track_breaks"])
def test_a_doubt_that_repeats_itself_is_asked_about_once(name):
    """Ten frames of one sight, the most doubtful; two of others, a little less so."""
    features = [[0, 0]] * 10 + [[1, 0], [0, 1]] + [[1, 1]] * 10
    figure = [0.9] * 10 + [0.7, 0.6] + [0.0] * 10
    ranked = STRATEGIES[name].rank(material(features, **{name: figure}), 3, 0)
    assert {each.row for each in ranked[1:3]} == {10, 11}
    assert ranked[0].row < 10
    assert len(ranked) == 12


def test_a_doubt_about_what_is_labelled_comes_after_other_doubts():
    features = [[0, 0]] * 5 + [[1, 0]] * 5
    figure = [0.9] * 5 + [0.7] * 5
    ranked = STRATEGIES["uncertainty"].rank(material(features, [2], uncertainty=figure), 1, 0)
    assert ranked[0].row >= 5


@pytest.mark.parametrize("seed", range(3))
def test_a_long_sleep_does_not_hide_what_happens_around_it(seed):
    """Ten sleeps of sixty frames, each in a posture of its own; between them as long awake."""
    rng = np.random.default_rng(seed)
    asleep = np.repeat(rng.normal(0, 1, (10, 4)), 60, axis=0) + rng.normal(0, 0.01, (600, 4))
    awake = rng.normal(0, 1, (600, 4))
    ranked = STRATEGIES["diversity"].rank(material([*asleep, *awake]), 12, seed)
    assert sum(each.row >= 600 for each in ranked[:12]) >= 8
    assert len({each.row for each in ranked}) == 1200


def test_a_sleeper_with_flickering_faint_boxes_is_asked_about_once(tmp_path):
    """The animal lies still for 100 frames, then walks; a shadow is taken for one now and then."""
    places = [[(40, 40)]] * 100 + [[(40 + 8 * i, 40)] for i in range(10)]
    rows = [(i, 1, 0.6, *places[i][0]) for i in range(110)]
    rows += [(i, "", 0.15, 90 + i % 30, 10) for i in range(0, 110, 2)]
    last = table(tmp_path / "results.csv", sorted(rows, key=lambda row: row[0]))
    wish = Wish(squares(tmp_path / "sleep.mp4", places), last=last)
    chosen = decide(wish, 8, only("uncertainty", min_gap_s=0)).chosen
    assert sum(each.frame < 100 for each in chosen) <= 1


def test_frames_that_the_analysis_passed_over_are_no_other_kind(tmp_path):
    video = squares(tmp_path / "walk.mp4", walk(100))
    rows = [(i, 1, 0.9, *walk(100)[i][0]) for i in range(0, 100, 4)]
    features = gathered(video, table(tmp_path / "results.csv", rows)).material.features
    near = np.linalg.norm(features[4:90:4] - features[5:91:4], axis=1).mean()
    far = np.linalg.norm(features[4:50:4] - features[44:90:4], axis=1).mean()
    assert near < 0.7 * far


def test_a_lamp_that_goes_out_moves_nothing(tmp_path):
    places = [[(40, 40)]] * 40 + [[(42 + 4 * i, 40)] for i in range(20)] + [[(118, 40)]] * 40
    light = [0.4 if i < 30 or i >= 80 else 1.0 for i in range(100)]
    video = squares(tmp_path / "lamp.mp4", places, light=light)
    found = gathered(video)
    assert found.looks.cover.max() < 0.1
    motion = found.material.motion
    assert motion is not None
    assert motion[30:36].max() < motion[45:58].min()
    assert motion[80:86].max() < motion[45:58].min()
    chosen = choose(video, 3, only("motion", min_gap_s=0.1))
    assert all(38 < each.frame < 62 + RATE // 5 for each in chosen)


def test_the_dark_is_a_kind_of_picture(tmp_path):
    light = [0.5 if 60 <= i < 70 else 1.0 for i in range(100)]
    video = squares(tmp_path / "dark.mp4", walk(100), light=light)
    for seed in range(3):
        chosen = choose(video, 8, only("diversity", min_gap_s=0), seed=seed)
        assert any(60 <= each.frame < 70 for each in chosen)
