"""The frames of a round keep to the budget: so many, apart, never again, and always the same."""

from __future__ import annotations

import functools
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.video_processor.engines.choice.choosing import (
    Wish,
    choose,
    choose_each,
    decide,
    video_quotas,
)
from services.video_processor.engines.choice.selection import shared_out
from shared.errors import Cancelled, Conflict, Invalid
from shared.events.learning_settings import FrameBudget
from tests.services.video_processor.choice_films import RATE, squares, table, walk

FRAMES = 150
SHARES = ("uniform", "diversity", "uncertainty", "motion", "track_breaks")


def only(name, **more):
    return FrameBudget(**(dict.fromkeys(SHARES, 0.0) | {name: 1.0} | more))


@functools.cache
def scene():
    """A walking square, and a model that is unsure in the middle third and then loses it."""
    folder = Path(tempfile.mkdtemp(prefix="choice-"))
    places = walk(FRAMES)
    rows = [
        (i, 1 if i < 110 else 2, 0.55 if 50 <= i < 100 else 0.95, *places[i][0])
        for i in range(FRAMES)
        if not 105 <= i < 115
    ]
    video = squares(folder / "walk.mp4", places)
    return video, table(folder / "results.csv", rows)


@settings(max_examples=6)
@given(
    count=st.integers(1, 25),
    gap_s=st.floats(0, 0.1),
    seed=st.integers(0, 2**31),
    taken=st.sets(st.integers(0, FRAMES - 1), max_size=30),
    shares=st.tuples(*[st.integers(0, 3)] * len(SHARES)).filter(any),
    results=st.booleans(),
)
def test_whatever_the_budget_the_rules_hold(count, gap_s, seed, taken, shares, results):
    video, last = scene()
    budget = FrameBudget(
        **dict(zip(SHARES, (share / 10 for share in shares), strict=True)), min_gap_s=gap_s
    )
    known = {"seed": seed, "taken": taken, "last": last if results else None}
    chosen = choose(video, count, budget, **known)
    frames = [each.frame for each in chosen]
    assert len(frames) == len(set(frames)) == count
    assert frames == sorted(frames)
    assert not taken & set(frames)
    assert all(0 <= frame < FRAMES for frame in frames)
    assert all(b.time_s - a.time_s >= gap_s - 1e-6 for a, b in pairwise(chosen))
    assert all(each.time_s == pytest.approx(each.frame / RATE, abs=1e-4) for each in chosen)
    assert choose(video, count, budget, **known) == chosen


def test_no_frame_is_chosen_where_it_could_not_teach():
    video, last = scene()
    length = FRAMES / RATE
    spans = ((0.0, length / 3), (length / 2, length * 0.9))
    budget = FrameBudget(min_gap_s=0)
    choice = decide(Wish(video, {70}, last, avoid_s=spans), 20, budget)
    times = [each.time_s for each in choice.chosen]
    assert len(times) == 20
    assert not [t for t in times if any(begin <= t <= end for begin, end in spans)]
    whole = decide(Wish(video, avoid_s=((0.0, length),)), 5, budget)
    assert len(whole.chosen) == 5  # nowhere else to go: better those than none


def test_another_seed_takes_other_frames():
    video, _ = scene()
    budget = only("uniform")
    assert choose(video, 10, budget, seed=1) != choose(video, 10, budget, seed=2)


def test_each_strategy_has_its_share():
    video, last = scene()
    budget = FrameBudget(
        uniform=0.2, diversity=0.4, uncertainty=0.3, track_breaks=0.1, min_gap_s=0.1
    )
    choice = decide(Wish(video, last=last), 20, budget)
    assert choice.by_strategy() == {
        "track_breaks": 2,
        "uncertainty": 6,
        "diversity": 8,
        "uniform": 4,
    }
    assert choice.notes == ()


def test_uniform_covers_the_video():
    video, _ = scene()
    frames = [each.frame for each in choose(video, 10, only("uniform", min_gap_s=0), seed=5)]
    assert [frame // 15 for frame in frames] == list(range(10))


def test_uncertainty_goes_where_the_model_is_unsure():
    video, last = scene()
    chosen = choose(video, 5, only("uncertainty", min_gap_s=0.2), last=last)
    assert {each.strategy for each in chosen} == {"uncertainty"}
    assert all(50 <= each.frame < 100 for each in chosen)


def test_uncertainty_goes_where_two_models_disagree(tmp_path):
    video, _ = scene()
    places = walk(FRAMES)
    sure = [(i, 1, 0.95, *places[i][0]) for i in range(FRAMES)]
    elsewhere = [
        (i, "", 0.95, *(places[i][0] if i < 120 else (2.0, 2.0))) for i in range(0, FRAMES, 5)
    ]
    last, other = table(tmp_path / "last.csv", sure), table(tmp_path / "global.csv", elsewhere)
    chosen = choose(video, 4, only("uncertainty", min_gap_s=0.1), last=last, other=other)
    assert all(each.frame >= 120 and each.frame % 5 == 0 for each in chosen)


def test_a_break_is_the_frame_where_the_model_lost_the_animal():
    video, last = scene()
    chosen = choose(video, 2, only("track_breaks", min_gap_s=0.1), last=last)
    assert [(each.frame, each.strategy) for each in chosen] == [
        (105, "track_breaks"),
        (114, "track_breaks"),
    ]


def test_an_animal_that_walks_out_of_the_picture_is_no_break(tmp_path):
    places = [[(max(100 - i, 0), 40), (60, 20)] for i in range(150)]
    rows = [(i, 1, 0.9, 100 - i, 40) for i in range(100)]  # gone over the left edge
    rows += [(i, 2, 0.9, 60, 20) for i in range(150)]
    last = table(tmp_path / "results.csv", sorted(rows))
    choice = decide(Wish(squares(tmp_path / "v.mp4", places), last=last), 3, only("track_breaks"))
    assert choice.by_strategy() == {"uniform": 3}
    assert any("no track of the last analysis breaks" in note for note in choice.notes)


def test_motion_goes_where_much_moves(tmp_path):
    places = [[(40, 40)] for _ in range(50)]
    places += [[(40 + 3 * (i % 20), 40)] for i in range(25)]
    places += [[(100, 40)] for _ in range(50)]
    video = squares(tmp_path / "dash.mp4", places, noise=False)
    chosen = choose(video, 3, only("motion", min_gap_s=0.2))
    assert {each.strategy for each in chosen} == {"motion"}
    assert all(48 <= each.frame <= 80 for each in chosen)


def test_diversity_finds_the_kinds_of_picture_however_rare(tmp_path):
    """Four places; the animal spends 90 % of the time in one of them."""
    corners = [(20, 20), (120, 20), (20, 70), (120, 70)]
    order = [0] * 135 + [1] * 5 + [2] * 5 + [3] * 5
    video = squares(tmp_path / "corners.mp4", [[corners[i]] for i in order])
    chosen = choose(video, 4, only("diversity", min_gap_s=0))
    assert {order[each.frame] for each in chosen} >= {1, 2, 3}


def test_a_kind_that_was_labelled_comes_last(tmp_path):
    corners = [(20, 20), (120, 20), (20, 70)]
    order = [0] * 50 + [1] * 50 + [2] * 50
    video = squares(tmp_path / "corners.mp4", [[corners[i]] for i in order])
    chosen = choose(video, 1, only("diversity", min_gap_s=0), taken=[25, 75])
    assert order[chosen[0].frame] == 2


def test_what_looks_alike_is_taken_only_when_nothing_else_is_left(tmp_path):
    """The whole picture of a small animal hardly changes; the animal itself does."""
    places = [[(40, 40)]] * 100 + [[(40 + 8 * i, 40)] for i in range(10)]
    video = squares(tmp_path / "wait.mp4", places)
    chosen = choose(video, 8, only("uniform", min_gap_s=0))
    assert sum(each.frame < 100 for each in chosen) <= 1
    assert len(choose(video, 30, only("uniform", min_gap_s=0))) == 30


@pytest.mark.parametrize("name", ["uncertainty", "track_breaks", "motion"])
def test_a_strategy_that_cannot_act_gives_its_share_away_and_says_so(name, tmp_path):
    still = squares(tmp_path / "still.mp4", [[(40, 40)]] * 60, noise=False)
    told = []
    budget = FrameBudget(**(dict.fromkeys(SHARES, 0.0) | {name: 0.5, "uniform": 0.5}), min_gap_s=0)
    chosen = choose(still, 6, budget, report=lambda _, message="", **__: told.append(message))
    assert len(chosen) == 6
    assert f"{name} gave its share to the others" in told[-1]
    alone = decide(Wish(still), 6, only(name, min_gap_s=0))
    assert alone.by_strategy() == {"uniform": 6}
    assert any("No strategy of the budget could act" in note for note in alone.notes)


def test_a_gap_that_leaves_no_room_gives_fewer_and_says_so():
    video, _ = scene()
    choice = decide(Wish(video), 20, FrameBudget(min_gap_s=2.0))
    assert 2 <= len(choice.chosen) <= 3
    assert any("are missing" in note for note in choice.notes)


def test_a_video_whose_frames_are_all_taken_ends_the_round():
    video, _ = scene()
    with pytest.raises(Conflict, match="All 150 frames"):
        choose(video, 3, FrameBudget(), taken=range(FRAMES))


def test_a_table_that_is_none_says_which_line(tmp_path):
    video, _ = scene()
    broken = table(tmp_path / "results.csv", [(0, 1, 0.9, 10, 10), (1, 1, "much", 10, 10)])
    with pytest.raises(Invalid, match="line 3"):
        choose(video, 3, FrameBudget(), last=broken)


def test_a_cancelled_task_stops_at_once():
    video, _ = scene()

    def cancel(fraction, message="", **figures):
        raise Cancelled("The user cancelled the task.")

    with pytest.raises(Cancelled):
        choose(video, 3, FrameBudget(), report=cancel)


def test_several_videos_have_quotas(tmp_path):
    short = squares(tmp_path / "short.mp4", walk(40))
    long, last = scene()
    found = choose_each(
        {"short": Wish(short), "long": Wish(long, last=last)}, 12, FrameBudget(min_gap_s=0.1)
    )
    counts = {name: len(choice.chosen) for name, choice in found.items()}
    assert sum(counts.values()) == 12
    assert counts["long"] > counts["short"] >= 3


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=8), st.integers(1, 500))
def test_quotas_add_up(frames, count):
    quotas = video_quotas(frames, count)
    assert sum(quotas) == min(count, sum(frames))
    assert all(0 <= quota <= most for quota, most in zip(quotas, frames, strict=True))
    assert min(quotas) >= 1 or count < len(frames)


@given(
    st.integers(0, 5000),
    st.dictionaries(st.sampled_from(SHARES), st.floats(1e-6, 1), min_size=1),
)
def test_shares_add_up(count, shares):
    whole = shared_out(count, shares)
    assert sum(whole.values()) == count
    exact = np.array([count * share / sum(shares.values()) for share in shares.values()])
    assert np.abs(exact - [whole[name] for name in shares]).max() < 1 + 1e-6
