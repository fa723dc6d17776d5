"""A process that does what it is asked to, good or bad; started by `Children` in tests."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from services.audio_analyzer.engines.answering import answer_requests
from services.audio_analyzer.errors import UnknownWords


def answer(request: dict[str, Any]) -> dict[str, Any]:
    match request["do"]:
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            time.sleep(600)
        case "grow":
            return {"held": len(bytearray(request["bytes"]))}
        case "refuse":
            raise UnknownWords(["qqq"])
        case "stumble":
            raise ZeroDivisionError
        case "print":
            print("a library says hello")  # noqa: T201 - to show that it is no answer
    return {"pid": os.getpid(), "environment": dict(os.environ), "said": request.get("say")}


if __name__ == "__main__":
    answer_requests(answer, sys.argv[1:])
