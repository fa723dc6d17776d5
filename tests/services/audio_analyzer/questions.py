"""A door whose mesh has recordings compared elsewhere: questions that wait, answers signed as they must be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from services.audio_analyzer import analyses
from services.audio_analyzer.analyses import Recording
from services.audio_analyzer.remote import webhook_secret
from shared.db.models import Task
from shared.db.speech_models import Actor, AnalysisResult, Script, Token
from shared.events.speech import Subject
from shared.flow import wishes
from shared.net.signed_calls import signed_headers
from shared.pipelines.speech import REMOTE_AUDIO_ANALYSIS, AnalysisOptions
from shared.platform import Platform
from tests.shared.web.door import Door

TEXT = "ask not what your country can do for you"
SCORES = ("PronScore", "AccuracyScore", "FluencyScore", "ProsodyScore", "CompletenessScore")
_numbers = count()


def success(**more: Any) -> dict[str, Any]:
    """What a server says of a recording in which the text was said."""
    best = {"Lexical": TEXT, "PronunciationAssessment": dict.fromkeys(SCORES, 81.5)}
    return {
        "status": "success",
        "result": {"RecognitionStatus": "Success", "NBest": [best], **more},
    }


@dataclass
class Questions:
    """The door, and what its users asked a server elsewhere."""

    door: Door
    ann: httpx.Client
    nobody: httpx.Client

    @property
    def platform(self) -> Platform:
        return self.door.platform

    def line(self, subject: Subject = "token", text: str = TEXT, take: bytes = b"a take") -> str:
        """A line whose take is ready."""
        with self.platform.sessions.begin() as session:
            name = f"actor {next(_numbers)}"
            actor = Actor(name=name, searched=name)
            session.add(actor)
            session.flush()
            kind: dict[str, Any] = {"text": text, "searched": text, "actor_id": actor.id}
            if subject == "token":
                line: Token | Script = Token(**kind, film="Inaugural address")
            else:
                line = Script(**kind, title="Inaugural address")
            line.state = "READY"
            session.add(line)
            session.flush()
            line_id = line.id
            line.audio_key = f"catalogue/{subject}s/{line_id}/take.wav"
            line.audio_sha256 = "0" * 64
        self.door.keep(f"catalogue/{subject}s/{line_id}/take.wav", take)
        return line_id

    def asked(
        self, subject: Subject = "token", recording: bytes = b"what ann said", **line: Any
    ) -> str:
        """A question of ann's that nobody has taken yet."""
        job_id, line_id = f"job-{next(_numbers)}", self.line(subject, **line)
        key = self.door.keep(f"inputs/{job_id}/recording.wav", recording)
        options = AnalysisOptions(
            subject=subject, subject_id=line_id, recording_key=key, recording_sha256="1" * 64
        )
        wishes.submit_alone(
            self.platform.sessions,
            self.platform.bus,
            REMOTE_AUDIO_ANALYSIS,
            options,
            user_id=self.door.user_id("ann"),
            task_id=job_id,
            beside=analyses.beside_task(subject, line_id, Recording(key, "1" * 64)),
        )
        return job_id

    def waiting(self, subject: Subject = "token") -> str:
        """A question that the server has taken."""
        job_id = self.asked(subject)
        self.door.begin(job_id)
        self.door.succeed(job_id, server="https://speech.example")
        return job_id

    def tell(
        self, job_id: str, said: Any, *, subject: str = "token", signed_for: str | None = None
    ) -> httpx.Response:
        """The server calls."""
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        secret = webhook_secret(self.platform.settings, signed_for or job_id)
        return self.call(job_id, body, signed_headers(secret, f"call-{job_id}", body), subject)

    def call(
        self, job_id: str, body: bytes, headers: dict[str, str], subject: str = "token"
    ) -> httpx.Response:
        path = f"/{subject}s/webhook/analysis-complete"
        given = {"Content-Type": "application/json", **headers}
        return self.nobody.post(path, params={"job_id": job_id}, content=body, headers=given)

    def seen(self, job_id: str, language: str = "en", subject: str = "token") -> dict[str, Any]:
        """What ann sees."""
        answer = self.ann.get(
            f"/{subject}s/analysis-result/{job_id}", headers={"Accept-Language": language}
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def rows(self, job_id: str) -> tuple[Task, AnalysisResult]:
        with self.platform.reads() as session:
            return session.get_one(Task, job_id), session.get_one(AnalysisResult, job_id)


@contextmanager
def questions_at(folder: Path, **settings: Any) -> Iterator[Questions]:
    """A door over `folder`, without workers."""
    with (
        Door.opened(folder, **settings) as door,
        door.client("ann") as ann,
        httpx.Client(base_url=door.url, timeout=30) as nobody,
    ):
        yield Questions(door, ann, nobody)
