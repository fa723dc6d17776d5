"""The process that decodes and compares, started by `child.py`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from services.audio_analyzer.engines.answering import answer_requests
from services.audio_analyzer.engines.comparison import Comparison


def main(given: list[str]) -> None:
    """Answer until there is nothing more to be asked; the last of `given` is `longest_s`."""
    comparison = Comparison(float(given[3]))

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "prepare":
            return comparison.prepare(Path(request["audio"]), request["text"])
        return comparison.score(request["document"], Path(request["recording"]))

    answer_requests(answer, given)


if __name__ == "__main__":
    main(sys.argv[1:])
