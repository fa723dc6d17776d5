"""Rhythm and choice: plain arithmetic."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.video_processor.engines.cadence import STANDARD, cadence
from services.video_processor.engines.frame_plan import Sent, choose, plan
from shared.errors import Invalid

MS = Fraction(1, 1000)


@given(st.sampled_from([r for r in STANDARD if r <= 240]), st.integers(40, 400))
def test_a_constant_rate_rounded_to_milliseconds_is_recognised(rate, count):
    found = cadence([round(n / rate * 1000) for n in range(count)], MS, None, None)
    assert not found.variable
    assert abs(found.rate / rate - 1) * count < 1  # never off by a frame to the end


def test_a_real_hour_of_ntsc_is_named_exactly():
    rate = Fraction(30000, 1001)
    found = cadence([round(n / rate * 1000) for n in range(108_000)], MS, None, None)
    assert found.rate == rate


def test_the_announced_rate_wins_where_it_fits_and_loses_where_it_lies():
    times = [n * 33333 for n in range(2330)]
    base = Fraction(1, 1_000_000)
    assert cadence(times, base, Fraction(1_000_000, 33333), None).rate == Fraction(1_000_000, 33333)
    assert cadence(times, base, Fraction(90_000), None).rate == 30


def test_one_missing_frame_makes_the_rate_variable_but_keeps_it():
    times = [n * 40 for n in range(200) if n != 77]
    found = cadence(times, MS, Fraction(25), 40)
    assert found.variable
    assert found.rate == 25
    assert found.duration_s == pytest.approx(8.0)


def test_one_frame_has_a_rate_and_a_length():
    found = cadence([0], MS, None, None)
    assert (found.frames, found.variable, found.rate) == (1, False, 25)
    assert found.duration_s == pytest.approx(0.04)


def test_time_lapse_slower_than_one_frame_a_second_keeps_its_rate():
    found = cadence([n * 10_000 for n in range(50)], MS, None, None)
    assert found.rate == Fraction(1, 10)


@given(st.integers(1, 5000), st.integers(1, 300), st.integers(0, 2**31))
def test_one_frame_is_chosen_in_each_equal_stretch(n_frames, count, seed):
    numbers = choose(n_frames, count, seed)
    assert numbers == choose(n_frames, count, seed)
    if count >= n_frames:
        assert numbers == list(range(n_frames))
        return
    assert len(numbers) == count
    for stretch, number in enumerate(numbers):
        assert stretch * n_frames // count <= number < (stretch + 1) * n_frames // count


def test_another_seed_chooses_other_frames():
    assert choose(10_000, 50, 1) != choose(10_000, 50, 2)


@pytest.mark.parametrize(("n_frames", "count"), [(0, 5), (10, 0), (10, -1)])
def test_nothing_to_choose_is_refused(n_frames, count):
    with pytest.raises(Invalid):
        choose(n_frames, count, 0)


def test_a_leading_picture_of_an_open_group_needs_the_group_before():
    # sent: I0 P3 b1 b2 | I6 b4 b5 P9 ...; 4 and 5 are shown before I6 and refer to P3 too
    sent = [Sent(p, k) for p, k in ((0, True), (3, False), (1, False), (2, False), (6, True), (4, False), (5, False), (9, False))]  # fmt: skip
    (run,) = plan(sent, [4])
    assert (run.first, run.last, run.wanted) == (0, 5, {4: 4})
    (run,) = plan(sent, [7])
    assert (run.first, run.last) == (4, 7)


def test_neighbouring_groups_are_decoded_in_one_run():
    sent = [Sent(n, n % 10 == 0) for n in range(100)]
    runs = plan(sent, [9, 12, 55])
    assert [(run.first, run.last) for run in runs] == [(0, 12), (50, 55)]
