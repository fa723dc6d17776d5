"""The steps of the vision pipeline that can be asked for alone, each at an endpoint of its own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.events import vision as e
from shared.events.settings import AnalysisSettings, TrainingSettings
from shared.pipelines.dsl import Options, Pipeline, Step
from shared.pipelines.vision import (
    ANALYSIS,
    CONVERSION,
    DEPLOYMENT,
    LABEL_DOWNLOAD,
    LABELING,
    TRAINING,
    UPLOAD,
    ClassNames,
    Labeler,
)


class VideoDownloadOptions(Options):
    """Which video, and where it is kept."""

    file_path: str
    download_path: str | None = None


class FrameOptions(Options):
    """How many frames of which video."""

    file_path: str
    num_frames: Annotated[int, Field(ge=1, le=5000)] = 60
    seed: Annotated[int, Field(ge=0)] = 0


class UploadOptions(Options):
    """Which file, and where its copy goes."""

    file_path: str
    upload_path: str


class LabelingOptions(Options):
    """Which frames, by which tool, for which classes."""

    frame_path: str
    labeler: Labeler = "builtin"
    classes: ClassNames = Field(default_factory=lambda: ["animal"])
    inference_result_path: str | None = None


class TrainingOptions(Options):
    """Which labels, and how to train from them."""

    labeling_path: str
    frame_path: str
    training: TrainingSettings = Field(default_factory=TrainingSettings)


class DeploymentOptions(Options):
    """Which registered model."""

    model_path: str
    model: str
    version: int
    frame_path: str | None = None


class WithdrawalOptions(Options):
    """Which deployment ends."""

    deployment_id: str
    model: str


class InferenceOptions(Options):
    """Which model, on which video."""

    deployment_id: str
    inference_data_path: str
    inference: AnalysisSettings = Field(default_factory=AnalysisSettings)
    upload_path: str | None = None


SINGLE_STEPS = (
    Pipeline(
        "video_download",
        Step(
            "video_processor",
            on=e.VideoDownloadRequested,
            run=("fetch_video", "check_video"),
            emits=e.VideoFetched,
        ),
        options=VideoDownloadOptions,
        title="Fetch a video",
        alone=True,
    ),
    Pipeline(
        "frame_extraction",
        Step(
            "video_processor",
            on=e.FrameExtractionRequested,
            run=("take_frames",),
            emits=e.FramesExtracted,
        ),
        options=FrameOptions,
        title="Take frames from a video",
        alone=True,
    ),
    Pipeline(
        "video_upload",
        Step(
            "video_processor",
            on=e.VideoUploadRequested,
            run=("copy_file",),
            emits=e.VideoUploaded,
        ),
        options=UploadOptions,
        title="Copy a stored file",
        alone=True,
    ),
    Pipeline(
        "labeling",
        LABELING,
        LABEL_DOWNLOAD.leading_to(None),
        options=LabelingOptions,
        title="Have frames labelled",
        alone=True,
    ),
    Pipeline(
        "training",
        TRAINING.leading_to(None),
        options=TrainingOptions,
        title="Train a detector",
        alone=True,
    ),
    Pipeline(
        "deployment",
        CONVERSION,
        DEPLOYMENT.leading_to(None),
        options=DeploymentOptions,
        title="Convert and serve a registered model",
        alone=True,
    ),
    Pipeline(
        "withdrawal",
        Step(
            "model_deployer",
            on=e.ModelWithdrawalRequested,
            run=("withdraw_model",),
            emits=e.ModelWithdrawn,
        ),
        options=WithdrawalOptions,
        title="Take a model off the server",
        alone=True,
    ),
    Pipeline(
        "inference",
        ANALYSIS,
        UPLOAD,
        options=InferenceOptions,
        title="Analyse a video with a deployed model",
        alone=True,
    ),
)
