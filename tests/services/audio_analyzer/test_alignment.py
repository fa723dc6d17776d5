"""The scorer `alignment`: what every scorer promises, and what only this one does."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from services.audio_analyzer.engines.alignment import AlignmentScorer
from services.audio_analyzer.engines.table import speech_scorer
from services.audio_analyzer.errors import ScorerCrashed, TooLongAudio, UnknownScorer
from tests.contracts.speech_scorer import SpeechScorerContract
from tests.services.audio_analyzer import spoken

TEXT = spoken.bundled("sea").text


@pytest.fixture(scope="module")
def scorer() -> Iterator[AlignmentScorer]:
    with closing(AlignmentScorer()) as made:
        yield made


@pytest.fixture
def take(tmp_path: Path) -> Path:
    return spoken.saved(spoken.bundled("sea").actor, tmp_path / "take.wav")


class TestAlignment(SpeechScorerContract):
    """All of it."""


def test_a_scorer_is_asked_for_by_name():
    assert speech_scorer("alignment").name == "alignment"
    with pytest.raises(UnknownScorer, match="alignment"):
        speech_scorer("ears")


def test_a_long_recording_is_refused(take: Path):
    with closing(AlignmentScorer(longest_s=1.0)) as brief, pytest.raises(TooLongAudio):
        brief.prepare_reference(take, TEXT)


@pytest.mark.slow
def test_a_crash_in_the_middle_is_told_and_the_next_comparison_works(take: Path):
    with closing(AlignmentScorer()) as scorer:
        before = set(psutil.Process().children())
        reference = scorer.prepare_reference(take, TEXT)
        (child,) = set(psutil.Process().children()) - before
        killer = threading.Timer(0.15, child.send_signal, [signal.SIGSEGV])
        killer.start()
        with pytest.raises(ScorerCrashed, match="SIGSEGV"):
            while True:  # until the signal comes in the middle of one
                scorer.score(reference, take)
        killer.join()
        assert scorer.score(reference, take).recognition == "Success"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_minutes_fit_into_memory(scorer: AlignmentScorer, tmp_path: Path):
    path, text = spoken.two_minutes(tmp_path / "long.wav")
    reference = scorer.prepare_reference(path, text)
    score = scorer.score(reference, path)
    assert score.pron_score == pytest.approx(100, abs=1)
    assert len(score.result["Contours"]["reference"]["pitch_st"]) <= 1500
    most = max(spoken.peak_mb(child.pid) for child in psutil.Process().children())
    assert most < 700
