"""The arithmetic behind the numbers: bounded, falling with distance, and the same at both ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.audio_analyzer.engines.aligner import AlignedWord, Aligner, spoken_words
from services.audio_analyzer.engines.comparing import WordPair, warped
from services.audio_analyzer.engines.feedback import MOST, advice
from services.audio_analyzer.engines.scores import scored, word_score
from services.audio_analyzer.errors import NoWords, UnknownWords

GRID = 20


def pair(position: int = 0, *, start: int = 0, frames: int = 30, stretch: float = 1.0) -> WordPair:
    """A word that is said as the actor says it, `stretch` times as long."""
    actor = AlignedWord(position, start, frames, -4.0)
    rising = np.linspace(-3, 3, GRID, dtype=np.float32) + position
    loud = np.linspace(-20, -5, GRID, dtype=np.float32)
    learner = replace(actor, start=round(start * stretch), frames=max(1, round(frames * stretch)))
    path = np.stack(
        [np.linspace(t.start, t.end - 1, GRID).round() for t in (actor, learner)], axis=1
    )
    return WordPair(actor, learner, 0.0, 0.0, path.astype(np.int64), rising, rising, loud, loud)


def line(stretch: float = 1.0) -> list[WordPair]:
    return [pair(n, start=40 * n, stretch=stretch) for n in range(5)]


def test_the_same_is_a_hundred():
    scores = scored(line(), 5)
    assert (scores.accuracy, scores.fluency, scores.completeness) == (100, 100, 100)
    assert scores.prosody == pytest.approx(100)
    assert scores.pron == pytest.approx(100)
    assert scores.tempo_ratio == 1.0


@given(st.floats(0.3, 3.0))
@settings(deadline=None, max_examples=40)
def test_another_tempo_costs_fluency_and_little_else(stretch: float):
    scores = scored(line(stretch), 5)
    assert scores.tempo_ratio == pytest.approx(stretch, rel=0.03)
    assert 0 <= scores.fluency <= 100
    assert scores.accuracy == 100
    if not 0.85 < stretch < 1.18:
        assert scores.fluency < 85


@given(st.floats(0, 2), st.floats(0, 2), st.floats(-12, 3), st.floats(-12, 3))
def test_further_and_less_clear_never_scores_more(near: float, far: float, one: float, two: float):
    near, far = sorted((near, far))
    worse, better = sorted((one, two))
    good = replace(pair(), distance=near, gop_delta=better)
    bad = replace(pair(), distance=far, gop_delta=worse)
    assert 0 <= word_score(bad) <= word_score(good) <= 100


def test_words_left_out_count_nothing():
    scores = scored(line()[:4], 5)
    assert scores.accuracy == scores.completeness == 80


def test_words_left_out_change_no_tempo():
    told = [pair(0), pair(1, start=40), pair(4, start=160)]
    early = replace(told[2].recording, start=80)
    path = told[2].path - (0, 80)
    scores = scored([*told[:2], replace(told[2], recording=early, path=path)], 5)
    assert scores.tempo_ratio == 1.0
    assert scores.fluency == 100


@given(st.floats(-24, 24))
@settings(deadline=None, max_examples=40)
def test_another_register_costs_a_little_of_the_prosody_alone(semitones: float):
    scores, same = scored(line(), 5, semitones), scored(line(), 5)
    assert 0 <= same.prosody - scores.prosody <= 15
    if abs(semitones) >= 2:
        assert same.pron - scores.pron >= 5
    assert (scores.accuracy, scores.fluency) == (same.accuracy, same.fluency)


def test_a_voice_without_pitch_has_no_pitch_score():
    silent = np.full(GRID, np.nan, np.float32)
    scores = scored([replace(p, recording_pitch=silent) for p in line()], 5)
    assert (scores.pitch, scores.pitch_correlation) == (0, None)
    assert np.isfinite(scores.prosody)


def test_advice_names_the_word_and_is_not_endless():
    words = ("one", "two", "three", "four", "five", "six")
    pairs = [replace(p, distance=1.5, gop_delta=-6.0) for p in line(1.5)]
    told = advice(words, pairs, scored(pairs, 6), ("clipped", "low_snr"))
    assert len(told) <= MOST
    assert told[0]["code"] == "quality.clipped"
    assert {"word.omitted", "word.unclear", "tempo.slow"} <= {each["code"] for each in told}
    assert next(each for each in told if each["code"] == "word.omitted")["word"] == "six"
    good = advice(words[:5], line(), scored(line(), 5), ())
    assert [each["code"] for each in good] == ["all.good"]


# --- warping --------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_a_distance_is_between_nothing_and_two(rows: int, columns: int, seed: int):
    random = np.random.default_rng(seed)
    one, other = random.normal(size=(rows, 6)), random.normal(size=(columns, 6))
    assert 0 <= warped(one, other)[0] <= 2
    distance, path = warped(one, one)
    assert distance == pytest.approx(0, abs=1e-6)
    assert (path[:, 0] == path[:, 1]).all()


def test_a_slower_copy_is_near_and_a_stranger_is_far():
    random = np.random.default_rng(0)
    one = np.cumsum(random.normal(size=(30, 6)), axis=0)
    slower = np.repeat(one, 2, axis=0)
    assert warped(one, slower)[0] < 0.05
    assert warped(one, -one[::-1])[0] > 0.3


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Frankly, my dear, I don't give a damn!", "frankly my dear i don't give a damn"),
        (
            "\u201cWell\u201d \u2014 twenty-one caf\u00e9s\u2026 it\u2019s",
            "well twenty one cafes it's",
        ),
        ("  (what?!)  ", "what"),
        ("R2D2 100%", "r2d2 100"),
    ],
)
def test_a_text_becomes_words(text: str, words: str):
    assert " ".join(spoken_words(text)) == words


def test_letters_of_another_alphabet_are_not_passed_over():
    assert spoken_words("say \uc548\ub155 now") == ("say", "\uc548\ub155", "now")
    with pytest.raises(NoWords):
        spoken_words("?! \u2014 ...")


def test_quotation_marks_that_look_like_apostrophes_are_none():
    aligner = Aligner()
    assert aligner.known("'tis the 'wrong' word") == ("'tis", "the", "wrong", "word")
    with pytest.raises(UnknownWords, match="qqq"):
        aligner.known("the qqq qqq word")
