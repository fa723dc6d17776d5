"""How long readers of a large catalogue wait: `python -m tests.bench.catalogue [--lines 20000]`."""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from services.audio_analyzer.repository import folded
from shared.db.speech_models import Token
from tests.services.audio_analyzer.shelf import Shelf

SAID = (
    "the quick brown fox jumps over lazy dog frankly my dear winter of our discontent glorious "
    "summer york king sea nobody is coming to save you miss last train tonight walk home rain"
)
ASKED = {
    "the newest 20": {},
    "two words that many have": {"q": "frankly winter"},
    "words that none has": {"q": "nothing alike"},
    "one film": {"film": "Film 7"},
}
TIMES = 30


def filled(shelf: Shelf, lines: int) -> None:
    """So many quotes of one actor in a hundred films."""
    words = SAID.split()
    dice, actor, begin = random.Random(1), shelf.actor("Clark Gable"), datetime.now(UTC)
    with shelf.platform.sessions.begin() as session:
        for n in range(lines):
            text, film = " ".join(dice.choices(words, k=14)), f"Film {n % 100}"
            at = begin + timedelta(seconds=n)
            named = {"searched": folded(f"{text} {film}"), "created_at": at}
            session.add(Token(actor_id=actor, film=film, text=text, **named))


def main() -> None:
    """Print the median and the longest wait of each question, milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=20_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as folder, Shelf.opened(Path(folder)) as shelf:
        filled(shelf, lines)
        print(f"{lines} quotes, {TIMES} times each, one reader")  # noqa: T201
        for what, params in ASKED.items():
            waits = []
            for _ in range(TIMES):
                began = time.perf_counter()
                answer = shelf.ann.get("/tokens", params=params)
                waits.append(1000 * (time.perf_counter() - began))
            found = len(answer.json()["items"])
            told = f"median {statistics.median(waits):6.1f} ms, longest {max(waits):6.1f} ms"
            print(f"{what:26} {found:3} found  {told}")  # noqa: T201


if __name__ == "__main__":
    main()
