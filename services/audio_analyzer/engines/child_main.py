"""The process that decodes and compares: one request a line in, one answer a line out, as JSON.

Started by `child.py`. It ends by itself when nobody asks for `idle_s`, when its parent is gone (end
of input), and when one request takes longer than `limit_s`: the alarm's signal ends it even inside
of native code.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
from pathlib import Path
from typing import Any

from services.audio_analyzer.engines.comparison import Comparison
from shared.errors import ActverseError


def main(limit_s: int, idle_s: float, memory_bytes: int, longest_s: float) -> None:
    """Answer until there is nothing more to be asked."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    comparison = Comparison(longest_s)
    requests = os.fdopen(0, "rb", buffering=0)
    while select.select([requests], [], [], idle_s)[0]:
        line = _line(requests)
        if not line:
            return
        signal.alarm(limit_s)
        answers.write(json.dumps(_answer(comparison, json.loads(line))) + "\n")
        answers.flush()
        signal.alarm(0)


def _line(requests: Any) -> bytes:
    parts = []
    while chunk := requests.read(1 << 16):
        parts.append(chunk)
        if chunk.endswith(b"\n"):
            break
    return b"".join(parts)


def _answer(comparison: Comparison, request: dict[str, Any]) -> dict[str, Any]:
    try:
        if request["do"] == "prepare":
            return {"done": comparison.prepare(Path(request["audio"]), request["text"])}
        return {"done": comparison.score(request["document"], Path(request["recording"]))}
    except ActverseError as error:
        return {"error": type(error).__name__, "given": getattr(error, "given", [str(error)])}
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent says it in its sentence
        return {"error": "", "given": [f"{type(error).__name__}: {error}"]}


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
