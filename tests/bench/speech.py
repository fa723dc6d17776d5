"""`python -m tests.bench.speech`: does the scorer put takes in order, and what does it cost?

References: the three bundled synthetic actors, and a real voice where the media lie beside the
checkout. Costs are of the process that compares, found with the time of the CPU that it used.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from services.audio_analyzer.engines.alignment import AlignmentScorer
from services.audio_analyzer.engines.decoding import RATE
from tests.services.audio_analyzer import spoken
from tests.services.audio_analyzer.spoken import Line, Samples

NAMES = ("accuracy", "fluency", "prosody", "completeness")
KEYS = ("AccuracyScore", "FluencyScore", "ProsodyScore", "CompletenessScore")


@dataclass(frozen=True)
class Cost:
    """Of one comparison."""

    audio_s: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        """CPU-seconds a second of audio."""
        return self.cpu_s / self.audio_s


def lines() -> Iterator[Line]:
    """Every reference there is here."""
    yield from map(spoken.bundled, spoken.ACTORS)
    if spoken.JFK.is_file():
        yield spoken.jfk()


def variants(line: Line) -> Iterator[tuple[str, Samples]]:
    """What is compared with the take of `line`, in the order that is expected of the scores."""
    yield "itself", line.actor
    yield "noise 20 dB", spoken.noisy(line.actor, 20)
    yield "stretched 1.15, +2 st", spoken.shifted(spoken.stretched(line.actor, 1.15), 2)
    yield "flat pitch", spoken.monotonous(line.actor)
    yield "another voice", line.learner
    yield "words skipped", line.skips
    yield "other text", line.other
    yield "reversed", line.actor[::-1].copy()
    yield "babble", spoken.babble()
    yield "noise", spoken.noise()
    yield "hum", spoken.hum()
    yield "silence", spoken.silence()


def main() -> None:
    """Print the table of scores, then costs."""
    console, costs = Console(width=110), []
    with tempfile.TemporaryDirectory() as folder, closing(AlignmentScorer()) as scorer:
        path = Path(folder) / "said.wav"
        for line in lines():
            reference = scorer.prepare_reference(spoken.saved(line.actor, path), line.text)
            table = Table(title=f"{line.name}: {line.text}", title_justify="left")
            for column in ("said", "status", "Pron", *NAMES, "tempo", "left out"):
                table.add_column(column, justify="left" if column == "said" else "right")
            for name, samples in variants(line):
                spoken.saved(samples, path)
                before = _cpu_s()
                result = scorer.score(reference, path).result
                costs.append(Cost(samples.size / RATE, _cpu_s() - before))
                table.add_row(name, *_row(result))
            console.print(table)
        memory = max(child.memory_full_info().rss for child in psutil.Process().children())
        longest, peak = _longest(scorer, path)
    shares = [cost.per_second for cost in costs if cost.cpu_s > 0]
    console.print(f"comparisons: {len(costs)}")
    console.print(
        f"CPU-seconds a second of audio: median {np.median(shares):.2f}, "
        f"p95 {np.percentile(shares, 95):.2f}"
    )
    console.print(
        f"120 s of audio: {longest.per_second:.2f} CPU-seconds a second of audio; "
        f"memory of the process after all: {memory / 1e6:.0f} MB, at most {peak:.0f} MB"
    )


def _longest(scorer: AlignmentScorer, path: Path) -> tuple[Cost, float]:
    """What two minutes cost, and the most memory that the process ever held, megabytes."""
    _, text = spoken.two_minutes(path)
    reference = scorer.prepare_reference(path, text)
    before = _cpu_s()
    scorer.score(reference, path)
    cost = Cost(reference.duration_s, _cpu_s() - before)
    return cost, max(spoken.peak_mb(child.pid) for child in psutil.Process().children())


def _cpu_s() -> float:
    used = [child.cpu_times() for child in psutil.Process().children()]
    return sum(each.user + each.system for each in used)


def _row(result: dict[str, Any]) -> tuple[str, ...]:
    if not result["NBest"]:
        return (result["RecognitionStatus"], *("-",) * (len(NAMES) + 3))
    best = result["NBest"][0]
    scores = best["PronunciationAssessment"]
    left = [w["Word"] for w in best["Words"] if _kind(w) == "Omission"]
    return (
        result["RecognitionStatus"],
        f"{scores['PronScore']:.1f}",
        *(f"{scores[key]:.1f}" for key in KEYS),
        f"{best['Similarity']['TempoRatio']:.3f}",
        " ".join(left) or "-",
    )


def _kind(word: dict[str, Any]) -> str:
    return str(word["PronunciationAssessment"]["ErrorType"])


if __name__ == "__main__":
    main()
