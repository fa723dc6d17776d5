"""What the engines take and give; no heavy library is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from shared.progress.report import Report
from shared.serving.port import ModelServer, ModelSpec


class AnalysisSettings(BaseModel):
    """How a video is analysed; part of a result's identity, other settings start from zero."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: float = Field(default=0.25, ge=0, le=1)
    """0..1; boxes below it are not written (weaker ones may still hold an identity)."""

    iou: float = Field(default=0.5, ge=0, le=1)
    """0..1; of two boxes of a class overlapping more than this the weaker one is dropped. Lower
    than the 0.7 of ultralytics: two boxes on one animal are worse than two huddled animals in one."""

    batch_size: int = Field(default=4, ge=1, le=64)
    """Frames a request, as far as the model's own limit allows; more save round trips, and cost
    1.2 MB each at 320 px, 4.9 MB at 640. On a CPU more than a few gain nothing."""

    frame_skip: int = Field(default=0, ge=0, le=100_000)
    """Frames left out after each analysed one: 0 takes all, 1 every second."""

    max_frames: int | None = Field(default=None, ge=1)
    """Analyse at most so many frames (skipped ones do not count), from the start; None: all."""

    in_flight: int = Field(default=3, ge=1, le=16)
    """Requests that wait for the server at once, so that it never waits for us."""

    chunk_frames: int = Field(default=500, ge=1, le=100_000)
    """Analysed frames a chunk file: what a killed worker has to do again at most."""

    track: bool = True
    """Give boxes an identity over time; off, `track_id` stays empty."""

    lost_s: float = Field(default=1.0, ge=0, le=600)
    """Seconds an animal may be unseen and keep its identity."""


class VideoInfo(BaseModel):
    """What the container says of a video; its frame count is an estimate until all are decoded."""

    model_config = ConfigDict(frozen=True)

    name: str
    width: int  # pixels
    height: int  # pixels
    fps: float  # average
    frames: int  # estimate, 0 if unknown
    duration_s: float  # 0 if unknown
    codec: str
    fingerprint: str  # sha256 of length, first and last MiB: the same file, wherever it lies


class AnalysisSummary(BaseModel):
    """What an analysis came to."""

    model_config = ConfigDict(frozen=True)

    frames: int  # of the video, from the first to the last that the analysis covers
    analysed_frames: int
    detections: int  # rows of results.csv
    tracks: int  # identities
    chunks: int
    seconds: float  # of work, all attempts together
    frames_per_s: float  # analysed frames by `seconds`


class Analysis(BaseModel):
    """The head of an analysis folder: a second call continues only if all of it is the same."""

    model_config = ConfigDict(frozen=True)

    video: VideoInfo
    model: ModelSpec
    settings: AnalysisSettings


class Analyser(Protocol):
    """Turns a video into chunk files under `work`; see `engines.analysis.analyse`."""

    def __call__(
        self,
        video: Path,
        spec: ModelSpec,
        server: ModelServer,
        settings: AnalysisSettings,
        work: Path,
        report: Report,
    ) -> AnalysisSummary:
        """Continue after the last finished chunk, or return the summary of a finished analysis."""
        ...


class Writer(Protocol):
    """Turns the chunk files under `work` into one result under `out`; returns what it wrote."""

    def __call__(self, work: Path, out: Path, report: Report) -> Path:
        """Raises `AnalysisUnfinished` before the analysis has ended; replaces an older result."""
        ...
