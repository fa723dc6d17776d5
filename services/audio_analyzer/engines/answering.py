"""What goes on in a process that is asked: one request a line in, one answer a line out, as JSON.

It ends by itself when nobody asks for `idle_s`, when its parent is gone (end of input), and when one
request takes longer than `limit_s`: the alarm's signal ends it even inside of native code.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
from collections.abc import Callable, Sequence
from typing import Any

from shared.errors import ActverseError

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def answer_requests(answer: Answer, given: Sequence[str]) -> None:
    """Answer until there is nothing more to be asked; `given`: `limit_s`, `idle_s`, `memory_bytes`."""
    limit_s, idle_s, memory_bytes = int(given[0]), float(given[1]), int(given[2])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests = os.fdopen(0, "rb", buffering=0)
    while select.select([requests], [], [], idle_s)[0]:
        line = _line(requests)
        if not line:
            return
        signal.alarm(limit_s)
        answers.write(json.dumps(_answered(answer, json.loads(line))) + "\n")
        answers.flush()
        signal.alarm(0)


def _line(requests: Any) -> bytes:
    parts = []
    while chunk := requests.read(1 << 16):
        parts.append(chunk)
        if chunk.endswith(b"\n"):
            break
    return b"".join(parts)


def _answered(answer: Answer, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"done": answer(request)}
    except ActverseError as error:
        return {"error": type(error).__name__, "given": getattr(error, "given", [str(error)])}
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent says it in its sentence
        return {"error": "", "given": [f"{type(error).__name__}: {error}"]}
