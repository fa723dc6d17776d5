"""Who speaks in the demonstration: a take, and people and machines that say it after the actor.

A real take lies beside the checkout on machines with media; its learners are then made by espeak-ng.
Where either is missing, the samples that come with the code do (`make_speech_samples`).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from shared.errors import BadInput

SAMPLES = Path(__file__).parent / "speech_samples"
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data" / "speech" / "jfk.flac"
SENTENCE = "Ask not what your country can do for you, ask what you can do for your country."
FROM_S, TO_S = 3.1, 10.7  # of the file: its first sentence without the address before it
VOICE = "en-us+f5"
RATE = 16_000
NAMES = {
    "learner": "a synthetic voice",
    "skips": "leaves words out",
    "other": "says something else",
}


@dataclass(frozen=True)
class Learner:
    """Somebody who says the line; `shown`: whether every word of it is shown at the end."""

    name: str
    recording: Path
    shown: bool = False


@dataclass(frozen=True)
class Line:
    """A line with the actor's take of it, and who says it after him or her."""

    actor: str
    title: str
    text: str
    take: Path
    learners: tuple[Learner, ...]
    voices: str
    """Where the voices come from, in a sentence."""

    @property
    def told(self) -> dict[str, str]:
        """What the catalogue is told about it."""
        return {"text": self.text, "actor": self.actor, "title": self.title}


def from_beside(folder: Path) -> Line | None:
    """The first sentence of the real take and learners by espeak-ng; None where either is missing."""
    if not BESIDE.is_file() or shutil.which("espeak-ng") is None:
        return None
    whole = _samples(BESIDE)
    take = _kept(whole[round(FROM_S * RATE) : round(TO_S * RATE)], folder / "take.wav")
    words = SENTENCE.split()
    forgetful = " ".join(w for n, w in enumerate(words) if n not in {3, 4})
    learners = (
        Learner("the actor himself", take),
        Learner("a synthetic voice", _spoken(SENTENCE, VOICE, 110, folder), shown=True),
        Learner("in a hurry", _spoken(SENTENCE, VOICE, 170, folder)),
        Learner("leaves two words out", _spoken(forgetful, VOICE, 110, folder)),
        Learner("says something else", _spoken(_other(), VOICE, 140, folder)),
        *_no_speech(len(whole), folder),
    )
    told = "The actor is real; the learners are synthetic (espeak-ng)."
    return Line("John F. Kennedy", "Inaugural address", SENTENCE, take, learners, told)


def bundled(name: str, folder: Path) -> Line:
    """A line of the samples that come with the code, all of synthetic voices."""
    told = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))
    files = {e["kind"]: SAMPLES / e["file"] for e in told["samples"] if e["line"] == name}
    learners = (
        Learner("the actor herself", files["actor"]),
        *(Learner(said, files[kind], kind == "learner") for kind, said in NAMES.items()),
        *_no_speech(5 * RATE, folder),
    )
    return Line(
        "A synthetic voice", name, told["lines"][name], files["actor"], learners,
        "All voices are synthetic (flite and espeak-ng), and came with the code.",
    )  # fmt: skip


def of_yours(take: Path, text: str, recordings: list[Path], folder: Path) -> Line:
    """A line of the user's; raises `BadInput` where a file or the text is missing."""
    for path in (take, *recordings):
        if not path.is_file():
            raise BadInput(f"There is no file {path}.")
    if not text.strip():
        raise BadInput('Say what is said in the take, word for word: TEXT="...".')
    yours = [Learner(path.name, path, shown=True) for path in recordings]
    learners = (Learner("the take itself", take), *yours, *_no_speech(5 * RATE, folder))
    return Line("You", take.name, text, take, learners, "The voices are yours.")


def _other() -> str:
    told = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))
    return str(told["lines"]["train"])


def _no_speech(length: int, folder: Path) -> tuple[Learner, ...]:
    """What must never be given a number."""
    noise = np.random.default_rng(1).normal(0, 0.05, length).astype(np.float32)
    return (
        Learner("noise", _kept(noise, folder / "noise.wav")),
        Learner("silence", _kept(np.zeros(length, np.float32), folder / "silence.wav")),
    )


def _spoken(text: str, voice: str, words_a_minute: int, folder: Path) -> Path:
    to = folder / f"{len(list(folder.iterdir()))}.wav"
    pace = ["-s", str(words_a_minute)]
    subprocess.run(["espeak-ng", "-v", voice, *pace, "-w", str(to), text], check=True)
    return to


def _samples(path: Path) -> NDArray[np.float32]:
    """The sound of a file as (n,), -1..1, at `RATE`."""
    resampler = av.AudioResampler("flt", "mono", RATE)
    with av.open(str(path)) as source:
        parts = [
            part.to_ndarray()[0]
            for frame in [*source.decode(audio=0), None]
            for part in resampler.resample(frame)
        ]
    return np.concatenate(parts)


def _kept(samples: NDArray[np.float32], path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path
