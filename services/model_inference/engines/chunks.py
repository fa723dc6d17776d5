"""The folder between analysis and writers: a head, numbered chunk files, and a summary.

A chunk file holds the rows of its frames *and* the tracker's state behind the last of them, so the
two cannot disagree, and appears whole or not at all. Values are rounded here, once: every result
format shows the same digits.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.model_inference.engines.port import Analysis, AnalysisSummary
from services.model_inference.engines.replace import whole
from services.model_inference.errors import AnalysisUnfinished
from shared.vision.boxes import Detections

NO_PTS = np.iinfo(np.int64).min


class Row(NamedTuple):
    """One box: pixels of the source, from the image's top left."""

    track_id: int  # 0: not tracked
    class_id: int
    confidence: float  # 0..1, four decimals
    x: float  # left, two decimals
    y: float  # top
    w: float
    h: float


class FrameRows(NamedTuple):
    """The boxes of one analysed frame, best first."""

    number: int
    time_s: float  # since the first frame, six decimals
    rows: list[Row]


@dataclass
class Chunk:
    """Analysed frames in the making, then on disk; `index` counts from 1."""

    index: int
    numbers: list[int] = field(default_factory=list)
    pts: list[int] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    found: list[tuple[NDArray[np.int64], Detections]] = field(default_factory=list)

    def add(
        self, number: int, pts: int | None, time_s: float, ids: NDArray[np.int64], found: Detections
    ) -> None:
        """Append one analysed frame."""
        self.numbers.append(number)
        self.pts.append(NO_PTS if pts is None else pts)
        self.times_s.append(round(time_s, 6))
        self.counts.append(len(found))
        self.found.append((ids, found))

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True)
class Checkpoint:
    """Where a second call continues."""

    chunk: int  # the last finished one; 0: none
    number: int  # its last frame; -1: none
    pts: int | None
    state: dict[str, Any]


START = Checkpoint(0, -1, None, {})


class AnalysisFolder:
    """One analysis on disk."""

    def __init__(self, work: Path) -> None:
        self.work = work

    def begin(self, head: Analysis) -> None:
        """Keep what an earlier call of the same analysis left, remove what another left."""
        self.work.mkdir(parents=True, exist_ok=True)
        file = self.work / "analysis.json"
        text = head.model_dump_json(indent=1)
        if file.exists() and file.read_text(encoding="utf-8") == text:
            return
        (self.work / "summary.json").unlink(missing_ok=True)
        for chunk in self.work.glob("chunk_*.npz"):
            chunk.unlink()
        with whole(file) as part:
            part.write_text(text, encoding="utf-8")

    def head(self) -> Analysis:
        """The head; raises `AnalysisUnfinished` if there is none."""
        file = self.work / "analysis.json"
        if not file.exists():
            raise AnalysisUnfinished(self.work)
        return Analysis.model_validate_json(file.read_bytes())

    def summary(self) -> AnalysisSummary | None:
        """The summary, None while the analysis has not finished."""
        file = self.work / "summary.json"
        return AnalysisSummary.model_validate_json(file.read_bytes()) if file.exists() else None

    def finish(self, summary: AnalysisSummary) -> None:
        """From now on the writers may run."""
        with whole(self.work / "summary.json") as part:
            part.write_text(summary.model_dump_json(indent=1), encoding="utf-8")

    def finished(self) -> AnalysisSummary:
        """The summary; raises `AnalysisUnfinished` while there is none."""
        summary = self.summary()
        if summary is None:
            raise AnalysisUnfinished(self.work)
        return summary

    def write(self, chunk: Chunk, state: dict[str, Any]) -> None:
        """Finish `chunk`; `state` is whatever the next chunk needs, as JSON values."""
        found = [detections for _, detections in chunk.found]
        corners = np.concatenate([np.empty((0, 4)), *[each.xyxy for each in found]])
        corners = np.round(corners, 2)
        columns = {
            "number": np.array(chunk.numbers, np.int64),
            "pts": np.array(chunk.pts, np.int64),
            "time_s": np.array(chunk.times_s, np.float64),
            "count": np.array(chunk.counts, np.int64),
            "track_id": np.concatenate([np.empty(0, np.int64), *[ids for ids, _ in chunk.found]]),
            "class_id": np.concatenate([np.empty(0, np.int64), *[each.class_id for each in found]]),
            "confidence": np.round(
                np.concatenate([np.empty(0), *[each.confidence for each in found]]), 4
            ),
            "xywh": np.round(
                np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1), 2
            ),
            "state": np.frombuffer(json.dumps(state).encode(), np.uint8),
        }
        with whole(self._chunk(chunk.index)) as part:
            np.savez_compressed(part, **columns)  # type: ignore[arg-type]

    def checkpoint(self) -> Checkpoint:
        """Behind the last of the unbroken series of readable chunks; later files are removed."""
        last = START
        while (columns := self._read(last.chunk + 1)) is not None:
            pts = int(columns["pts"][-1])
            sought = pts != NO_PTS and bool((np.diff(columns["pts"]) > 0).all())
            last = Checkpoint(
                last.chunk + 1,
                int(columns["number"][-1]),
                pts if sought else None,
                json.loads(columns["state"].tobytes()),
            )
        for file in self.work.glob("chunk_*.npz"):
            if file.stem > self._chunk(last.chunk).stem:
                file.unlink()
        return last

    def chunk_frames(self, index: int) -> Iterator[FrameRows]:
        """The frames of one finished chunk."""
        columns = self._read(index)
        if columns is None:
            raise AnalysisUnfinished(self.work)
        boxes = zip(
            columns["track_id"].tolist(),
            columns["class_id"].tolist(),
            columns["confidence"].tolist(),
            *columns["xywh"].T.tolist(),
            strict=True,
        )
        rows = [Row(*values) for values in boxes]
        at = 0
        for number, time_s, count in zip(
            columns["number"].tolist(),
            columns["time_s"].tolist(),
            columns["count"].tolist(),
            strict=True,
        ):
            yield FrameRows(number, time_s, rows[at : at + count])
            at += count

    def frames(self) -> Iterator[FrameRows]:
        """All analysed frames, one chunk in memory at a time."""
        for index in range(1, self.finished().chunks + 1):
            yield from self.chunk_frames(index)

    def _chunk(self, index: int) -> Path:
        return self.work / f"chunk_{index:06d}.npz"

    def _read(self, index: int) -> dict[str, NDArray[Any]] | None:
        try:
            with np.load(self._chunk(index), allow_pickle=False) as columns:
                return {name: columns[name] for name in columns.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
