"""From a video to a detector of one's own. Paths are storage keys, not paths of a machine."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from shared.events.base import DomainEvent
from shared.events.learning_settings import LabelSource, PromotionSettings
from shared.events.settings import AnalysisSettings, TrainingSettings


class VideoProcessingRequested(DomainEvent, name="EVENT_VIDEO_PROCESSING_REQUESTED"):
    """Fetch a video, make it uniform, and take frames from it."""

    file_path: str
    num_frames: int = 60
    seed: int = 0


class VideoDownloaded(DomainEvent, name="EVENT_VIDEO_DOWNLOADED"):
    """The video is in the storage, normalised, with its frames beside it."""

    download_path: str
    inference_data_path: str  # what the user's model will analyse: the same video
    frame_path: str
    video_type: str
    video_sha256: str
    mb: float
    frames: int
    fps: float
    width: int
    height: int


class VideoDownloadRequested(DomainEvent, name="EVENT_VIDEO_DOWNLOAD_REQUESTED"):
    """Fetch a video and check that it can be decoded; nothing else."""

    file_path: str
    download_path: str | None = None


class VideoFetched(DomainEvent, name="EVENT_VIDEO_FETCHED"):
    """The video is in the storage as it came."""

    download_path: str
    video_type: str
    mb: float


class FrameExtractionRequested(DomainEvent, name="EVENT_FRAME_EXTRACTION_REQUESTED"):
    """Take frames from a video that is in the storage."""

    file_path: str
    num_frames: int = 60
    seed: int = 0


class FramesExtracted(DomainEvent, name="EVENT_FRAMES_EXTRACTED"):
    """The frames are in the storage."""

    frame_path: str
    frames: int


class VideoUploadRequested(DomainEvent, name="EVENT_VIDEO_UPLOAD_REQUESTED"):
    """Copy a stored file to another place of the storage."""

    file_path: str
    upload_path: str


class VideoUploaded(DomainEvent, name="EVENT_VIDEO_UPLOADED"):
    """The copy is complete."""

    upload_path: str


class GlobalInferenceRequested(DomainEvent, name="EVENT_GLOBAL_INFERENCE_REQUESTED"):
    """Analyse the video, and the frames taken from it, with the model that ships with the code."""

    download_path: str
    frame_path: str | None = None
    inference: AnalysisSettings = Field(default_factory=AnalysisSettings)


class GlobalInferenceCompleted(DomainEvent, name="EVENT_GLOBAL_INFERENCE_COMPLETED"):
    """The global model's view of the video: what the labeler may start from."""

    inference_result_path: str
    detections: int


class LabelingRequested(DomainEvent, name="EVENT_LABELING_REQUESTED"):
    """Frames wait for a person (or for a rule that plays one)."""

    frame_path: str
    inference_result_path: str | None = None
    labeler: str = "builtin"
    classes: list[str] = Field(default_factory=lambda: ["animal"])


class LabelingStarted(DomainEvent, name="EVENT_LABELING_STARTED"):
    """The labeling tool has the frames; the monitor watches it from now on."""

    labeler: str
    where: str
    total: int


class LabelingCompleted(DomainEvent, name="EVENT_LABELING_COMPLETED"):
    """The labeling tool says that the people are done."""

    total: int
    done: int
    skipped: int


class LabelDownloadRequested(DomainEvent, name="EVENT_LABEL_DOWNLOAD_REQUESTED"):
    """Fetch the finished labels from the tool."""

    frame_path: str
    inference_result_path: str | None = None  # what was suggested: the effort is counted from it
    preannotated_by: str | None = None  # <model>/<version>; None: the global model


class LabelsDownloaded(DomainEvent, name="EVENT_LABELS_DOWNLOADED"):
    """The labels are in the storage, with the state of every frame."""

    labeling_path: str
    labelled: int
    empty: int
    unseen: int
    effort: dict[str, Any] = Field(default_factory=dict)  # shared.labels.effort.Effort


class ModelTrainingRequested(DomainEvent, name="EVENT_MODEL_TRAINING_REQUESTED"):
    """Labelled frames are ready and someone wants a detector from them."""

    labeling_path: str
    frame_path: str
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    video_sha256: str | None = None
    root_task_id: str | None = None  # of round one, whose model gets the version; None: this task
    round: int = 1
    earlier: list[LabelSource] = Field(default_factory=list)  # of the rounds before, oldest first
    current_model: str | None = None  # <model>/<version>: trained further, and to be beaten
    freeze_videos: list[str] = Field(default_factory=list)  # sha256 of new videos that only judge
    promotion: PromotionSettings = Field(default_factory=PromotionSettings)


class ModelTrainingCompleted(DomainEvent, name="EVENT_MODEL_TRAINING_COMPLETED"):
    """A detector was trained, evaluated on frames it never saw, and registered."""

    model_path: str
    model: str
    version: int
    weights_sha256: str
    image_size: int
    metrics: dict[str, Any]


class ModelConversionRequested(DomainEvent, name="EVENT_MODEL_CONVERSION_REQUESTED"):
    """Turn registered weights into ONNX."""

    model_path: str
    frame_path: str | None = None
    promotion: PromotionSettings = Field(default_factory=PromotionSettings)


class ModelConversionCompleted(DomainEvent, name="EVENT_MODEL_CONVERSION_COMPLETED"):
    """The ONNX file answers as the weights do."""

    onnx_path: str
    onnx_sha256: str
    classes: list[str]
    image_size: int
    parity: dict[str, Any]


class ModelDeploymentRequested(DomainEvent, name="EVENT_MODEL_DEPLOYMENT_REQUESTED"):
    """Serve a converted model."""

    model: str
    version: int
    onnx_path: str
    onnx_sha256: str
    classes: list[str]
    image_size: int
    frame_path: str | None = None


class ModelDeployed(DomainEvent, name="EVENT_MODEL_DEPLOYED"):
    """The model server answers with this version, and agrees with the ONNX file."""

    deployment_id: str
    model: str
    version: int
    server: str


class ModelWithdrawalRequested(DomainEvent, name="EVENT_MODEL_WITHDRAWAL_REQUESTED"):
    """Take a model off the server; its files stay."""

    deployment_id: str
    model: str


class ModelWithdrawn(DomainEvent, name="EVENT_MODEL_WITHDRAWN"):
    """The model server no longer answers for this model."""

    deployment_id: str


class InferenceRequested(DomainEvent, name="EVENT_INFERENCE_REQUESTED"):
    """Analyse a video with a deployed model."""

    deployment_id: str
    inference_data_path: str
    inference: AnalysisSettings = Field(default_factory=AnalysisSettings)


class InferenceCompleted(DomainEvent, name="EVENT_INFERENCE_COMPLETED"):
    """The results are written: csv, json, json chunks, overlaid video."""

    inference_result_path: str
    detections: int
    tracks: int
    frames_per_s: float


class ResultsUploadRequested(DomainEvent, name="EVENT_RESULTS_UPLOAD_REQUESTED"):
    """Make the results durable and reachable."""

    inference_result_path: str
    upload_path: str | None = None


class ResultsUploaded(DomainEvent, name="EVENT_RESULTS_UPLOADED"):
    """The results have links."""

    outputs: list[str]
