"""An actor's take: sent, prepared, replaced, renewed, removed."""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from services.audio_analyzer import preparation
from services.audio_analyzer.catalogue_errors import ReferenceReplaced
from services.audio_analyzer.errors import SilentReference, UnknownWords, UnusableReference
from services.audio_analyzer.references import read_reference
from services.audio_analyzer.scoring import scorer_of
from shared.db.models import Task
from shared.db.speech_models import Script, Word
from shared.errors import ActverseError, Unavailable
from shared.events.speech import Subject
from shared.flow.states import State
from tests.services.audio_analyzer.shelf import Shelf, WordCounter, tone

SAMPLES = Path(__file__).resolve().parents[3] / "deploy" / "local" / "speech_samples"
LINES: dict[str, str] = json.loads((SAMPLES / "samples.json").read_text("utf-8"))["lines"]


def state_of_task(shelf: Shelf, task_id: str) -> str:
    with shelf.platform.reads() as session:
        return session.get_one(Task, task_id).state


def files_of(shelf: Shelf, subject: str, line_id: str) -> list[str]:
    prefix = f"catalogue/{subject}s/{line_id}"
    return [key.removeprefix(f"{prefix}/") for key in shelf.platform.storage.list(prefix)]


# --- sent -----------------------------------------------------------------------------------------


def test_audio_is_kept_and_sent_in_parts(shelf: Shelf) -> None:
    path, sound = f"/tokens/{shelf.token()}", tone()
    view = shelf.send(path, sound, name="../../evil.html")
    assert (view["state"], view["audio_url"]) == ("PREPARING", f"{path}/audio")
    whole = shelf.ann.get(f"{path}/audio")
    assert (whole.content == sound, whole.headers["Content-Type"]) == (True, "audio/wav")
    assert whole.headers["ETag"] == f'"{hashlib.sha256(sound).hexdigest()}"'
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    part = shelf.ann.get(f"{path}/audio", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, sound[4:8])
    beyond = shelf.ann.get(f"{path}/audio", headers={"Range": "bytes=99999999-"})
    assert beyond.status_code == 416
    kept = shelf.ann.get(f"{path}/audio", headers={"If-None-Match": whole.headers["ETag"]})
    assert (kept.status_code, kept.content) == (304, b"")
    assert shelf.ann.head(f"{path}/audio").headers["Content-Length"] == str(len(sound))


@pytest.mark.parametrize(
    ("file", "status"),
    [
        (("take.wav", b"", "audio/wav"), 400),
        (("take.wav", b"RIFF and then nothing of use", "audio/wav"), 422),
        (("take.pdf", b"%PDF-1.7", "application/pdf"), 415),
    ],
)
def test_what_is_no_sound_is_refused(shelf: Shelf, file: Any, status: int) -> None:
    token = shelf.token()
    assert shelf.admin.put(f"/tokens/{token}/audio", files={"file": file}).status_code == status
    assert shelf.ann.get(f"/tokens/{token}").json()["state"] == "NO_AUDIO"
    assert files_of(shelf, "token", token) == []


def test_audio_for_no_line_leaves_nothing(shelf: Shelf) -> None:
    answer = shelf.admin.put("/tokens/none/audio", files={"file": ("a.wav", tone(), "audio/wav")})
    assert answer.status_code == 404
    assert files_of(shelf, "token", "none") == []


# --- prepared -------------------------------------------------------------------------------------


def test_a_script_gets_its_words_and_a_document(shelf: Shelf) -> None:
    script = shelf.script("to be or not")
    shelf.send(f"/scripts/{script}")
    scorer = WordCounter()
    job = shelf.prepare("script", script, scorer)
    assert (job.words, job.feature_version) == (4, "counted-1")
    view = shelf.ann.get(f"/scripts/{script}").json()
    assert (view["state"], view["duration_s"], view["feature_version"]) == (
        "READY",
        0.4,
        "counted-1",
    )
    assert view["words"][2] == {"position": 2, "text": "or", "start_s": 0.2, "end_s": 0.3}
    with shelf.platform.reads() as session:
        key = session.get_one(Script, script).features_key
        word = session.get_one(Word, (script, 3))
    assert (word.text, len(word.mfcc), word.features) == ("not", 13, {"gop": -5.0})
    kept = read_reference(shelf.platform.storage.fetch(str(key)))
    assert kept == scorer.prepare_reference(shelf.platform.storage.fetch(_audio(shelf, script)),
                                            "to be or not")  # fmt: skip
    asked = len(scorer.looked_at)
    assert shelf.prepare("script", script, scorer) == job  # a second delivery
    assert len(scorer.looked_at) == asked


def _audio(shelf: Shelf, script: str) -> str:
    with shelf.platform.reads() as session:
        return str(session.get_one(Script, script).audio_key)


@pytest.mark.parametrize("subject", ["token", "script"])
def test_what_cannot_be_used_is_said_in_the_readers_language(
    shelf: Shelf, subject: Subject
) -> None:
    line = getattr(shelf, subject)("hello xyzzyq")
    shelf.send(f"/{subject}s/{line}")
    scorer = WordCounter(refusal=UnknownWords(["xyzzyq"]))
    with pytest.raises(UnknownWords):
        shelf.prepare(subject, line, scorer)
    english = shelf.ann.get(f"/{subject}s/{line}")
    korean = shelf.ann.get(f"/{subject}s/{line}", headers={"Accept-Language": "ko-KR"})
    assert english.json()["state"] == korean.json()["state"] == "FAILED"
    assert "not known: xyzzyq" in english.json()["problem"]
    assert "발음을 알 수 없는 단어" in korean.json()["problem"]
    assert english.headers["ETag"] != korean.headers["ETag"]
    scorer.refusal = None  # an admin asks for the task again
    shelf.prepare(subject, line, scorer)
    assert shelf.ann.get(f"/{subject}s/{line}").json()["problem"] is None


def test_a_failure_that_may_pass_is_left_to_the_retries(shelf: Shelf) -> None:
    token = shelf.token()
    shelf.send(f"/tokens/{token}")
    with pytest.raises(Unavailable):
        shelf.prepare("token", token, WordCounter(refusal=Unavailable("away")))
    assert shelf.ann.get(f"/tokens/{token}").json()["state"] == "PREPARING"


@pytest.mark.parametrize(
    ("text", "sound", "error"),
    [
        (LINES["sea"], "sea_actor.ogg", None),
        (LINES["sea"], tone(3), UnusableReference),
        ("Xyzzyq at sea", "sea_actor.ogg", UnknownWords),
    ],
    ids=["a take", "a tone", "a word that nobody knows"],
)
def test_the_real_scorer(
    shelf: Shelf, text: str, sound: str | bytes, error: type[ActverseError] | None
) -> None:
    script = shelf.script(text)
    content = sound if isinstance(sound, bytes) else (SAMPLES / sound).read_bytes()
    shelf.send(f"/scripts/{script}", content, "take")
    with pytest.raises(error) if error else nullcontext():
        shelf.prepare("script", script, scorer_of(shelf.platform))
    view = shelf.ann.get(f"/scripts/{script}").json()
    assert (view["state"], bool(view["problem"])) == (
        ("FAILED", True) if error else ("READY", False)
    )
    assert len(view["words"]) == (0 if error else len(text.split()))
    times = [time for word in view["words"] for time in (word["start_s"], word["end_s"])]
    assert times == sorted(times)
    assert not times or times[-1] <= view["duration_s"]


# --- replaced -------------------------------------------------------------------------------------


def test_a_late_job_does_not_overwrite_a_newer_take(shelf: Shelf) -> None:
    script = shelf.script("one two")
    path = f"/scripts/{script}"
    shelf.send(path)
    late = shelf.job("script", script)
    shelf.send(path, tone(hertz=330))
    assert state_of_task(shelf, late.task_id) == State.CANCELLED
    with pytest.raises(ReferenceReplaced):
        preparation.prepare(shelf.platform, late, WordCounter())
    assert shelf.ann.get(path).json()["state"] == "PREPARING"
    newer = shelf.prepare("script", script, WordCounter())
    assert files_of(shelf, "script", script) == sorted(
        [f"{newer.audio_sha256[:16]}/reference.wav", f"{newer.task_id}/features.json"]
    )


def test_a_take_that_is_replaced_while_it_is_looked_at(shelf: Shelf) -> None:
    token = shelf.token()
    path = f"/tokens/{token}"
    shelf.send(path)

    class Slow(WordCounter):
        def prepare_reference(self, *given: Any) -> Any:
            shelf.send(path, tone(hertz=330))
            return super().prepare_reference(*given)

    scorer = Slow()
    with pytest.raises(ReferenceReplaced):
        shelf.prepare("token", token, scorer)
    view = shelf.ann.get(path).json()
    assert (view["state"], view["problem"]) == ("PREPARING", None)
    assert [name for name in files_of(shelf, "token", token) if "features" in name] == []


def test_the_same_audio_again_changes_nothing_and_another_text_does(shelf: Shelf) -> None:
    actor = shelf.actor()
    token = shelf.token("one two", actor_id=actor)
    path = f"/tokens/{token}"
    shelf.send(path)
    first = shelf.prepare("token", token, WordCounter())
    assert shelf.send(path)["state"] == "READY"
    wish = {"actor_id": actor, "film": "Another", "text": "one two"}
    assert shelf.admin.put(path, json=wish).json()["state"] == "READY"
    changed = shelf.admin.put(path, json=wish | {"text": "one two three"}).json()
    assert (changed["state"], changed["feature_version"]) == ("PREPARING", None)
    second = shelf.prepare("token", token, WordCounter())
    assert (first.words, second.words) == (2, 3)
    assert files_of(shelf, "token", token) == sorted(
        [f"{second.audio_sha256[:16]}/reference.wav", f"{second.task_id}/features.json"]
    )


# --- renewed, healed ------------------------------------------------------------------------------


def test_takes_are_prepared_again_for_another_version(shelf: Shelf) -> None:
    lines: list[tuple[Subject, str]] = [("token", shelf.token()), ("script", shelf.script())]
    for subject, line in lines:
        shelf.send(f"/{subject}s/{line}")
        shelf.prepare(subject, line, WordCounter())
    preparation.renew(shelf.platform, "counted-1")
    states = [shelf.ann.get(f"/{subject}s/{line}").json()["state"] for subject, line in lines]
    assert states == ["READY", "READY"]
    while preparation.renew(shelf.platform, "counted-2"):
        pass
    for subject, line in lines:
        assert shelf.ann.get(f"/{subject}s/{line}").json()["state"] == "PREPARING"
        shelf.prepare(subject, line, WordCounter("counted-2"))
        view = shelf.ann.get(f"/{subject}s/{line}").json()
        assert (view["state"], view["feature_version"]) == ("READY", "counted-2")
        assert len(files_of(shelf, subject, line)) == 2


def test_workers_of_an_older_release_leave_the_lines_of_a_newer_one(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both renew every minute while an upgrade goes on; what is delivered twice reaches either."""
    token = shelf.token()
    path = f"/tokens/{token}"
    shelf.send(path)
    shelf.prepare("token", token, WordCounter("counted-10"))
    for older in ("counted-9", "counted-9.5", "counted-10"):
        preparation.renew(shelf.platform, older)
        assert shelf.ann.get(path).json()["state"] == "READY", older
    shelf.prepare("token", token, WordCounter("counted-9"))  # the same job once more
    assert shelf.ann.get(path).json()["feature_version"] == "counted-10"
    for newer in ("counted-11", "counted-10.1", "another-1"):
        assert preparation.newer(newer, "counted-10"), newer
    monkeypatch.setattr(shelf.platform.settings.speech, "prepare_older", True)
    preparation.renew(shelf.platform, "counted-9")
    assert shelf.ann.get(path).json()["state"] == "PREPARING"
    shelf.prepare("token", token, WordCounter("counted-9"))
    assert shelf.ann.get(path).json()["feature_version"] == "counted-9"


def test_a_line_learns_that_nobody_prepares_it_any_more(shelf: Shelf) -> None:
    cancelled, failed, going_on = shelf.token(), shelf.token(), shelf.token()
    for token in (cancelled, failed, going_on):
        shelf.send(f"/tokens/{token}")
    task = shelf.job("token", cancelled).task_id
    assert shelf.admin.post(f"/tasks/{task}/cancel").status_code == 202
    task = shelf.job("token", failed).task_id
    shelf.door.begin(task)
    shelf.door.fail(task, SilentReference())
    preparation.heal(shelf.platform)
    views = [shelf.ann.get(f"/tokens/{t}").json() for t in (cancelled, failed, going_on)]
    assert [view["state"] for view in views] == ["FAILED", "FAILED", "PREPARING"]
    assert "was stopped" in views[0]["problem"]
    assert "silent" in views[1]["problem"]
    assert shelf.send(f"/tokens/{cancelled}")["state"] == "PREPARING"  # the same audio again


# --- removed --------------------------------------------------------------------------------------


def test_a_line_goes_with_its_files_words_and_work(shelf: Shelf) -> None:
    script = shelf.script("one two")
    shelf.send(f"/scripts/{script}")
    shelf.prepare("script", script, WordCounter())
    assert len(files_of(shelf, "script", script)) == 2
    shelf.send(f"/scripts/{script}", tone(hertz=330))
    job = shelf.job("script", script)
    assert shelf.admin.delete(f"/scripts/{script}").status_code == 204
    assert state_of_task(shelf, job.task_id) == State.CANCELLED
    assert files_of(shelf, "script", script) == []
    assert shelf.ann.get(f"/scripts/{script}").status_code == 404
    with pytest.raises(ReferenceReplaced):
        preparation.prepare(shelf.platform, job, WordCounter())
    assert files_of(shelf, "script", script) == []
