from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.model_trainer.engines.split import Sample, leakage, split_by_time

steps = st.sampled_from([0.04, 0.4, 1.0, 2.0, 2.5, 30.0])
contents = st.frozensets(st.integers(0, 2), max_size=2)
videos = st.lists(st.tuples(steps, contents), min_size=2, max_size=70).map(
    lambda rows: [
        Sample(sum(step for step, _ in rows[:i]), classes) for i, (_, classes) in enumerate(rows)
    ]
)
shares = st.sampled_from([0.1, 0.2, 0.25, 0.5])


def every(seconds: float, count: int, classes: frozenset[int] = frozenset({0})) -> list[Sample]:
    return [Sample(i * seconds, classes) for i in range(count)]


def blocks(positions: tuple[int, ...]) -> int:
    return sum(i - 1 not in positions for i in positions)


@settings(max_examples=150, deadline=None)
@given(videos, shares, st.integers(0, 5), st.sampled_from(["auto", "drop", "keep"]))
def test_a_split_is_a_few_blocks_and_its_leakage_is_counted_right(samples, share, seed, guard):
    split = split_by_time(samples, val_share=share, seed=seed, guard=guard)
    assert sorted([*split.train, *split.val, *split.dropped]) == list(range(len(samples)))
    assert 1 <= blocks(split.val) <= 4
    assert len(split.val) == min(max(round(len(samples) * share), 1), len(samples) - 1)

    def close(i: int, others: tuple[int, ...]) -> bool:
        return any(abs(samples[i].time_s - samples[j].time_s) <= 2 + 1e-6 for j in others)

    leaking = sum(close(i, split.train) for i in split.val)
    assert split.leakage == pytest.approx(leaking / len(split.val))
    assert all(close(i, split.val) for i in split.dropped)
    if guard == "drop":
        assert split.leakage == 0
    if guard == "keep":
        assert not split.dropped
    if guard == "auto":
        assert not split.dropped or split.leakage == 0


@settings(max_examples=100, deadline=None)
@given(videos, shares, st.integers(0, 5))
def test_every_class_is_taught_and_something_is_judged_where_that_is_possible(samples, share, seed):
    split = split_by_time(samples, val_share=share, seed=seed)
    taught = frozenset().union(*(samples[i].classes for i in split.train))
    judged = frozenset().union(*(samples[i].classes for i in split.val))
    present = frozenset().union(*(sample.classes for sample in samples))
    assert set(split.unteachable) == present - taught
    assert set(split.unjudged) == present - judged
    size = len(split.val)
    windows = [range(start, start + size) for start in range(len(samples) - size + 1)]

    def sound(val: range) -> bool:
        rest = [sample.classes for i, sample in enumerate(samples) if i not in val]
        here = [samples[i].classes for i in val]
        return frozenset().union(*rest) == present and any(here)

    if any(sound(val) for val in windows):
        assert not split.unteachable
        assert judged


def test_the_same_seed_gives_the_same_split_and_another_one_another():
    samples = every(1.0, 60)
    splits = [split_by_time(samples, val_share=0.25, seed=seed) for seed in (1, 1, 2, 3)]
    assert splits[0] == splits[1]
    assert len({split.val for split in splits}) > 1


def test_blocks_are_spread_over_the_video_and_keep_their_distance():
    samples = every(5.0, 80)
    split = split_by_time(samples, val_share=0.25, seed=0)
    assert split.leakage == 0
    assert len(split.val) == 20
    assert [sum(start <= i < start + 20 for i in split.val) for start in (0, 20, 40, 60)] == [5] * 4


def test_fewer_blocks_are_cut_where_the_distance_would_cost_too_much():
    samples = every(0.4, 60)  # each end of a block costs five frames
    split = split_by_time(samples, val_share=0.25, seed=0)
    assert split.leakage == 0
    assert len(split.dropped) <= 0.4 * 45
    assert blocks(split.val) <= 2


def test_a_very_short_video_leaks_and_says_so():
    split = split_by_time(every(0.03, 3), val_share=0.25, seed=0)
    assert (len(split.train), len(split.val), split.dropped) == (2, 1, ())
    assert split.leakage == 1.0


def test_a_rare_class_is_taught_not_judged():
    samples = every(3.0, 40)
    samples[17] = Sample(samples[17].time_s, frozenset({1}))
    for seed in range(20):
        split = split_by_time(samples, val_share=0.25, seed=seed)
        assert 17 in split.train
        assert split.unjudged == (1,)


def test_leakage_includes_exactly_two_seconds():
    assert leakage([0.0, 10.0], [2.0, 2.1, 7.9, 12.0]) == 0.5
    assert leakage([], [1.0]) == 0
