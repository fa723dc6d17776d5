"""What is said in tests of the scorer: the bundled voices, and what may be done to a take."""

from __future__ import annotations

import json
import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import parselmouth
import psutil
from numpy.typing import NDArray
from parselmouth.praat import call

from services.audio_analyzer.engines.decoding import RATE, decoded

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = ROOT / "deploy" / "local" / "speech_samples"
JFK = ROOT.parent / "shared" / "data" / "speech" / "jfk.flac"
JFK_FROM_S, JFK_TO_S = 3.1, 10.7
ACTORS = ("sea", "train", "king")
TOLD = json.loads((SAMPLES / "samples.json").read_text(encoding="utf-8"))

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Line:
    """A text with its actor, somebody else who says it, and the actor saying something else."""

    name: str
    text: str
    actor: Samples
    learner: Samples
    other: Samples
    skips: Samples
    skipped: tuple[int, ...]
    """Positions of the words that are missing in `skips`."""


@cache
def bundled(name: str) -> Line:
    take, skipped = _takes(name)
    text = TOLD["lines"][name]
    return Line(name, text, take["actor"], take["learner"], take["other"], take["skips"], skipped)


@cache
def clause() -> Line:
    """The first clause of a bundled line: the same questions for half the work."""
    line = bundled("train")

    def until(samples: Samples, seconds: float) -> Samples:
        return samples[: round(seconds * RATE)]

    return Line(
        "clause",
        "If we miss the last train tonight",
        until(line.actor, 2.4),
        until(line.learner, 1.88),
        until(line.other, 2.4),
        until(line.skips, 1.21),
        (4, 5),
    )


def jfk() -> Line:
    """A real voice, where the media lie beside the checkout."""
    take, skipped = _takes("jfk")
    actor = decoded(JFK)[round(JFK_FROM_S * RATE) : round(JFK_TO_S * RATE)]
    text, other = TOLD["lines"]["jfk"], bundled("train").other
    return Line("jfk", text, actor, take["learner"], other, take["skips"], skipped)


def _takes(name: str) -> tuple[dict[str, Samples], tuple[int, ...]]:
    of = {each["kind"]: each for each in TOLD["samples"] if each["line"] == name}
    take = {kind: decoded(SAMPLES / each["file"]) for kind, each in of.items()}
    return take, tuple(of["skips"]["skipped"])


def saved(samples: Samples, path: Path) -> Path:
    """A wav file of 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def two_minutes(path: Path) -> tuple[Path, str]:
    """A recording as long as the limit allows, of one actor after the other, and its text."""
    lines = [bundled(name) for name in ACTORS] * 20
    said, length = [], 0
    for line in lines:
        if length + line.actor.size > 119 * RATE:
            break
        said.append(line)
        length += line.actor.size
    saved(np.concatenate([line.actor for line in said]), path)
    return path, " ".join(line.text for line in said)


def peak_mb(pid: int) -> float:
    """The most that a process ever held, megabytes (Linux; elsewhere what it holds now)."""
    status = Path(f"/proc/{pid}/status")
    if not status.is_file():
        return float(psutil.Process(pid).memory_info().rss / 1e6)
    told = dict(row.split(":", 1) for row in status.read_text().splitlines())
    return int(told["VmHWM"].split()[0]) * 1024 / 1e6


# --- what may be done to a take -------------------------------------------------------------------


def stretched(samples: Samples, factor: float) -> Samples:
    """So many times as long, at the same pitch (overlap-add)."""
    return samples_of(call(sound(samples), "Lengthen (overlap-add)", 75, 600, factor))


def shifted(samples: Samples, semitones: float) -> Samples:
    """The pitch moved, the length kept."""
    manipulation = call(sound(samples), "To Manipulation", 0.01, 75, 600)
    tier = call(manipulation, "Extract pitch tier")
    call(tier, "Multiply frequencies", 0, 1000, 2 ** (semitones / 12))
    call([tier, manipulation], "Replace pitch tier")
    return samples_of(call(manipulation, "Get resynthesis (overlap-add)"))


def monotonous(samples: Samples) -> Samples:
    """The same at one pitch: nothing else is changed."""
    manipulation = call(sound(samples), "To Manipulation", 0.01, 75, 600)
    tier = call(manipulation, "Extract pitch tier")
    mean = call(tier, "Get mean (points)", 0, 0)
    call(tier, "Remove points between", 0, 1000)
    call(tier, "Add point", 0.1, mean)
    call([tier, manipulation], "Replace pitch tier")
    return samples_of(call(manipulation, "Get resynthesis (overlap-add)"))


def noisy(samples: Samples, snr_db: float) -> Samples:
    level = float(samples.std()) * 10 ** (-snr_db / 20)
    return (samples + _random().normal(0, level, samples.size)).astype(np.float32)


def noise(seconds: float = 4.0) -> Samples:
    return _random().normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def hum(seconds: float = 4.0) -> Samples:
    """Of the mains, with its overtones."""
    t = np.arange(round(seconds * RATE)) / RATE
    tones = (np.sin(2 * np.pi * 50 * n * t) / n for n in range(1, 9))
    return (0.2 * np.sum(list(tones), axis=0)).astype(np.float32)


def silence(seconds: float = 3.0) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


def babble() -> Samples:
    """Four voices that say different things at once."""
    voices = [bundled(n) for n in ACTORS]
    parts = [v.actor[: 3 * RATE] for v in voices] + [voices[0].other[: 3 * RATE]]
    return (np.sum(parts, axis=0) / 4).astype(np.float32)


def sound(samples: Samples) -> parselmouth.Sound:
    return parselmouth.Sound(samples.astype(np.float64), float(RATE))


def samples_of(sound: parselmouth.Sound) -> Samples:
    return sound.values[0].astype(np.float32)


def _random() -> np.random.Generator:
    return np.random.default_rng(7)
