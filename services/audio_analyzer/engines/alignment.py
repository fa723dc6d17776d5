"""The scorer `alignment`: forced alignment and warping, in processes of their own."""

from __future__ import annotations

from pathlib import Path

from services.audio_analyzer.engines.children import Children
from services.audio_analyzer.engines.port import Reference, ReferenceWord, Score
from services.audio_analyzer.engines.version import FEATURE_VERSION, NAME
from services.audio_analyzer.errors import StaleReference, UnreadableAudio

MAIN = "services.audio_analyzer.engines.child_main"

LONGEST_S = 120.0
MEMORY_BYTES = 3 * 1024**3 // 2
"""Address space of a child; what it really uses is far less."""


class AlignmentScorer:
    """As the port says; may be asked by several threads, each of which gets a process of its own."""

    name = NAME
    feature_version = FEATURE_VERSION

    def __init__(
        self,
        *,
        longest_s: float = LONGEST_S,
        limit_s: int = 900,
        idle_s: float = 300.0,
        jobs: int = 200,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        """`limit_s`: a comparison may take so long; `idle_s`: an unused child ends after so long.

        `jobs`: a child is replaced after so many, because its dictionary grows with every text.
        """
        self._children = Children(
            MAIN,
            str(longest_s),
            limit_s=limit_s,
            idle_s=idle_s,
            memory_bytes=memory_bytes,
            most=jobs,
        )

    def prepare_reference(self, audio: Path, text: str) -> Reference:
        """Align `text` with the take `audio` and keep what a comparison needs."""
        kept = self._children.ask({"do": "prepare", "audio": _readable(audio), "text": text})
        return Reference(
            feature_version=FEATURE_VERSION,
            text=text,
            duration_s=kept["duration_s"],
            words=tuple(ReferenceWord(**word) for word in kept["words"]),
            document=kept["document"],
            warnings=tuple(kept["warnings"]),
        )

    def score(self, reference: Reference, recording: Path) -> Score:
        """Compare `recording` with the take, word by word; `StaleReference` if it is of another version."""
        if reference.feature_version != FEATURE_VERSION:
            raise StaleReference(reference.feature_version, FEATURE_VERSION)
        asked = {"do": "score", "document": reference.document, "recording": _readable(recording)}
        result = self._children.ask(asked)
        return Score(recognition=result["RecognitionStatus"], result=result)

    def close(self) -> None:
        """End the processes that wait for work."""
        self._children.close()


def _readable(path: Path) -> str:
    if not path.is_file():
        raise UnreadableAudio(path.name)
    return str(path.resolve())
