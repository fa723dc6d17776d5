"""What a person did to suggested boxes: counted by the best matching, never twice."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.labels.boxes import Box, FrameLabels, FrameState, LabelSet
from shared.labels.effort import (
    ACCEPTED_IOU,
    FrameEffort,
    account,
    compare_frame,
)
from shared.labels.overlap import SAME_IOU, intersection_over_union

share = st.floats(0.1, 0.9, allow_nan=False)
side = st.floats(0.05, 0.4, allow_nan=False)
boxes = st.lists(st.builds(Box, st.integers(0, 2), share, share, side, side), max_size=5)


def box(cx: float, cy: float = 0.5, class_id: int = 0, side: float = 0.2) -> Box:
    return Box(class_id, cx, cy, side, side)


def test_each_thing_that_a_person_can_do_is_told_from_the_others() -> None:
    suggested = [box(0.1), box(0.3, 0.2), box(0.5, 0.8), box(0.9, 0.9)]
    drawn = [box(0.1), box(0.33, 0.2), box(0.5, 0.8, class_id=1), box(0.7, 0.4)]
    found, moved = compare_frame(suggested, drawn)
    assert found == FrameEffort(accepted=1, moved=1, reclassified=1, deleted=1, added=1)
    assert moved == [pytest.approx(0.17 / 0.23)]


def test_the_best_matching_is_taken_and_not_the_first() -> None:
    """Taking the best pair first would leave the other two boxes without a partner."""
    suggested = [box(0.50), box(0.44)]
    drawn = [box(0.46), box(0.40)]
    found, _ = compare_frame(suggested, drawn)
    assert (found.moved, found.deleted, found.added) == (2, 0, 0)


def test_of_two_suggestions_on_one_animal_that_of_its_class_is_accepted() -> None:
    found, _ = compare_frame([box(0.5, class_id=1), box(0.5)], [box(0.5)])
    assert found == FrameEffort(accepted=1, deleted=1)


@given(boxes)
def test_what_was_accepted_as_it_was_cost_nothing(suggested: list[Box]) -> None:
    found, _ = compare_frame(suggested, suggested)
    assert found == FrameEffort(accepted=len(suggested))


@given(boxes, boxes)
def test_every_box_is_counted_once_on_its_side(suggested: list[Box], drawn: list[Box]) -> None:
    found, moved = compare_frame(suggested, drawn)
    kept = found.accepted + found.moved + found.reclassified
    assert kept + found.deleted == len(suggested)
    assert kept + found.added == len(drawn)
    assert len(moved) == found.moved
    assert all(SAME_IOU <= overlap < ACCEPTED_IOU for overlap in moved)


@given(boxes, boxes, st.randoms(use_true_random=False))
def test_the_order_of_boxes_says_nothing(suggested: list[Box], drawn: list[Box], random) -> None:
    shuffled = list(drawn)
    random.shuffle(shuffled)
    one, _ = compare_frame(suggested, drawn)
    other, _ = compare_frame(suggested, shuffled)
    assert (one.deleted, one.added) == (other.deleted, other.added)


@settings(max_examples=60)
@given(boxes.filter(lambda b: len(b) < 5), boxes.filter(lambda b: len(b) < 5))
def test_no_other_matching_overlaps_more(suggested: list[Box], drawn: list[Box]) -> None:
    from shared.labels.effort import _matched

    overlap = intersection_over_union
    few, many, turned = (suggested, drawn, False)
    if len(few) > len(many):
        few, many, turned = drawn, suggested, True
    best = max(
        sum(
            value
            for one, other in zip(few, chosen, strict=True)
            if (value := overlap(other, one) if turned else overlap(one, other)) >= SAME_IOU
        )
        for chosen in permutations(many, len(few))
    )
    ours = sum(value for _, _, value in _matched(suggested, drawn))
    assert ours >= best - 0.001 * max(len(few), 1) - 1e-9  # a class may tip what is equal else


@given(boxes, boxes)
def test_overlap_is_symmetric_and_a_share(one: list[Box], other: list[Box]) -> None:
    for a in one:
        for b in other:
            value = intersection_over_union(a, b)
            assert 0 <= value <= 1 + 1e-12
            assert value == pytest.approx(intersection_over_union(b, a))


def labels(*frames: FrameLabels) -> LabelSet:
    return LabelSet(("mouse", "fly", "cat"), frames)


def test_only_frames_that_somebody_looked_at_count() -> None:
    found = account(
        {0: [box(0.5)], 1: [box(0.5)], 2: []},
        labels(
            FrameLabels.seen(0, "0.jpg", [box(0.5)]),
            FrameLabels(1, "1.jpg", FrameState.UNSEEN),
            FrameLabels.seen(2, "2.jpg", []),
            FrameLabels.seen(3, "3.jpg", [box(0.2), box(0.8)]),
        ),
        preannotated_by="task-1/1",
    )
    assert (found.frames, found.suggested_frames, found.untouched_frames) == (3, 2, 2)
    assert (found.suggested, found.accepted, found.deleted, found.added) == (1, 1, 0, 2)
    assert found.accepted_share == 1.0
    assert found.corrections == 2
    assert found.seconds is None
    assert found.preannotated_by == "task-1/1"


def test_time_is_the_tools_where_it_tells_and_else_the_pace() -> None:
    timed = [FrameLabels(n, f"{n}.jpg", FrameState.EMPTY, (), s) for n, s in ((0, 4.0), (1, None))]
    found = account({}, labels(*timed), frames_per_minute=3)
    assert (found.seconds_per_frame, found.seconds, found.timed_by) == (4.0, 8.0, "tool")
    paced = [FrameLabels(n, f"{n}.jpg", FrameState.EMPTY) for n in range(4)]
    found = account({}, labels(*paced), frames_per_minute=3)
    assert (found.seconds_per_frame, found.seconds, found.timed_by) == (20.0, 80.0, "rate")
    assert account({}, labels(*paced), frames_per_minute=0).timed_by is None
