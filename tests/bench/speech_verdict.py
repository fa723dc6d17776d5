"""What `tests.bench.speech_unseen` says of its comparisons, as a table of promises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.table import Table

from services.audio_analyzer.engines.port import Score

GAP = 5.0


@dataclass(frozen=True)
class Row:
    """One comparison."""

    line: int
    actor: str
    kind: str
    name: str
    natural: bool
    status: str = ""
    pron: float = 0.0
    accuracy: float = 0.0
    prosody: float = 0.0
    tempo: float = 0.0
    missed: tuple[str, ...] = ()
    """Words that were said to be there and are not, `+`, or the reverse, `-`."""

    @property
    def recognised(self) -> bool:
        """Whether it got a number."""
        return self.status == "Success"

    @classmethod
    def of(
        cls,
        line: int,
        actor: str,
        kind: str,
        name: str,
        natural: bool,
        said: Sequence[str],
        score: Score,
    ) -> Row:
        """The row of `score`; `said` are the words that were in the recording."""
        if not score.result["NBest"]:
            return cls(line, actor, kind, name, natural, score.recognition)
        best = score.result["NBest"][0]
        numbers = best["PronunciationAssessment"]
        found = [
            word["Word"]
            for word in best["Words"]
            if word["PronunciationAssessment"]["ErrorType"] != "Omission"
        ]
        return cls(
            line,
            actor,
            kind,
            name,
            natural,
            score.recognition,
            numbers["PronScore"],
            numbers["AccuracyScore"],
            numbers["ProsodyScore"],
            best["Similarity"]["TempoRatio"],
            tuple(_difference(said, found)),
        )


def _difference(said: Sequence[str], found: Sequence[str]) -> list[str]:
    if list(said) == list(found):
        return []
    missing, more = list(said), []
    for word in found:
        if word in missing:
            missing.remove(word)
        else:
            more.append(f"+{word}")
    return [*more, *(f"-{word}" for word in missing)] or ["order"]


def verdict(rows: Sequence[Row]) -> Table:
    """The promises, and for how many recordings or lines each held."""
    table = Table("promise", "held", "of", "worst", title=f"{len(rows)} comparisons")
    for promise, held, of, worst in _promises(rows):
        table.add_row(promise, str(held), str(of), worst)
    return table


def _promises(rows: Sequence[Row]) -> Iterable[tuple[str, int, int, str]]:
    lines = [list(each) for _, each in groupby(rows, key=lambda row: row.line)]
    refused = [line for line in lines if line[0].kind == "take"]
    lines = [line for line in lines if line[0].kind != "take"]
    yield "take is accepted", len(lines), len(lines) + len(refused), ""
    yield _of("itself 99 or more", [_least(line, "itself") - 99 for line in lines], 0)
    gaps: tuple[tuple[str, Callable[[list[Row]], float]], ...] = (
        ("itself over altered", lambda of: _least(of, "itself") - _most(of, "altered")),
        ("altered over another voice", lambda of: _least(of, "altered") - _most(of, "voice")),
        ("natural voice over other text", lambda of: _heard(of, True) - _most(of, "other")),
        ("formant voice over other text", lambda of: _heard(of, False) - _most(of, "other")),
    )
    for name, gap in gaps:
        yield _of(f"{name} by 5", [gap(line) for line in lines], GAP)
    for name, kind in (("noise 15 dB or 8 kHz", "worse"), ("altered or flat", "altered flat")):
        yield _share(f"{name}: a number", [r for r in rows if r.kind in kind.split()])
    voices = [r for r in rows if r.kind == "voice"]
    for kind, natural in (("natural", True), ("formant", False)):
        these = [r for r in voices if r.natural is natural]
        yield _share(f"same text, {kind} voice: a number", these)
    for kind in ("other", "nothing"):
        these = [r for r in rows if r.kind == kind]
        wrong = sorted({r.name for r in these if r.recognised})
        yield (
            f"{kind}: no number",
            len(these) - sum(r.recognised for r in these),
            len(these),
            (", ".join(wrong)),
        )
    flat = [(_one(line, "itself"), _one(line, "flat")) for line in lines]
    yield _of("flat: Prosody falls by 30", [a.prosody - b.prosody for a, b in flat], 30)
    yield _of("flat: Accuracy falls by 15 at most", [b.accuracy - a.accuracy for a, b in flat], -15)
    tempos = {"1.15 times, +2 st": 1.15, "0.88 times, -2 st": 0.88}
    off = [-abs(r.tempo / tempos[r.name] - 1) for r in rows if r.name in tempos]
    yield _of("tempo within 3 %", off, -0.03)
    whole = [r for r in rows if r.kind in {"altered", "flat", "worse", "itself"}]
    yield _exact("said whole by the actor: nothing missing", whole)
    for kind, natural in (("natural", True), ("formant", False)):
        mine = [r for r in rows if r.natural is natural]
        yield _exact(f"said whole, {kind}: nothing missing", [r for r in mine if r.kind == "voice"])
        left = [r for r in mine if r.kind == "skips"]
        cuts = [r for r in left if r.name.startswith("cut")]
        yield _exact(f"left out, {kind}: named exactly", [r for r in left if r not in cuts])
        yield _exact(f"cut out, {kind}: named exactly", cuts)


def _of(name: str, values: Sequence[float], least: float) -> tuple[str, int, int, str]:
    held = sum(value >= least for value in values)
    return name, held, len(values), f"{min(values):.2f}" if values else ""


def _share(name: str, rows: Sequence[Row]) -> tuple[str, int, int, str]:
    return name, sum(row.recognised for row in rows), len(rows), ""


def _exact(name: str, rows: Sequence[Row]) -> tuple[str, int, int, str]:
    """Of those that got a number; the others are told as unrecognised."""
    held = [row for row in rows if row.recognised and not row.missed]
    false = sum(word.startswith("-") for row in rows for word in row.missed)
    unseen = sum(word.startswith("+") for row in rows for word in row.missed)
    none = sum(not row.recognised for row in rows)
    worst = f"{false} called missing, {unseen} not noticed, {none} without a number"
    return name, len(held), len(rows), worst


def _least(line: list[Row], kind: str) -> float:
    return min(row.pron for row in line if row.kind == kind)


def _most(line: list[Row], kind: str) -> float:
    return max((row.pron for row in line if row.kind == kind), default=0.0)


def _heard(line: list[Row], natural: bool) -> float:
    return min((r.pron for r in line if r.kind == "voice" and r.natural is natural), default=100.0)


def _one(line: list[Row], kind: str) -> Row:
    return next(row for row in line if row.kind == kind)
