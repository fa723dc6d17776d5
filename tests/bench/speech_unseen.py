"""`python -m tests.bench.speech_unseen`: does what was promised hold for lines and voices nobody looked at?

Each line has an actor, three others who say it whole and with words left out, and everything that is not
the line. `--set tune` measures those that may be looked at; `--takes FOLDER` adds recordings of people as
actors (wav files and a `transcription` as Sphinx writes it); `--rows FILE` keeps every comparison.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from services.audio_analyzer.engines.aligner import spoken_words
from services.audio_analyzer.engines.alignment import AlignmentScorer
from services.audio_analyzer.engines.decoding import RATE
from services.audio_analyzer.engines.port import Reference
from services.audio_analyzer.errors import UnusableReference
from tests.bench import speech_voices as voices
from tests.bench.speech_verdict import Row, verdict
from tests.bench.speech_voices import Booth, Set, Voice
from tests.services.audio_analyzer import spoken
from tests.services.audio_analyzer.spoken import Samples

NATURAL_FIRST = 3
"""Of four actors so many are natural-sounding voices."""


@dataclass(frozen=True)
class Case:
    """One recording that is compared; `said`: the words of the text that are in it."""

    kind: str
    name: str
    natural: bool
    samples: Samples
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """One line with its actor."""

    number: int
    text: str
    actor: Samples
    voice: Voice | None
    """None: a recording of a person."""

    @property
    def words(self) -> tuple[str, ...]:
        """Of the text."""
        return spoken_words(self.text)

    @property
    def natural(self) -> bool:
        """Whether the actor is, or sounds like, a person."""
        return self.voice is None or self.voice.natural


def stages(chosen: Set, booth: Booth, takes: Path | None) -> Iterator[Stage]:
    """Every line with its actor: three natural voices, then one of formant synthesis."""
    able = [voice for voice in chosen.voices if voice.installed]
    natural = [v for v in able if v.natural]
    formant = [v for v in able if not v.natural]
    for number, text in enumerate(chosen.lines):
        turn, place = divmod(number, NATURAL_FIRST + 1)
        kind = natural if natural and (place < NATURAL_FIRST or not formant) else formant
        voice = kind[(turn if kind is formant else turn * NATURAL_FIRST + place) % len(kind)]
        yield Stage(number, text, booth.said(voice, text), voice)
    for number, (text, actor) in enumerate(voices.recorded(takes) if takes else ()):
        yield Stage(number + len(chosen.lines), text, actor, None)


def learners(stage: Stage, chosen: Set) -> list[Voice]:
    """Three voices of other speakers: two natural-sounding ones, if there are, and another."""
    able = [v for v in chosen.voices if v.installed and v.name != getattr(stage.voice, "name", "")]
    turned = [able[(n + stage.number) % len(able)] for n in range(len(able))]
    natural = [v for v in turned if v.natural]
    formant = [v for v in turned if not v.natural]
    return [*natural[:2], *formant[: 3 - len(natural[:2])]]


def cases(stage: Stage, chosen: Set, booth: Booth) -> Iterator[Case]:
    """Everything that is compared with the actor's take, but for cuts of it."""
    actor, natural, words = stage.actor, stage.natural, stage.words
    random = np.random.default_rng(stage.number)
    yield Case("itself", "itself", natural, actor, words)
    slower = spoken.shifted(spoken.stretched(actor, 1.15), 2)
    yield Case("altered", "1.15 times, +2 st", natural, slower, words)
    faster = spoken.shifted(spoken.stretched(actor, 0.88), -2)
    yield Case("altered", "0.88 times, -2 st", natural, faster, words)
    yield Case("flat", "flat", natural, spoken.monotonous(actor), words)
    yield Case("worse", "noise 15 dB", natural, spoken.noisy(actor, 15), words)
    yield Case("worse", "8 kHz", natural, _telephone(actor), words)
    for turn, voice in enumerate(learners(stage, chosen)):
        whole = booth.said(voice, stage.text)
        yield Case("voice", str(voice), voice.natural, whole, words)
        left = _left_out(turn, len(words), random)
        said = tuple(word for n, word in enumerate(words) if n not in left)
        spoken_left = booth.said(voice, " ".join(said))
        yield Case("skips", f"{voice} {_WAYS[turn]}", voice.natural, spoken_left, said)
    yield from _nothing(stage, chosen, booth)


_WAYS = ("here and there", "at the beginning", "at the end")


def _left_out(turn: int, count: int, random: np.random.Generator) -> set[int]:
    many = max(1, min(4, round(count * random.uniform(0.08, 0.3))))
    if turn == 0:
        return set(random.choice(count, many, replace=False).tolist())
    return set(range(many)) if turn == 1 else set(range(count - many, count))


def _telephone(samples: Samples) -> Samples:
    """Without what is over 3.6 kHz, as an 8 kHz recording has it."""
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(samples.size, 1 / RATE) > 3600] = 0
    return np.fft.irfft(spectrum, samples.size).astype(np.float32)


def _nothing(stage: Stage, chosen: Set, booth: Booth) -> Iterator[Case]:
    """What must never get a number."""
    number, able = stage.number, [v for v in chosen.voices if v.installed]
    texts = [text for text in chosen.lines if text != stage.text]
    own = stage.voice or able[number % len(able)]
    other = able[(number + 1) % len(able)]
    same_voice = booth.said(own, texts[(number + 4) % len(texts)])
    another = booth.said(other, texts[(number + 9) % len(texts)])
    yield Case("other", f"another text, {own}", own.natural, same_voice)
    yield Case("other", f"another text, {other}", other.natural, another)
    if booth.speaks("espeak-ng"):
        tongue = list(voices.FOREIGN)[number % len(voices.FOREIGN)]
        foreign = booth.said(Voice("espeak-ng", tongue), voices.FOREIGN[tongue])
        yield Case("nothing", f"language {tongue}", natural=False, samples=foreign)
    at_once = [booth.said(able[n % len(able)], text) for n, text in enumerate(texts[:8])]
    yield Case("nothing", "crowd of eight", natural=True, samples=voices.crowd(at_once))
    yield Case("nothing", "reversed", stage.natural, stage.actor[::-1].copy())
    yield Case("nothing", "hissed", stage.natural, voices.hissed(stage.actor))
    yield Case("nothing", "hummed", stage.natural, voices.humming(stage.actor))
    for name in list(voices.NOISES)[number % 2 :: 2]:
        yield Case("nothing", name, natural=True, samples=voices.NOISES[name]())


def cut(stage: Stage, reference: Reference) -> Case:
    """The take itself without one to three words in a row, by the times of its words."""
    random = np.random.default_rng(1000 + stage.number)
    count = len(stage.words)
    many = min(count - 1, int(random.integers(1, 4)))
    first = int(random.integers(0, count - many + 1))
    times = [(w.start_s, w.end_s) for w in reference.words]
    begin = 0 if first == 0 else round(RATE * (times[first - 1][1] + times[first][0]) / 2)
    end = stage.actor.size
    if first + many < count:
        end = round(RATE * (times[first + many - 1][1] + times[first + many][0]) / 2)
    samples = np.concatenate([stage.actor[:begin], stage.actor[end:]])
    said = (*stage.words[:first], *stage.words[first + many :])
    return Case("skips", "cut out of the take", stage.natural, samples, said)


def measured(
    scorer: AlignmentScorer, stage: Stage, chosen: Set, booth: Booth, path: Path
) -> Iterator[Row]:
    """A row for each recording of a line, kept at `path`; one that says so, where the take was refused."""
    voice = str(stage.voice or "recorded")
    try:
        reference = scorer.prepare_reference(spoken.saved(stage.actor, path), stage.text)
    except UnusableReference:
        yield Row(stage.number, voice, "take", "refused", natural=stage.natural)
        return
    for case in [*cases(stage, chosen, booth), cut(stage, reference)]:
        score = scorer.score(reference, spoken.saved(case.samples, path))
        yield Row.of(stage.number, voice, case.kind, case.name, case.natural, case.said, score)


def main() -> None:
    """Print what held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", choices=sorted(voices.SETS), default="unseen")
    parser.add_argument("--takes", type=Path)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--booth", type=Path, help="keeps what the voices say for the next time")
    given = parser.parse_args()
    chosen, rows = voices.SETS[given.set], []
    with tempfile.TemporaryDirectory() as spare, closing(AlignmentScorer()) as scorer:
        booth = Booth(given.booth or Path(spare))
        for stage in stages(chosen, booth, given.takes):
            rows += measured(scorer, stage, chosen, booth, Path(spare) / "said.wav")
            if given.rows:
                kept = "".join(json.dumps(asdict(row)) + "\n" for row in rows)
                given.rows.write_text(kept, "utf-8")
    Console(width=120).print(verdict(rows))


if __name__ == "__main__":
    main()
