"""One mesh asks another over HTTP: real doors, real workers, the real scorer, signed answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from services.audio_analyzer import tasks, webhook_api
from shared.db.models import Task
from shared.errors import NotFound
from shared.flow.states import ENDED, State
from tests.servers.ports import free_port
from tests.services.audio_analyzer.meshes import Mesh, mesh_at

SAMPLES = Path(__file__).resolve().parents[3] / "deploy" / "local" / "speech_samples"
LINE = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))["lines"]["sea"]
TAKE, SAID = (SAMPLES / f"sea_{who}.ogg" for who in ("actor", "learner"))


class Pair(NamedTuple):
    """Who asks, and who compares."""

    asker: Mesh
    server: Mesh


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder, port = tmp_path_factory.mktemp("pair"), free_port()
    with mesh_at(folder / "server", network={"allow": ["127.0.0.1/32"]}) as server:
        speech = {
            "analysis_server": server.door.url,
            "analysis_key": server.door.key_of("another mesh"),
        }
        gateway = {"port": port, "public_url": f"http://127.0.0.1:{port}"}
        with mesh_at(folder / "asker", gateway=gateway, speech=speech) as asker:
            yield Pair(asker, server)


def served(pair: Pair, job_id: str) -> Task:
    """The task that did it on the other side."""
    with pair.server.platform.reads() as session:
        return session.query(Task).filter(Task.idempotency_key.startswith(job_id)).one()


def test_a_recording_is_compared_by_another_mesh(pair: Pair) -> None:
    asker, server = pair
    line_id = asker.line(text=LINE, take=TAKE.read_bytes())
    job_id = asker.send(line_id, SAID.read_bytes())
    told = asker.progress(job_id)
    assert [each["progress"] for each in told] == sorted({each["progress"] for each in told})
    assert told[-1]["status"] == "completed", asker.log.read_text()[-2000:]
    seen = asker.seen(job_id)
    best = seen["result"]["NBest"][0]
    assert seen["result"]["RecognitionStatus"] == "Success"
    assert [word["Word"] for word in best["Words"]][:3] == ["the", "first", "thing"]
    task, row = asker.rows(job_id)
    assert (task.state, task.pipeline) == (State.SUCCEEDED, "audio_analysis_remote")
    assert task.context["server"] == server.door.url
    assert 0 < best["PronunciationAssessment"]["PronScore"] == row.pron_score < 99
    theirs = served(pair, job_id)
    done = server.until(lambda: served(pair, job_id).state == State.SUCCEEDED)
    assert done
    kept = server.platform.storage.list(f"interim/{theirs.id}")
    assert [key.rpartition("/")[2] for key in kept] == ["result.json"]  # the audio is forgotten


def test_a_script_goes_the_same_way(pair: Pair) -> None:
    asker = pair.asker
    line_id = asker.line("script", text=LINE, take=TAKE.read_bytes())
    job_id = asker.send(line_id, TAKE.read_bytes(), "script")
    seen = asker.ended(job_id, subject="script")
    best = seen["result"]["NBest"][0]
    assert best["PronunciationAssessment"]["PronScore"] >= 99


def test_what_the_server_cannot_read_is_told_in_the_readers_language(pair: Pair) -> None:
    asker, server = pair
    job_id = asker.asked(recording=b"no sound at all", text=LINE, take=TAKE.read_bytes())
    seen = asker.ended(job_id)
    assert seen["status"] == "failed"
    assert seen["message"].startswith("This file cannot be read as sound (recording.wav)")
    assert asker.seen(job_id, "ko")["message"].startswith("소리로 읽을 수 없는 파일입니다")
    theirs = server.until(lambda: (t := served(pair, job_id)).state == State.FAILED and t)
    assert theirs.error["code"] == "UnreadableAudio"


def test_an_answer_whose_call_is_lost_is_fetched(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker, server = pair

    def lost(*_: object) -> None:
        raise NotFound("As if another gateway stood here.")

    with monkeypatch.context() as broken:
        broken.setattr(webhook_api, "_taken", lost)
        line_id = asker.line(text=LINE, take=TAKE.read_bytes())
        job_id = asker.send(line_id, SAID.read_bytes())
        theirs = server.until(lambda: _ended(pair, job_id))
    assert theirs.error["code"] == "WebhookRefused"
    assert asker.seen(job_id)["progress"] == 90
    monkeypatch.setattr(asker.platform.settings.speech, "inquire_after_s", 0.001)
    tasks.inquire_after_answers.function(asker.platform)
    seen = asker.seen(job_id)
    assert seen["status"] == "completed"
    assert 0 < seen["result"]["NBest"][0]["PronunciationAssessment"]["PronScore"] < 99


def _ended(pair: Pair, job_id: str) -> Task | None:
    with pair.server.platform.reads() as session:
        mine = Task.idempotency_key.startswith(job_id)
        return session.query(Task).filter(mine, Task.state.in_(ENDED)).one_or_none()
