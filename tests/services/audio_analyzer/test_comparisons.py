"""From an upload to a result, through a real worker with the real scorer; everything that people send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest

from shared.db.models import StepRun, WorkRun
from tests.services.audio_analyzer import sounds
from tests.services.audio_analyzer.sounds import encoded, heard
from tests.services.audio_analyzer.speech_world import SpeechWorld


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpeechWorld]:
    with SpeechWorld.opened(tmp_path_factory.mktemp("speech")) as opened:
        yield opened


def best(found: dict[str, Any]) -> dict[str, Any]:
    assert found["status"] == "completed", found["message"]
    assert found["result"]["RecognitionStatus"] == "Success", found["result"]["Quality"]
    nbest: dict[str, Any] = found["result"]["NBest"][0]
    return nbest


def pron(found: dict[str, Any]) -> float:
    return float(best(found)["PronunciationAssessment"]["PronScore"])


def test_a_learner_hears_how_a_line_was_said(world: SpeechWorld) -> None:
    job = world.send(sounds.sample("sea_learner"))
    path = f"/tokens/analysis-progress/{job}"
    with world.ann.stream("GET", path, headers={"Accept-Language": "ko"}) as answer:
        lines = [t.removeprefix("data: ") for t in answer.iter_lines() if t.startswith('data: {"s')]
    events = [json.loads(line) for line in lines]
    assert [e["progress"] for e in events] == [40, 70, 90, 100]
    found = world.look(job)
    assert 20 < pron(found) < 95
    said = [word["Word"].lower() for word in best(found)["Words"]]
    assert said == [w.strip(".,").lower() for w in sounds.line("sea").split()]
    korean = events[-1]["result"]["Feedback"]
    english = found["result"]["Feedback"]
    assert [e["code"] for e in korean] == [e["code"] for e in english]
    assert all(e["text"] != k["text"] for e, k in zip(english, korean, strict=True))
    task = world.ann.get(f"/tasks/{job}").json()
    assert task["results"]["pron_score"] == pron(found)


def test_the_actor_says_it_best_and_the_same_is_not_compared_twice(world: SpeechWorld) -> None:
    own = world.ended(world.send(sounds.sample("sea_actor")))
    assert pron(own) >= 99
    again = world.send(sounds.sample("sea_actor"))
    assert world.ended(again)["result"] == own["result"]
    task = world.ann.get(f"/tasks/{again}").json()
    assert task["results"]["cached"] is True
    assert task["steps"][0]["seconds"] < 0.6 * _compared_s(world)


def _compared_s(world: SpeechWorld) -> float:
    """How long a recording that nobody has sent before takes."""
    fresh = world.send(encoded(0.9 * heard("sea_actor")))
    world.ended(fresh)
    task = world.ann.get(f"/tasks/{fresh}").json()
    assert task["results"]["cached"] is False
    return float(task["steps"][0]["seconds"])


def test_a_script_is_compared_word_by_word(world: SpeechWorld) -> None:
    found = world.ended(world.send(sounds.sample("king_skips"), "scripts"), "scripts")
    skipped = [n for n, w in enumerate(best(found)["Words"]) if _error(w) == "Omission"]
    assert skipped == [3, 9]
    assert world.ann.get("/mypage/history", params={"script_id": world.script}).json()["items"]


def _error(word: dict[str, Any]) -> str:
    return str(word["PronunciationAssessment"]["ErrorType"])


FORMATS = {
    "wav of 8 bits": ("wav", "pcm_u8", {}),
    "wav of 8 kHz": ("wav", "pcm_s16le", {"rate": 8000}),
    "wav of 96 kHz, stereo": ("wav", "pcm_s16le", {"rate": 96_000, "layout": "stereo"}),
    "mp3": ("mp3", "libmp3lame", {"rate": 44_100}),
    "m4a": ("mp4", "aac", {"rate": 44_100}),
    "ogg": ("ogg", "libopus", {"rate": 48_000}),
    "webm of a browser": ("webm", "libopus", {"rate": 48_000, "live": "1"}),
    "flac": ("flac", "flac", {}),
}


@pytest.mark.slow
def test_every_format_is_heard_as_the_same(world: SpeechWorld) -> None:
    """Whatever it is called: the names say nothing."""
    samples = heard("sea_actor")
    jobs = {
        name: world.send(encoded(samples, kind, codec, **given))  # type: ignore[arg-type]
        for name, (kind, codec, given) in FORMATS.items()
    }
    scores = {name: pron(world.ended(job)) for name, job in jobs.items()}
    assert {name: score for name, score in scores.items() if score < 75} == {}


def test_what_is_not_the_line_never_gets_a_number(world: SpeechWorld) -> None:
    refused(world, "InitialSilenceTimeout", encoded(sounds.silence(3)))
    refused(world, "NoMatch", sounds.sample("sea_other"))


@pytest.mark.slow
@pytest.mark.parametrize("what", ["noise", "hum", "backwards"])
def test_noise_never_gets_a_number(world: SpeechWorld, what: str) -> None:
    backwards = np.ascontiguousarray(heard("sea_actor")[::-1])
    sound = {"noise": sounds.noise(3), "hum": sounds.hum(3), "backwards": backwards}[what]
    refused(world, None, encoded(sound))


def refused(world: SpeechWorld, recognition: str | None, sound: bytes) -> None:
    """It is compared to the end, and says in words why there is no score."""
    found = world.ended(world.send(sound))
    status = found["result"]["RecognitionStatus"]
    assert (found["status"], status != "Success") == ("completed", True)
    assert recognition in {None, status}
    assert "PronScore" not in str(found["result"])
    assert "The comparison is complete, but" in found["message"]
    assert found["result"]["Feedback"][0]["text"]


@pytest.mark.slow
def test_a_clipped_recording_is_compared_and_said_to_be_clipped(world: SpeechWorld) -> None:
    loud = np.clip(12 * heard("sea_actor"), -1, 1)
    found = world.ended(world.send(encoded(loud)))
    assert found["status"] == "completed"
    assert "clipped" in found["result"]["Quality"]["warnings"]
    assert any(e["code"] == "quality.clipped" for e in found["result"]["Feedback"])


def test_what_lies_about_its_length_fails_with_its_sentence(world: SpeechWorld) -> None:
    endless = encoded(sounds.silence(121), "webm", "libopus", rate=48_000, live="1")
    job = world.send(endless)
    assert "longer than 120 s" in world.ended(job)["message"]
    assert "120초" in world.look(job, language="ko")["message"]
    assert world.ann.get(f"/tasks/{job}").json()["error"]["code"] == "TooLongAudio"


def test_a_scorer_that_is_killed_is_started_again(world: SpeechWorld) -> None:
    (scorer,) = world.scorers()
    scorer.suspend()  # as if it took minutes
    logged = len(world.log.read_bytes())
    job = world.send(encoded(sounds.silence(2.5)))
    world.until(lambda: _being_scored(world, job))
    scorer.kill()
    assert world.ended(job)["status"] == "completed"
    assert b"flow.work.retried" in world.log.read_bytes()[logged:]


def test_a_deleted_comparison_takes_its_recording_with_it(world: SpeechWorld) -> None:
    job = world.send(sounds.sample("sea_learner"))
    world.ended(job)
    folder = world.door.platform.settings.data_dir / "inputs" / job
    assert folder.exists()
    assert world.ann.delete(f"/tasks/{job}").status_code in {202, 204}
    path = f"/tokens/analysis-result/{job}"
    world.until(lambda: world.ann.get(path).status_code == 404)
    world.until(lambda: not folder.exists())


def test_a_cancelled_comparison_ends_soon_and_the_worker_stays(world: SpeechWorld) -> None:
    world.ended(world.send(encoded(sounds.silence(2.2))))
    (scorer,) = world.scorers()
    pool = scorer.parent()
    scorer.suspend()  # as if it took minutes
    job = world.send(encoded(sounds.silence(2.3)))
    world.until(lambda: _being_scored(world, job))
    assert world.ann.post(f"/tasks/{job}/cancel").status_code == 202
    world.until(lambda: not scorer.is_running() or scorer.status() == psutil.STATUS_ZOMBIE)
    steps = world.until(lambda: _ended_steps(world, job))
    assert [step["state"] for step in steps] == ["CANCELLED"]
    assert world.look(job)["message"] == "The comparison was cancelled."
    assert pron(world.ended(world.send(encoded(0.5 * heard("sea_actor"))))) >= 99
    (another,) = world.scorers()
    assert (another.pid != scorer.pid, another.parent()) == (True, pool)  # nobody had to end that


def _being_scored(world: SpeechWorld, job: str) -> bool:
    with world.door.platform.reads() as session:
        query = session.query(WorkRun).join(StepRun, StepRun.id == WorkRun.step_run_id)
        return query.filter(StepRun.task_id == job, WorkRun.task == "score_recording").count() == 1


def _ended_steps(world: SpeechWorld, job: str) -> list[dict[str, Any]] | None:
    steps: list[dict[str, Any]] = world.ann.get(f"/tasks/{job}").json()["steps"]
    return None if any(step["state"] == "RUNNING" for step in steps) else steps
