"""What every scorer of speech promises; inherited by one test class per engine, which gives `scorer`.

Comparisons cost CPU, so that each is made once a class and asked about in several tests. The quick
tests speak of one clause; `test_every_line_is_put_in_order`, which is slow, of all lines there are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from services.audio_analyzer.engines.port import Reference, Score, SpeechScorer
from services.audio_analyzer.errors import (
    EmptyAudio,
    NoWords,
    StaleReference,
    UnknownWords,
    UnreadableAudio,
    UnusableReference,
)
from tests.services.audio_analyzer import spoken
from tests.services.audio_analyzer.spoken import Line, Samples

GAP = 5.0


@dataclass
class Stage:
    """One actor's take, and what others make of it; each comparison is made once."""

    scorer: SpeechScorer
    line: Line
    folder: Path
    reference: Reference = field(init=False)
    _made: dict[str, Score] = field(default_factory=dict)

    def __post_init__(self) -> None:
        take = spoken.saved(self.line.actor, self.folder / f"{self.line.name}.wav")
        self.reference = self.scorer.prepare_reference(take, self.line.text)

    def said(self, name: str, make: Callable[[Line], Samples]) -> Score:
        if name not in self._made:
            path = spoken.saved(make(self.line), self.folder / "said.wav")
            self._made[name] = self.scorer.score(self.reference, path)
        return self._made[name]

    def itself(self) -> Score:
        return self.said("itself", lambda line: line.actor)

    def slower_and_higher(self) -> Score:
        def make(line: Line) -> Samples:
            return spoken.shifted(spoken.stretched(line.actor, 1.15), 2)

        return self.said("slower", make)

    def slower(self) -> Score:
        return self.said("stretched", lambda line: spoken.stretched(line.actor, 1.15))

    def higher(self) -> Score:
        return self.said("shifted", lambda line: spoken.shifted(line.actor, 2))

    def monotonous(self) -> Score:
        return self.said("flat", lambda line: spoken.monotonous(line.actor))

    def learner(self) -> Score:
        return self.said("learner", lambda line: line.learner)

    def other(self) -> Score:
        return self.said("other", lambda line: line.other)

    def skips(self) -> Score:
        return self.said("skips", lambda line: line.skips)


NOTHING: dict[str, Callable[[Line], Samples]] = {
    "other text": lambda line: line.other,
    "reversed": lambda line: line.actor[::-1],
    "babble": lambda _: spoken.babble(),
    "noise": lambda _: spoken.noise(),
    "hum": lambda _: spoken.hum(),
    "silence": lambda _: spoken.silence(),
    "a click": lambda _: np.ones(300, np.float32),
}


def scores(score: Score) -> dict[str, float]:
    return dict(score.result["NBest"][0]["PronunciationAssessment"])


def omitted(score: Score) -> list[int]:
    words = score.result["NBest"][0]["Words"]
    kinds = [word["PronunciationAssessment"]["ErrorType"] for word in words]
    return [position for position, kind in enumerate(kinds) if kind == "Omission"]


def check_order(stage: Stage) -> None:
    """Itself, then the actor changed, then somebody else, then another text, with gaps between."""
    ranked = [stage.itself(), stage.slower_and_higher(), stage.learner()]
    assert [score.recognition for score in ranked] == ["Success"] * len(ranked)
    pron = [score.pron_score or 0.0 for score in ranked]
    assert pron[0] >= 99
    assert all(a - b >= GAP for a, b in zip(pron, [*pron[1:], 0.0], strict=True)), pron
    assert stage.other().recognition != "Success"


def check_axes(stage: Stage) -> None:
    """Tempo and pitch move what they are about, and little else."""
    ratio = stage.slower_and_higher().result["NBest"][0]["Similarity"]["TempoRatio"]
    assert ratio == pytest.approx(1.15, rel=0.03)
    before, after = scores(stage.itself()), scores(stage.monotonous())
    assert before["ProsodyScore"] - after["ProsodyScore"] >= 30
    assert before["AccuracyScore"] - after["AccuracyScore"] <= 15


class SpeechScorerContract:
    """Order, axes, words left out, refusals, what is kept and told."""

    @pytest.fixture(scope="class")
    def stage(self, scorer: SpeechScorer, tmp_path_factory: pytest.TempPathFactory) -> Stage:
        return Stage(scorer, spoken.clause(), tmp_path_factory.mktemp("speech"))

    def test_scores_fall_with_distance(self, stage: Stage):
        check_order(stage)

    def test_tempo_and_pitch_are_told_apart(self, stage: Stage):
        check_axes(stage)

    def test_words_left_out_are_named(self, stage: Stage):
        assert omitted(stage.skips()) == list(stage.line.skipped)
        advised = [f for f in stage.skips().result["Feedback"] if f["code"] == "word.omitted"]
        assert [f["position"] for f in advised] == list(stage.line.skipped)
        assert omitted(stage.itself()) == []

    @pytest.mark.parametrize("what", NOTHING)
    def test_what_is_not_the_text_gets_no_number(self, stage: Stage, what: str):
        score = stage.said(what, NOTHING[what])
        assert score.recognition != "Success"
        assert score.pron_score is None
        assert score.result["NBest"] == []
        assert score.result["Feedback"], "somebody wants to know why"

    def test_a_reference_keeps_words_with_times(self, stage: Stage):
        kept = stage.reference
        assert kept.feature_version == stage.scorer.feature_version
        assert [w.text for w in kept.words] == _plain(stage.line.text)
        times = [t for w in kept.words for t in (w.start_s, w.end_s)]
        assert times == sorted(times)
        assert times[-1] <= kept.duration_s
        assert {len(w.mfcc) for w in kept.words} == {13}
        assert {"gop", "pitch_st", "energy_db"} <= set(kept.words[0].features)

    def test_what_is_kept_survives_json(self, stage: Stage):
        again = replace(stage.reference, document=json.loads(json.dumps(stage.reference.document)))
        take = spoken.saved(stage.line.learner, stage.folder / "again.wav")
        assert stage.scorer.score(again, take) == stage.learner()  # and the same twice

    def test_a_result_is_a_document_of_bounded_numbers(self, stage: Stage):
        result = json.loads(json.dumps(stage.learner().result, allow_nan=False))
        assert all(0 <= value <= 100 for value in scores(stage.learner()).values())
        words = result["NBest"][0]["Words"]
        assert [w["Word"] for w in words] == _plain(stage.line.text)
        said = [w for w in words if w["Delta"] is not None]
        assert all(w["Duration"] > 0 for w in said)
        assert all(isinstance(w["Delta"]["StartSec"], float) for w in said)
        assert all(w["Reference"]["Duration"] > 0 for w in words)
        assert result["Engine"]["beta"] is True
        assert {"reference", "recording", "hop_s"} <= set(result["Contours"])
        assert result["Quality"]["duration_s"] > 1

    def test_words_that_nobody_knows_are_named(self, scorer: SpeechScorer, stage: Stage):
        take = spoken.saved(stage.line.actor, stage.folder / "known.wav")
        with pytest.raises(UnknownWords) as caught:
            scorer.prepare_reference(take, "If we miss the xqzzyq 42 \uc548\ub155")
        assert caught.value.words == ("xqzzyq", "42", "\uc548\ub155")
        with pytest.raises(NoWords):
            scorer.prepare_reference(take, " ... !")

    def test_a_take_must_say_its_text(self, scorer: SpeechScorer, stage: Stage):
        take = spoken.saved(stage.line.other, stage.folder / "wrong.wav")
        with pytest.raises(UnusableReference):
            scorer.prepare_reference(take, stage.line.text)
        silent = spoken.saved(spoken.silence(), stage.folder / "silent.wav")
        with pytest.raises(UnusableReference):
            scorer.prepare_reference(silent, stage.line.text)

    def test_features_of_another_version_are_refused(self, stage: Stage):
        old = replace(stage.reference, feature_version="0")
        with pytest.raises(StaleReference):
            stage.scorer.score(old, spoken.saved(stage.line.actor, stage.folder / "old.wav"))

    def test_files_that_hold_no_sound_are_refused(self, stage: Stage, tmp_path: Path):
        nothing, junk = tmp_path / "nothing.wav", tmp_path / "junk.wav"
        nothing.touch()
        junk.write_bytes(b"RIFF" + bytes(range(256)) * 40)
        with pytest.raises(EmptyAudio):
            stage.scorer.score(stage.reference, nothing)
        with pytest.raises(UnreadableAudio):
            stage.scorer.score(stage.reference, junk)

    @pytest.mark.slow
    @pytest.mark.timeout(600)
    def test_every_line_is_put_in_order(self, scorer: SpeechScorer, tmp_path: Path):
        for line in _lines():
            stage = Stage(scorer, line, tmp_path)
            check_order(stage)
            check_axes(stage)
            for changed in (stage.slower(), stage.higher()):  # each change alone is heard
                pron = changed.pron_score or 0.0
                assert (stage.itself().pron_score or 0.0) - pron >= GAP, line.name
                assert pron - (stage.learner().pron_score or 0.0) >= GAP, line.name
            assert omitted(stage.skips()) == list(line.skipped), line.name
            for what, make in NOTHING.items():
                assert stage.said(what, make).recognition != "Success", (line.name, what)


def _plain(text: str) -> list[str]:
    return text.lower().replace(",", "").replace(".", "").split()


def _lines() -> Iterator[Line]:
    yield from map(spoken.bundled, spoken.ACTORS)
    if spoken.JFK.is_file():
        yield spoken.jfk()
