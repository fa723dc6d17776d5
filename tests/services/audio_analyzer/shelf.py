"""A catalogue for tests: a door on either database, lines in it, sound to send, somebody who prepares."""

from __future__ import annotations

import io
import math
import struct
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Self

import httpx
from sqlalchemy import event

from services.audio_analyzer import preparation, repository
from services.audio_analyzer.engines.port import Reference, ReferenceWord, Score, SpeechScorer
from services.audio_analyzer.schemas import ReferenceJob
from shared.db.models import now
from shared.db.speech_models import AnalysisResult
from shared.events.speech import Subject
from shared.flow import wishes
from shared.pipelines.speech import AUDIO_ANALYSIS, AnalysisOptions
from shared.platform import Platform
from tests.shared.web.door import Door

TEXT = "Frankly, my dear, I don't give a damn."
_numbers = count()


def tone(seconds: float = 0.3, hertz: float = 220.0) -> bytes:
    """A wav file of a pure tone: sound, though nobody says anything in it."""
    rate = 16_000
    samples = (math.sin(2 * math.pi * hertz * n / rate) for n in range(int(seconds * rate)))
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", int(9000 * s)) for s in samples))
    return held.getvalue()


@dataclass
class WordCounter:
    """A scorer that takes each word for a tenth of a second; `refusal` is raised instead."""

    feature_version: str = "counted-1"
    refusal: Exception | None = None
    name: str = "counter"
    looked_at: list[str] = field(default_factory=list)

    def prepare_reference(self, audio: Path, text: str) -> Reference:
        self.looked_at.append(text)
        assert audio.read_bytes().startswith(b"RIFF")
        if self.refusal is not None:
            raise self.refusal
        words = tuple(
            ReferenceWord(word, n / 10, (n + 1) / 10, [0.5] * 13, {"gop": -5.0})
            for n, word in enumerate(text.split())
        )
        return Reference(self.feature_version, text, len(words) / 10, words, {"frames": [1]})

    def score(self, reference: Reference, recording: Path) -> Score:
        raise NotImplementedError


@dataclass
class Shelf:
    """The door with what tests of the catalogue do again and again."""

    door: Door
    admin: httpx.Client
    ann: httpx.Client

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, **settings: Any) -> Iterator[Self]:
        """A shelf in `folder`; closed at the end."""
        with (
            Door.opened(folder, **settings) as door,
            door.client() as admin,
            door.client("ann") as ann,
        ):
            yield cls(door, admin, ann)

    @property
    def platform(self) -> Platform:
        return self.door.platform

    def actor(self, name: str | None = None) -> str:
        given = {"name": name or f"Actor {next(_numbers)}"}
        return made(self.admin.post("/actors", json=given))["id"]

    def token(self, text: str = TEXT, film: str = "Gone with the Wind", **more: Any) -> str:
        given = {"actor_id": more.get("actor_id") or self.actor(), "film": film, "text": text}
        return made(self.admin.post("/tokens", json=given))["id"]

    def script(self, text: str = TEXT, title: str = "The farewell") -> str:
        return made(self.admin.post("/scripts", json={"title": title, "text": text}))["id"]

    def send(self, path: str, sound: bytes | None = None, name: str = "take.wav") -> dict[str, Any]:
        file = (name, sound or tone(), "audio/wav")
        answer = self.admin.put(f"{path}/audio", files={"file": file})
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def job(self, subject: Subject, line_id: str) -> ReferenceJob:
        """What the worker gets for the line as it stands."""
        with self.platform.reads() as session:
            line = repository.line_of(session, subject, line_id)
        return ReferenceJob(
            task_id=str(line.preparing_task),
            user_id="",
            subject=subject,
            subject_id=line_id,
            audio_sha256=str(line.audio_sha256),
        )

    def prepare(self, subject: Subject, line_id: str, scorer: SpeechScorer) -> ReferenceJob:
        return preparation.prepare(self.platform, self.job(subject, line_id), scorer)

    def said(self, user: str, token_id: str, score: float | None, **more: Any) -> str:
        """A recording of `user`, compared."""
        options = AnalysisOptions(
            subject="token", subject_id=token_id, recording_key="-", recording_sha256="0"
        )
        owner = self.door.user_id(user)
        task_id = wishes.submit_alone(
            self.platform.sessions, self.platform.bus, AUDIO_ANALYSIS, options, user_id=owner
        ).id
        scores = dict.fromkeys(("accuracy", "fluency", "prosody", "completeness"), score)
        row = AnalysisResult(
            job_id=task_id,
            user_id=owner,
            recording_key=f"inputs/{task_id}/recording.wav",
            recording_sha256="0",
            status="completed",
            recognition="NoMatch" if score is None else "Success",
            pron_score=score,
            finished_at=now(),
            result={"Contours": [0] * 1000},
            **({"token_id": token_id} | scores | more),
        )
        with self.platform.sessions.begin() as session:
            session.add(row)
        return task_id

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """What the database is asked meanwhile."""
        asked: list[str] = []

        def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
            if statement.lstrip().upper().startswith(("SELECT", "WITH")):
                asked.append(statement)

        event.listen(self.platform.engine, "before_cursor_execute", note)
        try:
            yield asked
        finally:
            event.remove(self.platform.engine, "before_cursor_execute", note)


def made(answer: httpx.Response) -> dict[str, Any]:
    """The body of a 201."""
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    assert answer.headers["Location"].endswith(found["id"])
    return found
