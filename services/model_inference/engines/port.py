"""What the engines take and give; no heavy library is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.events.settings import AnalysisSettings as AskedSettings
from shared.progress.report import Report
from shared.serving.port import ModelServer, ModelSpec


class AnalysisSettings(AskedSettings):
    """What a user may ask, and what only the engine needs; all of it part of a result's identity.

    `max_frames` counts analysed frames from the start. More than a few frames a request gain
    nothing on a CPU, and cost 1.2 MB each at 320 px, 4.9 MB at 640.
    """

    in_flight: int = Field(default=3, ge=1, le=16)
    """Requests that wait for the server at once, so that it never waits for us."""

    chunk_frames: int = Field(default=500, ge=1, le=100_000)
    """Analysed frames a chunk file: what a killed worker has to do again at most."""

    track: bool = True
    """Give boxes an identity over time; off, `track_id` stays empty."""

    lost_s: float = Field(default=1.0, ge=0, le=600)
    """Seconds an animal may be unseen and keep its identity."""

    @classmethod
    def of(cls, asked: AskedSettings) -> Self:
        """`asked`, with our own defaults for what a user cannot ask."""
        return asked if isinstance(asked, cls) else cls(**asked.model_dump())


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
        settings: AskedSettings,
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
