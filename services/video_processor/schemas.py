"""What travels between the tasks of the video processor, and through its REST interface."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from shared.events.learning_settings import FrameBudget
from shared.flow.work import Job
from shared.web.answers import Done


class VideoJob(Job):
    """From a source to a normalised video with frames."""

    file_path: str
    num_frames: int = 60
    seed: int = 0
    source_key: str | None = None
    probe: dict[str, Any] | None = None
    download_path: str | None = None
    inference_data_path: str | None = None
    frame_path: str | None = None
    video_type: str | None = None
    video_sha256: str | None = None
    mb: float | None = None
    frames: int | None = None
    fps: float | None = None
    width: int | None = None
    height: int | None = None


class ChoiceJob(Job):
    """From a normalised video and what models said of it to the frames of a further round."""

    download_path: str
    num_frames: int = 20
    seed: int = 0
    budget: FrameBudget = Field(default_factory=FrameBudget)
    taken_paths: list[str] = Field(default_factory=list)
    last_results: str | None = None
    global_results: str | None = None
    avoid_s: list[tuple[float, float]] = Field(default_factory=list)
    frame_path: str | None = None
    chosen: dict[str, int] = Field(default_factory=dict)


class CopyJob(Job):
    """A stored file and where its copy goes."""

    file_path: str
    upload_path: str


class ResultsJob(Job):
    """Written results on their way to their links."""

    inference_result_path: str
    upload_path: str | None = None
    outputs: list[str] = Field(default_factory=list)


class DownloadWish(BaseModel):
    """Which video, and where it is kept."""

    model_config = ConfigDict(extra="forbid")

    file_path: str = Field(examples=["https://example.org/openfield.mp4"])
    download_path: str | None = Field(
        default=None, examples=["session1/cam0.mp4"], description="Below your own files/"
    )


class DownloadDone(Done):
    """The video as it came."""

    download_path: str = Field(examples=["files/9d2f41c0/session1/cam0.mp4"])
    video_type: str = Field(examples=["h264 yuv420p in mp4"])
    mb: float = Field(examples=[12.4], description="Size, 10^6 bytes")


class FramesWish(BaseModel):
    """How many frames of which video."""

    model_config = ConfigDict(extra="forbid")

    file_path: str = Field(examples=["videos/0b5c6c5e/normalised.mp4"])
    num_frames: Annotated[int, Field(ge=1, le=5000)] = 60
    seed: Annotated[int, Field(ge=0)] = Field(
        default=0, examples=[7], description="The same seed takes the same frames"
    )


class FramesDone(Done):
    """Where the frames lie: a folder with {frame:08d}.jpg and frames.json."""

    frame_path: str = Field(examples=["frames/0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"])
    frames: int = Field(examples=[60], description="How many")


class UploadWish(BaseModel):
    """Which stored file, and where its copy goes."""

    model_config = ConfigDict(extra="forbid")

    file_path: str = Field(examples=["inference_results/0b5c6c5e/results.csv"])
    upload_path: str = Field(examples=["session1/results.csv"], description="Below your own files/")
