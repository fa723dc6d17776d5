"""A look at a file of a stranger before it is taken: is it sound, and not too long? Nothing is compared.

The headers of some formats are programs for a demuxer: four kilobytes of an m4a can say that there are
a thousand million samples, and each is given an entry of an index before anybody is asked. So the look
is taken by a process that may not have much memory or time, and may die of it.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from services.audio_analyzer.engines.children import Children
from services.audio_analyzer.errors import ScorerCrashed, UnreadableAudio

MAIN = "services.audio_analyzer.engines.glance_main"
LIMIT_S = 5
MEMORY_BYTES = 512 * 1024**2
"""Address space of a process that looks; an honest file needs less than half of it."""
IDLE_S = 600.0
FILES = 1000  # that one process looks at
log = structlog.get_logger()
_looking = Children(MAIN, limit_s=LIMIT_S, idle_s=IDLE_S, memory_bytes=MEMORY_BYTES, most=FILES)


def glance(path: Path) -> str:
    """The ending under which the file should lie, by what it holds: `.wav`.

    Raises `EmptyAudio`, `UnreadableAudio`, `NoAudio`, `VideoInsteadOfAudio`, and `TooLongAudio` where
    the file itself says so; what lies about its length is found out by decoding it.
    """
    try:
        return str(_looking.ask({"path": str(path.resolve())})["ending"])
    except ScorerCrashed as error:
        log.warning("audio_analyzer.glance.broke", error=str(error))
        raise UnreadableAudio(path.name) from error


def warm(count: int) -> None:
    """Start so many processes, so that the first uploads do not wait for that."""
    _looking.warm(count)
