"""The scorer `alignment`: what every scorer promises, and what its processes live through."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from services.audio_analyzer.engines.alignment import AlignmentScorer
from services.audio_analyzer.engines.port import Reference
from services.audio_analyzer.engines.table import speech_scorer
from services.audio_analyzer.errors import ScorerCrashed, TooLongAudio, UnknownScorer
from tests.contracts.speech_scorer import SpeechScorerContract
from tests.services.audio_analyzer import spoken


@pytest.fixture(scope="module")
def scorer() -> Iterator[AlignmentScorer]:
    with closing(AlignmentScorer()) as made:
        yield made


class TestAlignment(SpeechScorerContract):
    """All of it."""


@pytest.fixture
def take(tmp_path: Path) -> Path:
    """Enough of a sentence for a reference, and short."""
    return spoken.saved(spoken.bundled("sea").actor, tmp_path / "take.wav")


TEXT = spoken.bundled("sea").text


def children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if any("audio_analyzer" in word for word in child.cmdline())
    ]


def test_a_scorer_is_asked_for_by_name():
    assert speech_scorer("alignment").name == "alignment"
    with pytest.raises(UnknownScorer, match="alignment"):
        speech_scorer("ears")


def test_a_crash_is_told_and_the_next_comparison_works(take: Path):
    with closing(AlignmentScorer()) as scorer:
        before = set(children())
        reference = scorer.prepare_reference(take, TEXT)
        (child,) = set(children()) - before
        killer = threading.Timer(0.15, child.send_signal, [signal.SIGSEGV])
        killer.start()
        with pytest.raises(ScorerCrashed, match="SIGSEGV"):
            while True:  # until the signal comes in the middle of one
                scorer.score(reference, take)
        killer.join()
        assert scorer.score(reference, take).recognition == "Success"
        assert not child.is_running()


def test_what_takes_too_long_is_ended(take: Path):
    with closing(AlignmentScorer(limit_s=1)) as scorer:
        before = set(children())
        slow = spoken.saved(spoken.noisy(spoken.stretched(_twice(), 3.0), 30), take)
        with pytest.raises(ScorerCrashed, match="1 s"):
            scorer.prepare_reference(slow, f"{TEXT} " * 24)
        assert set(children()) == before


def _twice() -> spoken.Samples:
    return spoken.stretched(spoken.bundled("sea").actor, 3.0)


def test_memory_has_a_limit(take: Path):
    small = AlignmentScorer(memory_bytes=200 * 1024**2)
    with closing(small), pytest.raises(ScorerCrashed):
        small.prepare_reference(take, TEXT)


def test_a_long_recording_is_refused(take: Path):
    with closing(AlignmentScorer(longest_s=1.0)) as brief, pytest.raises(TooLongAudio):
        brief.prepare_reference(take, TEXT)


def test_the_process_sees_no_secret_of_ours(take: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ACTVERSE_SECRET", "open sesame")
    with closing(AlignmentScorer()) as scorer:
        before = set(children())
        scorer.prepare_reference(take, TEXT)
        for child in set(children()) - before:
            assert "open sesame" not in "".join(child.environ().values())


def test_threads_compare_side_by_side_and_reuse_processes(take: Path):
    with closing(AlignmentScorer()) as scorer:
        before = set(children())
        reference = scorer.prepare_reference(take, TEXT)

        def compare(_: int) -> str:
            return scorer.score(reference, take).recognition

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(compare, range(4))) == ["Success"] * 4
        assert len(set(children()) - before) <= 2
    assert set(children()) == before


def test_a_process_is_replaced_after_its_share(take: Path):
    with closing(AlignmentScorer(jobs=1)) as scorer:
        before = set(children())
        reference: Reference = scorer.prepare_reference(take, TEXT)
        assert set(children()) == before, "its share was one"
        assert scorer.score(reference, take).pron_score == pytest.approx(100, abs=1)


def test_an_idle_process_ends_by_itself(take: Path):
    with closing(AlignmentScorer(idle_s=0.2)) as scorer:
        before = set(children())
        reference = scorer.prepare_reference(take, TEXT)
        for child in set(children()) - before:
            child.wait(timeout=30)
        assert scorer.score(reference, take).recognition == "Success"
