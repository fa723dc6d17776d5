"""The tasks of a comparison, each alone: run twice, overtaken by a new take, or broken off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.audio_analyzer import analyses, analysis_tasks
from services.audio_analyzer.analysis_errors import NotReadyToCompare, TakeNotPrepared
from services.audio_analyzer.analysis_schemas import AnalysisJob
from services.audio_analyzer.engines.port import Reference, Score
from services.audio_analyzer.errors import ScorerCrashed, TooLongAudio
from services.audio_analyzer.references import write_reference
from shared import wiring
from shared.db import migrate
from shared.db.base import new_id
from shared.db.models import User
from shared.db.speech_models import AnalysisResult, Script
from shared.flow import wishes
from shared.flow.claims import WorkRef
from shared.flow.work import Run
from shared.pipelines.speech import AUDIO_ANALYSIS, AnalysisOptions
from shared.platform import Platform
from shared.progress.report import silent
from shared.settings import Settings


@dataclass
class Judge:
    """A scorer that gives every recording what it is told to give."""

    name: str = "judge"
    feature_version: str = "judge-1"
    refusal: Exception | None = None
    compared_with: list[str] = field(default_factory=list)

    def score(self, reference: Reference, recording: Path) -> Score:
        assert recording.read_bytes()
        self.compared_with.append(reference.text)
        if self.refusal is not None:
            raise self.refusal
        scores = {"PronScore": 70.0 + len(self.compared_with), "AccuracyScore": 80.0}
        result = {
            "RecognitionStatus": "Success",
            "NBest": [{"PronunciationAssessment": scores}],
        }
        return Score("Success", result)


@dataclass
class Bench:
    """A mesh without a worker, whose tasks the test runs."""

    platform: Platform
    judge: Judge

    def line(self, text: str = "Nobody is coming.", **more: Any) -> str:
        known = {"state": "READY", "audio_sha256": new_id(), "feature_version": "judge-1", **more}
        with self.platform.sessions.begin() as session:
            row = Script(title="Sea", text=text, searched=text, **known)
            session.add(row)
            session.flush()
            row.features_key = self._features(row.id, text)
            return row.id

    def replace(self, line_id: str, text: str) -> None:
        with self.platform.sessions.begin() as session:
            row = session.get_one(Script, line_id)
            self.platform.storage.delete(str(row.features_key))
            row.text, row.audio_sha256 = text, new_id()
            row.features_key = self._features(line_id, text)

    def _features(self, line_id: str, text: str) -> str:
        key = f"catalogue/scripts/{line_id}/{len(text)}/features.json"
        write_reference(Reference("judge-1", text, 1.0, (), {}), self.platform.storage.local(key))
        return self.platform.storage.keep(key).key

    def sent(self, line_id: str, user: str = "ann", sound: str = "5a") -> AnalysisJob:
        """The job that the first task gets for a recording."""
        with self.platform.sessions.begin() as session:
            found = session.query(User).filter_by(name=user).one_or_none() or User(name=user)
            session.add(found)
            session.flush()
            user_id = found.id
        key = f"inputs/{sound}/recording.wav"
        self.platform.storage.local(key).write_bytes(sound.encode())
        stored = self.platform.storage.keep(key)
        known = {"subject": "script", "subject_id": line_id}
        recording = analyses.Recording(key, stored.sha256)
        options = AnalysisOptions(**known, recording_key=key, recording_sha256=stored.sha256)
        task = wishes.submit_alone(
            self.platform.sessions,
            self.platform.bus,
            AUDIO_ANALYSIS,
            options,
            user_id=user_id,
            beside=analyses.beside_task("script", line_id, recording),
        )
        return AnalysisJob(task_id=task.id, user_id=user_id, **options.model_dump())

    def run(self, name: str, job: AnalysisJob) -> AnalysisJob:
        ref = WorkRef(
            task_id=job.task_id,
            user_id=job.user_id,
            pipeline="audio_analysis",
            step="audio_analysis",
            step_run_id=1,
            attempt=1,
            token="t",
        )
        spec = getattr(analysis_tasks, name)
        done: AnalysisJob = spec.function(job, Run(self.platform, ref, silent, 1))
        return done

    def compared(self, job: AnalysisJob) -> AnalysisJob:
        for name in ("load_reference", "score_recording", "store_analysis"):
            job = self.run(name, job)
        return job

    def row(self, job: AnalysisJob) -> AnalysisResult:
        with self.platform.reads() as session:
            return session.get_one(AnalysisResult, job.task_id)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    made = wiring.build(Settings(data_dir=tmp_path_factory.mktemp("data")))
    made.bus.leave_to_relay()
    migrate.upgrade(made.engine)
    yield made
    made.engine.dispose()


@pytest.fixture
def bench(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Bench:
    judge = Judge()
    monkeypatch.setattr(analysis_tasks, "scorer_of", lambda _: judge)
    return Bench(platform, judge)


def test_a_comparison_is_stored_with_its_scores(bench: Bench) -> None:
    job = bench.compared(bench.sent(bench.line()))
    row = bench.row(job)
    assert (row.status, row.recognition, row.pron_score) == ("completed", "Success", 71.0)
    assert (row.accuracy, row.fluency, job.pron_score) == (80.0, None, 71.0)
    assert bench.platform.storage.list(f"interim/{job.task_id}") == ()


def test_whatever_ran_may_run_again(bench: Bench) -> None:
    job = bench.sent(bench.line())
    for name in ("load_reference", "score_recording", "store_analysis"):
        before, job = job, bench.run(name, job)
        again = bench.run(name, before)
        assert again.cache_key == job.cache_key
    assert bench.row(job).status == "completed"


def test_the_same_is_compared_once_whoever_sends_it(bench: Bench) -> None:
    line = bench.line()
    first = bench.compared(bench.sent(line))
    second = bench.compared(bench.sent(line, user="bob"))
    assert (first.cached, second.cached, len(bench.judge.compared_with)) == (False, True, 1)
    assert bench.row(second).result == bench.row(first).result
    assert bench.compared(bench.sent(line, sound="6b")).cached is False
    bench.judge.feature_version = "judge-2"
    with bench.platform.sessions.begin() as session:
        session.get_one(Script, line).feature_version = "judge-2"
    assert bench.compared(bench.sent(line)).cached is False
    bench.replace(line, "Somebody is coming.")
    assert bench.compared(bench.sent(line)).cached is False


def test_a_take_that_is_replaced_meanwhile_is_the_one_compared_with(bench: Bench) -> None:
    line = bench.line("Nobody is coming.")
    job = bench.run("load_reference", bench.sent(line))
    bench.replace(line, "Somebody is coming.")
    scored = bench.run("score_recording", job)
    assert bench.judge.compared_with == ["Somebody is coming."]
    assert scored.cache_key != job.cache_key
    assert bench.run("store_analysis", scored).pron_score == 71.0


@pytest.mark.parametrize("state", [{"state": "PREPARING"}, {"feature_version": "judge-0"}])
def test_a_take_that_is_prepared_anew_is_waited_for(bench: Bench, state: dict[str, str]) -> None:
    job = bench.sent(bench.line(**state))
    with pytest.raises(TakeNotPrepared):
        bench.run("load_reference", job)
    assert bench.row(job).status == "processing"


def test_what_cannot_be_compared_says_why_until_it_is_tried_again(bench: Bench) -> None:
    line = bench.line(state="FAILED")
    job = bench.sent(line)
    with pytest.raises(NotReadyToCompare):
        bench.run("load_reference", job)
    row = bench.row(job)
    assert (row.status, row.problem and row.problem["key"]) == ("failed", "error.line_failed")
    with bench.platform.sessions.begin() as session:
        session.get_one(Script, line).state = "READY"
    bench.compared(job)
    assert (bench.row(job).status, bench.row(job).problem) == ("completed", None)


def test_a_crash_is_tried_again_and_an_unusable_recording_is_not(bench: Bench) -> None:
    job = bench.run("load_reference", bench.sent(bench.line()))
    bench.judge.refusal = ScorerCrashed("it died")
    with pytest.raises(ScorerCrashed):
        bench.run("score_recording", job)
    assert bench.row(job).status == "processing"
    bench.judge.refusal = TooLongAudio(120)
    with pytest.raises(TooLongAudio):
        bench.run("score_recording", job)
    assert bench.row(job).problem == {
        "code": "TooLongAudio",
        "text": "The recording is longer than 120 seconds. Send a shorter part.",
        "key": "error.audio_too_long",
        "fields": {"longest_s": 120},
    }
