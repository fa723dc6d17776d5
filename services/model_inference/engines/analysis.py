"""The streaming path: decode, letterbox, ask the model server, suppress, track, keep.

Decoding and letterboxing run in a thread of their own, the server works on the requests in flight,
and what comes back is finished here in frame order. Nothing grows with the video: a bounded queue
of batches, the requests in flight, the rows of one chunk, the tracks that are alive.

Batches end where chunks end. So a call that continues sends the server the very batches that an
uninterrupted one sends, and its rows are the same to the last digit.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from services.model_inference.engines import video as source
from services.model_inference.engines.ahead import ahead
from services.model_inference.engines.chunks import AnalysisFolder, Checkpoint, Chunk
from services.model_inference.engines.port import (
    Analysis,
    AnalysisSettings,
    AnalysisSummary,
    VideoInfo,
)
from services.model_inference.engines.tracker import WEAK_CONFIDENCE, Tracker
from services.model_inference.errors import ModelMismatch, ModelTooSlow, VideoUnreadable
from shared.events.settings import AnalysisSettings as AskedSettings
from shared.progress.report import Report, silent
from shared.serving.config_pbtxt import MAX_BATCH_SIZE
from shared.serving.port import Batch, ModelServer, ModelSpec, RawOutput
from shared.telemetry.table import FRAMES
from shared.vision.boxes import Detections, Letterbox
from shared.vision.geometry import letterbox, non_max_suppression, to_batch

BATCHES_AHEAD = 2  # prepared, waiting to be sent
ANSWER_WITHIN_S = 300.0  # the slowest honest batch: 64 frames at 1280 px on one core


@dataclass(frozen=True)
class Prepared:
    """Consecutive analysed frames, ready for the server."""

    batch: Batch
    letterboxes: list[Letterbox]
    numbers: list[int]
    pts: list[int | None]
    times_s: list[float]


def analyse(
    video: Path,
    spec: ModelSpec,
    server: ModelServer,
    settings: AskedSettings,
    work: Path,
    report: Report = silent,
) -> AnalysisSummary:
    """Analyse `video` with `spec` into chunk files under `work`, a folder of this analysis alone.

    A second call with the same video, model and settings continues behind the last finished chunk
    (or returns the summary of a finished analysis); with others it starts from zero. `settings`
    are the user's, or the engine's own that know more. `report` gets the frames analysed and
    frames a second after each batch. Raises `VideoMissing`, `VideoUnreadable`, `ModelMismatch`,
    and what the server raises.
    """
    settings = AnalysisSettings.of(settings)
    info = source.probe(video)
    folder = AnalysisFolder(work)
    folder.begin(Analysis(video=info, model=spec, settings=settings))
    done = folder.summary()
    if done is not None:
        report(1.0, "analysed before", frames=done.analysed_frames)
        return done
    run = _Run(folder, folder.checkpoint(), info, spec, settings)
    batches = Batches(video, spec.image_size, settings, run.checkpoint, run.analysed)
    with ahead(batches, BATCHES_AHEAD) as prepared:
        in_flight: deque[tuple[Prepared, Future[RawOutput]]] = deque()
        for item in prepared:
            in_flight.append((item, server.submit(spec, item.batch)))
            if len(in_flight) >= settings.in_flight:
                run.take(*in_flight.popleft(), report)
        while in_flight:
            run.take(*in_flight.popleft(), report)
    if not run.analysed:
        raise VideoUnreadable(video, "no frame of it can be decoded")
    return run.finish(batches.covered, report)


class _Run:
    """What one call of `analyse` accumulates."""

    def __init__(
        self,
        folder: AnalysisFolder,
        checkpoint: Checkpoint,
        info: VideoInfo,
        spec: ModelSpec,
        settings: AnalysisSettings,
    ) -> None:
        self.checkpoint = checkpoint
        self.analysed = checkpoint.state.get("analysed", 0)
        self._detections = checkpoint.state.get("detections", 0)
        self._seconds_before = checkpoint.state.get("seconds", 0.0)
        self._began = time.monotonic()
        self._at_start = self.analysed
        self._folder = folder
        self._spec = spec
        self._settings = settings
        self._last_number = checkpoint.number
        self._expected = _expected(info, settings)
        self._tracker = Tracker(info.fps, settings.confidence, settings.lost_s)
        if "tracker" in checkpoint.state:
            self._tracker.restore(checkpoint.state["tracker"])
        self._chunk = Chunk(checkpoint.chunk + 1)
        self._weakest = (
            min(WEAK_CONFIDENCE, settings.confidence) if settings.track else settings.confidence
        )

    def take(self, prepared: Prepared, answer: Future[RawOutput], report: Report) -> None:
        """Finish one batch: rows into the chunk, the chunk onto disk when it is full."""
        for row, output in enumerate(self._answered(answer, len(prepared.numbers))):
            found = non_max_suppression(
                output, prepared.letterboxes[row], self._weakest, self._settings.iou
            )
            time_s = prepared.times_s[row]
            ids, found = self._identified(found, time_s)
            self._chunk.add(prepared.numbers[row], prepared.pts[row], time_s, ids, found)
            self._detections += len(found)
        self.analysed += len(prepared.numbers)
        FRAMES.add("global" if self._spec.name == "global" else "user", by=len(prepared.numbers))
        self._last_number = prepared.numbers[-1]
        if len(self._chunk) >= self._settings.chunk_frames:
            self._close_chunk()
        rate = (self.analysed - self._at_start) / max(time.monotonic() - self._began, 1e-9)
        report(
            min(self.analysed / self._expected, 1.0) if self._expected else 0.0,
            f"frame {self._last_number}",
            frames=self.analysed,
            frames_per_s=round(rate, 1),
        )

    def finish(self, frames: int, report: Report) -> AnalysisSummary:
        """Close the last chunk and write the summary; `frames` of the video are covered."""
        if len(self._chunk):
            self._close_chunk()
        summary = AnalysisSummary(
            frames=frames,
            analysed_frames=self.analysed,
            detections=self._detections,
            tracks=self._tracker.tracks,
            chunks=self._chunk.index - 1,
            seconds=round(self._seconds(), 3),
            frames_per_s=round(self.analysed / max(self._seconds(), 1e-9), 1),
        )
        self._folder.finish(summary)
        report(1.0, "analysed", frames=summary.analysed_frames, frames_per_s=summary.frames_per_s)
        return summary

    def _answered(self, answer: Future[RawOutput], frames: int) -> RawOutput:
        try:
            output = answer.result(timeout=ANSWER_WITHIN_S)
        except FutureTimeoutError as error:
            raise ModelTooSlow(self._spec.name, ANSWER_WITHIN_S) from error
        rows = 4 + len(self._spec.classes)
        if output.ndim != 3 or output.shape[:2] != (frames, rows):
            raise ModelMismatch(self._spec.name, output.shape, f"({frames}, {rows}, anchors)")
        return output

    def _identified(self, found: Detections, time_s: float) -> tuple[NDArray[np.int64], Detections]:
        """Identities, and the boxes confident enough to be written."""
        if not self._settings.track:
            return np.zeros(len(found), np.int64), found
        ids = self._tracker.update(found, time_s)
        strong = found.confidence >= self._settings.confidence
        if strong.all():
            return ids, found
        return ids[strong], Detections(
            found.xyxy[strong], found.confidence[strong], found.class_id[strong]
        )

    def _close_chunk(self) -> None:
        state = {
            "analysed": self.analysed,
            "detections": self._detections,
            "seconds": self._seconds(),
            "tracker": self._tracker.state(),
        }
        self._folder.write(self._chunk, state)
        self._chunk = Chunk(self._chunk.index + 1)

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began


class Batches:
    """The analysed frames behind a checkpoint, letterboxed, in batches that end where chunks end."""

    def __init__(
        self, video: Path, size: int, settings: AnalysisSettings, after: Checkpoint, analysed: int
    ) -> None:
        self._video = video
        self._size = size
        self._settings = settings
        self._after = source.Position(after.number, after.pts) if after.chunk else None
        self._analysed = analysed
        self.covered = after.number + 1
        """Frames of the video seen so far, with the skipped ones; for after the iteration."""

    def __iter__(self) -> Iterator[Prepared]:
        settings = self._settings
        limit = settings.max_frames
        if limit is not None and self._analysed >= limit:
            return
        stride = 1 + settings.frame_skip
        taken: list[tuple[NDArray[np.uint8], Letterbox, source.Frame]] = []
        in_chunk = 0
        in_request = min(settings.batch_size, MAX_BATCH_SIZE)
        with closing(source.frames(self._video, self._after)) as frames:
            for frame in frames:
                self.covered = frame.number + 1
                if frame.number % stride:
                    continue
                taken.append((*self._fitted(frame), frame))
                in_chunk = (in_chunk + 1) % settings.chunk_frames
                self._analysed += 1
                at_end = limit is not None and self._analysed >= limit
                if len(taken) == in_request or not in_chunk or at_end:
                    yield _prepared(taken)
                    taken = []
                if at_end:
                    return
        if taken:
            yield _prepared(taken)

    def _fitted(self, frame: source.Frame) -> tuple[NDArray[np.uint8], Letterbox]:
        # swscale could scale while it converts, half a millisecond quicker at full HD; but it
        # smooths where training did not, and a model should see the pixels it was trained on
        image = cast("NDArray[np.uint8]", frame.image.to_ndarray(format="rgb24"))
        return letterbox(image, self._size)


def _prepared(taken: list[tuple[NDArray[np.uint8], Letterbox, source.Frame]]) -> Prepared:
    canvases, letterboxes, frames = zip(*taken, strict=True)
    return Prepared(
        to_batch(canvases),
        list(letterboxes),
        [frame.number for frame in frames],
        [frame.pts for frame in frames],
        [frame.time_s for frame in frames],
    )


def _expected(info: VideoInfo, settings: AnalysisSettings) -> int:
    """How many frames will be analysed, 0 if unknown."""
    frames = -(-info.frames // (1 + settings.frame_skip))
    return min(frames, settings.max_frames) if settings.max_frames else frames
