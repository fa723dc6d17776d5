"""The process that looks at headers, see `glance`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from services.audio_analyzer.engines.answering import answer_requests
from services.audio_analyzer.engines.headers import ending_by_headers


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    return {"ending": ending_by_headers(Path(request["path"]))}


if __name__ == "__main__":
    answer_requests(_answer, sys.argv[1:])
