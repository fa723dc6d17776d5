"""A comparison on the terminal: scores, words with their colours, advice."""

from __future__ import annotations

import math
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

SCORES = {
    "overall": "PronScore",
    "accuracy": "AccuracyScore",
    "fluency": "FluencyScore",
    "prosody": "ProsodyScore",
    "completeness": "CompletenessScore",
}
GOOD, FAIR = 80.0, 60.0
MARKS = {"warning": "[red]![/]", "hint": "[yellow]·[/]", "info": "[green]✓[/]"}
TICKS_A_SECOND = 10_000_000


def print_comparison(console: Console, told: dict[str, Any]) -> None:
    """All of it; a recording that was not recognised has no scores, and that is said."""
    result = told["result"]
    best = _best(result)
    if best is None:
        console.print(f"[yellow]{result['RecognitionStatus']}[/]: {escape(told['message'])}")
    else:
        console.print(_scores(best["PronunciationAssessment"]))
        console.print(_words(best["Words"]))
    for each in result["Feedback"]:
        console.print(f"{MARKS.get(each['severity'], ' ')} {escape(each['text'])}", soft_wrap=True)


def summary(result: dict[str, Any]) -> list[str]:
    """The cells of a row about one result: overall, accuracy, fluency, prosody, completeness."""
    best = _best(result)
    if best is None:
        return [f"[yellow]{result['RecognitionStatus']}[/]", *[""] * (len(SCORES) - 1)]
    return [_shaded(best["PronunciationAssessment"][name]) for name in SCORES.values()]


def _best(result: dict[str, Any]) -> dict[str, Any] | None:
    found = result.get("NBest") or [None]
    best: dict[str, Any] | None = found[0]
    return best


def _scores(given: dict[str, float]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in SCORES:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row(*(_shaded(given[name]) for name in SCORES.values()))
    return table


def _shaded(score: float) -> str:
    shade = "green" if score >= GOOD else "yellow" if score >= FAIR else "red"
    return f"[{shade}]{score:.1f}[/]"


def _words(words: list[dict[str, Any]]) -> Table:
    """A row a word: when it was said, how clearly, and how it differs from the actor's."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("word", no_wrap=True)
    for column in ("at", "score", "begins", "length", "pitch", "loudness"):
        table.add_column(column, justify="right", no_wrap=True)
    for each in words:
        judged, delta = each["PronunciationAssessment"], each["Delta"]
        if delta is None:
            table.add_row(f"[dim strike]{escape(each['Word'])}[/]", "", "[red]left out[/]")
            continue
        table.add_row(
            escape(each["Word"]),
            f"{each['Offset'] / TICKS_A_SECOND:.2f} s",
            _shaded(judged["AccuracyScore"]),
            _signed(delta["StartSec"], "s", 2),
            f"x {math.exp(delta['DurationLog']):.2f}",
            _signed(delta["PitchSt"], "st", 1),
            _signed(delta["EnergyDb"], "dB", 1),
        )
    return table


def _signed(value: float | None, unit: str, places: int) -> str:
    """`+0.12 s`; nothing where there is none, as the pitch of a whisper."""
    return "" if value is None else f"{value:+.{places}f} {unit}"
