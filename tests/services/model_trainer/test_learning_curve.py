"""The curve finds back what made the rounds, is honest about what it cannot know, and says when to stop."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.model_trainer.engines.learning_curve import Point, advice, fit, trend

FRAMES = (20, 40, 60, 80, 120)


def law(frames: float, a: float = 0.7, b: float = 0.5, c: float = 0.8) -> float:
    return a - b * (frames / 20) ** -c


def rounds(*, noise: float = 0.0, seed: int = 0, **parameters: float) -> list[Point]:
    dice = random.Random(seed)
    error = max(noise, 0.002)
    return [Point(n, law(n, **parameters) + dice.gauss(0, noise), error) for n in FRAMES]


def test_it_finds_the_curve_that_made_the_rounds() -> None:
    found = fit(rounds())
    assert found is not None
    assert found.asymptote == pytest.approx(0.7, abs=0.03)
    for frames in (30, 100, 140):
        assert found.at(frames) == pytest.approx(law(frames), abs=0.01)
    gain = found.gain(120, 20)
    assert gain.low <= law(140) - law(120) <= gain.high
    assert gain.high - gain.low < 0.01


def test_nine_of_ten_intervals_hold_what_the_next_frames_were_worth() -> None:
    held = 0
    for seed in range(40):
        found = fit(rounds(noise=0.01, seed=seed))
        assert found is not None
        gain = found.gain(120, 20)
        held += gain.low <= law(140) - law(120) <= gain.high
    assert held >= 32


def test_three_rounds_say_less_than_five() -> None:
    few, many = fit(rounds()[:3]), fit(rounds())
    assert few is not None
    assert many is not None
    wide, narrow = few.gain(60, 20), many.gain(60, 20)
    assert wide.high - wide.low > narrow.high - narrow.low


scores = st.lists(st.floats(0, 1, allow_nan=False), min_size=3, max_size=8)


@settings(max_examples=40)
@given(scores)
def test_no_rounds_however_odd_promise_the_impossible(given_scores: list[float]) -> None:
    points = [Point(20 * (n + 1), score) for n, score in enumerate(given_scores)]
    found = fit(points)
    assert found is not None
    gain = found.gain(points[-1].frames, 20)
    assert 0 <= gain.low <= gain.expected <= gain.high <= 1.5
    assert 0 <= found.at(1000) <= 1


def test_one_round_says_nothing_and_two_only_a_trend() -> None:
    one, two = rounds()[:1], rounds()[:2]
    assert fit(two) is None
    assert trend(one, 20) is None
    assert trend(two, 40) == pytest.approx(two[1].score - two[0].score)
    assert trend([Point(20, 0.9), Point(21, 0.99)], 500) == pytest.approx(0.01)
    assert "says nothing" in advice(one, 20, 0.005, None)
    told = advice(two, 20, 0.005, 12.0)
    assert "no interval" in told
    assert "4 minutes" in told


def test_it_says_go_on_while_the_curve_climbs_and_stop_when_it_is_flat() -> None:
    assert advice(rounds()[:3], 20, 0.005, None).endswith("Go on.")
    flat = [Point(n, 0.6, 0.001) for n in (100, 200, 300, 400)]
    assert "Stop" in advice(flat, 20, 0.005, None)


def test_the_same_number_of_frames_twice_is_no_curve() -> None:
    again = [Point(20, 0.5), Point(20, 0.6), Point(40, 0.7)]
    assert fit(again) is None
    assert "no interval" in advice(again, 20, 0.005, None)
