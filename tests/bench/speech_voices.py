"""Lines, voices and noises for `tests.bench.speech_unseen`: two sets that share neither a line nor a voice.

`tune` may be looked at while the scorer is worked on; `unseen` only judges it. Voices are what free
synthesizers make of a text, natural-sounding ones by flite and Festival, formant synthesis by eSpeak NG;
those that are not installed are left out. None of them is needed by Actverse.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from parselmouth.praat import call

from services.audio_analyzer.engines.decoding import RATE, decoded
from tests.services.audio_analyzer import spoken
from tests.services.audio_analyzer.spoken import Samples

TUNE = (
    "The birch canoe slid on the smooth planks, glue the sheet to the dark blue background.",
    "Wait for me.",
    "I never said she stole my bread, I only said that somebody did.",
    "Do you want to come with us?",
    "What is it?",
    "Over my dead body.",
    "Forty two is not the answer to all of our questions, Peter.",
    "If it is not you then who is it?",
    "The old lighthouse keeper had seen more than thirty winters on that rock.",
    "Michael and Susan are on the way to London.",
    "Leave me out of it.",
    "It is a truth that a single man in possession of a good fortune must be in want of a wife.",
    "Where were you on the night of the second of March?",
    "One, two, three, and off we go.",
    "She looked up at the stars and said that none of them was as bright as it had been.",
    "Close the door, sit down, and tell me everything that happened last night.",
)
UNSEEN = (
    "Who goes there?",
    "It was her.",
    "Not for all the tea in China.",
    "Did you really leave all seven of them behind?",
    "Oh, Martha, I had hoped it would be you at the door.",
    "At half past nine the two of us walked out on him.",
    "Twenty three thousand people came to hear Elizabeth sing in the rain.",
    "To be honest, I have no idea what you are looking at.",
    "Give it to me.",
    "Why would Robert sell the house if he still wants to live in it?",
    "A promise is a promise, and a debt is a debt.",
    "There are nine hundred and ninety nine reasons to stay, and one to go.",
    (
        "The captain turned away from the window and asked whether anybody on board knew how to "
        "read the old charts that hung beside the compass."
    ),
    "In Paris they told me that Vincent had left for Berlin on the fourth of July.",
    "Can you hear the music, or is it only me?",
    "Please wait outside.",
    "He that is without fear has nothing left to learn of it.",
    "So what do we do with it?",
    "Yesterday all my troubles were small, but today they are as tall as trees.",
    "Strength is nothing without patience.",
    "Would you carry this letter to Jonathan for us?",
    "You were the only one I could ever talk to, and now you will not even look at me.",
    "Eleven, twelve, thirteen, fourteen.",
    "My brother bought a bigger boat but began to be bored by it.",
)
FOREIGN = {
    "de": "Der alte Mann sah lange aus dem Fenster und sagte kein einziges Wort.",
    "fr": "Je ne sais pas pourquoi il est parti sans nous dire au revoir.",
    "es": "Todos los caminos llevan a Roma, pero nadie quiere caminar.",
    "ko": "\uc624\ub298\uc740 \ub0a0\uc528\uac00 \uc88b\uc544\uc11c \uacf5\uc6d0\uc5d0 \uac00\uace0 \uc2f6\uc5b4\uc694.",
    "ru": "\u042f \u043d\u0435 \u0437\u043d\u0430\u044e, \u043a\u0443\u0434\u0430 \u043e\u043d \u0443\u0448\u0451\u043b \u0432\u0447\u0435\u0440\u0430 \u0432\u0435\u0447\u0435\u0440\u043e\u043c.",
}


@dataclass(frozen=True)
class Voice:
    """One way to say a text; `change`: ratios of formants and of the pitch's median, by Praat."""

    program: str
    name: str
    change: tuple[float, float] | None = None

    @property
    def natural(self) -> bool:
        """Made of recordings of a person."""
        return self.program != "espeak-ng"

    def __str__(self) -> str:
        return self.name + ("*" if self.change else "")

    @property
    def installed(self) -> bool:
        """Whether this machine can make it."""
        if shutil.which(self.program) is None:
            return False
        folder = Path("/usr/share/festival/voices")
        return self.program != "text2wave" or bool(list(folder.glob(f"*/{self.name}")))


@dataclass(frozen=True)
class Set:
    """Lines with the voices that say them."""

    lines: tuple[str, ...]
    voices: tuple[Voice, ...]


SETS = {
    "tune": Set(
        TUNE,
        (
            Voice("flite", "slt"),
            Voice("flite", "rms"),
            Voice("flite", "awb"),
            Voice("flite", "slt", (0.85, 0.6)),
            Voice("flite", "kal16"),
            Voice("flite", "rms", (1.17, 1.8)),
            Voice("espeak-ng", "en-us+f3"),
            Voice("espeak-ng", "en-us+m3"),
            Voice("espeak-ng", "en-gb-scotland"),
        ),
    ),
    "unseen": Set(
        UNSEEN,
        (
            Voice("text2wave", "ked_diphone"),
            Voice("text2wave", "cmu_us_slt_arctic_hts"),
            Voice("text2wave", "kal_diphone"),
            Voice("text2wave", "ked_diphone", (1.15, 1.6)),
            Voice("espeak-ng", "en-gb-x-rp+f2"),
            Voice("espeak-ng", "en-029"),
            Voice("espeak-ng", "en-us-nyc+m7"),
            Voice("espeak-ng", "en-us+klatt4"),
        ),
    ),
}


@dataclass(frozen=True)
class Booth:
    """Where texts are said; what was said is kept in `folder`."""

    folder: Path

    @staticmethod
    def speaks(program: str) -> bool:
        """Whether it is installed."""
        return shutil.which(program) is not None

    def said(self, voice: Voice, text: str) -> Samples:
        """Samples of `text`, (n,) at `RATE`."""
        name = hashlib.sha256(f"{voice.program} {voice.name} {text}".encode()).hexdigest()[:16]
        path = self.folder / f"{name}.wav"
        if not path.is_file():
            _synthesized(voice, text, path)
        samples = decoded(path)
        return changed(samples, *voice.change) if voice.change else samples


def _synthesized(voice: Voice, text: str, path: Path) -> None:
    given, command = None, [voice.program]
    if voice.program == "flite":
        command += ["-voice", voice.name, "-t", text, "-o", str(path)]
    elif voice.program == "text2wave":
        command += ["-eval", f"(voice_{voice.name})", "-o", str(path)]
        given = text
    else:
        command += ["-v", voice.name, "-w", str(path), text]
    subprocess.run(command, input=given, text=True, check=True, capture_output=True)


def changed(samples: Samples, formants: float, pitch: float) -> Samples:
    """As a longer or shorter throat would say it."""
    sound = spoken.sound(samples)
    track = call(sound, "To Pitch", 0.0, 60, 500)
    median = call(track, "Get quantile", 0, 0, 0.5, "Hertz")
    return spoken.samples_of(
        call([sound, track], "Change gender", formants, median * pitch, 1.0, 1.0)
    )


def recorded(folder: Path) -> Iterator[tuple[str, Samples]]:
    """Texts and takes of `folder`: wav files, and a `transcription` as Sphinx writes it."""
    for row in (folder / "transcription").read_text(encoding="utf-8").splitlines():
        found = re.fullmatch(r"(?:<s>)?\s*(.*?)\s*(?:</s>)?\s*\((.*)\)\s*", row)
        if found:
            yield found[1], decoded(folder / f"{found[2]}.wav")


# --- what is not speech, or not this --------------------------------------------------------------

SECONDS = 4
_TIMES = np.arange(SECONDS * RATE) / RATE


def music() -> Samples:
    """Chords with overtones that fade, four a second."""
    out = np.zeros(_TIMES.size)
    for n, (root, third) in enumerate([(220, 4), (196, 4), (247, 3), (165, 3)] * SECONDS):
        start = n * RATE // 4
        t = _TIMES[: out.size - start]
        for step in (0, third, 7, 12):
            tone = root * 2 ** (step / 12)
            out[start:] += sum(np.sin(2 * np.pi * k * tone * t) / k**2 for k in (1, 2, 3)) * np.exp(
                -4 * t
            )
    return (0.1 * out).astype(np.float32)


def engine() -> Samples:
    """A motor: pulses whose rate wanders about 70 a second, with noise."""
    random = np.random.default_rng(11)
    rate = 70 + np.cumsum(random.normal(0, 0.02, _TIMES.size))
    phase = 2 * np.pi * np.cumsum(rate) / RATE
    tones = sum(np.sin(k * phase + k) / k for k in range(1, 20))
    return (0.1 * tones + random.normal(0, 0.02, _TIMES.size)).astype(np.float32)


def keyboard() -> Samples:
    """Clicks of keys, about eight a second."""
    random = np.random.default_rng(12)
    out = random.normal(0, 1e-3, _TIMES.size)
    for start in random.integers(0, out.size - 800, 8 * SECONDS):
        out[start : start + 800] += random.normal(0, 0.3, 800) * np.exp(-np.arange(800) / 80)
    return out.astype(np.float32)


def pink() -> Samples:
    """Noise with as much power in each octave."""
    spectrum = np.fft.rfft(np.random.default_rng(13).normal(size=_TIMES.size))
    out = np.fft.irfft(spectrum / np.sqrt(np.arange(spectrum.size) + 1.0))
    return (0.1 * out / out.std()).astype(np.float32)


def siren() -> Samples:
    """A tone that rises and falls between 500 and 1500 Hz."""
    hz = 1000 + 500 * np.sin(2 * np.pi * 0.5 * _TIMES)
    return (0.3 * np.sin(2 * np.pi * np.cumsum(hz) / RATE)).astype(np.float32)


def hissed(samples: Samples) -> Samples:
    """The take's loudness and rhythm without its sounds: noise under its envelope."""
    width = RATE // 50
    envelope = np.sqrt(np.convolve(samples.astype(float) ** 2, np.ones(width) / width, "same"))
    return (envelope * np.random.default_rng(14).normal(size=samples.size)).astype(np.float32)


def humming(samples: Samples) -> Samples:
    """The take's melody and loudness on one vowel-less buzz, as people hum through closed lips."""
    buzz = call(call(spoken.sound(samples), "To Pitch", 0.0, 60, 500), "To Sound (hum)")
    return spoken.samples_of(call(buzz, "Resample", RATE, 50))


def crowd(parts: list[Samples]) -> Samples:
    """All at once, each from its beginning and again."""
    length = SECONDS * RATE
    total = np.sum([np.resize(part, length) / (part.std() + 1e-6) for part in parts], axis=0)
    return (0.08 * total / np.sqrt(len(parts))).astype(np.float32)


NOISES: dict[str, Callable[[], Samples]] = {
    "music": music,
    "engine": engine,
    "keyboard": keyboard,
    "pink noise": pink,
    "siren": siren,
    "hum of the mains": spoken.hum,
}
