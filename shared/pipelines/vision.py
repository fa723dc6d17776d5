"""Video in, a detector of one's own out."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.events import learning as rounds
from shared.events import vision as e
from shared.events.learning_settings import PromotionSettings
from shared.events.settings import AnalysisSettings, TrainingSettings
from shared.messages import Sentence
from shared.pipelines.dsl import Options, Pipeline, Step, Work, parallel

Labeler = Literal["builtin", "folder", "auto", "label_studio", "cvat"]
"""The labeling tools that there are; known at the door, so that a typing error costs no work."""
ClassName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f/\\]+$")]


def _distinct(names: list[str]) -> list[str]:
    """As `shared.labels.folder` reads them back; said at the door, before anybody labels."""
    names = [name.strip() for name in names]
    for number, name in enumerate(names):
        if not name or not name.isprintable():
            raise ValueError(Sentence("value.class_unreadable", number=number + 1))
        if name in names[:number]:
            raise ValueError(Sentence("value.twice", name=name))
    return names


ClassNames = Annotated[
    list[ClassName], Field(min_length=1, max_length=80), AfterValidator(_distinct)
]
"""What the boxes may be; the position is the class number of label files."""


class NotifyWish(BaseModel):
    """Who hears about what; labels wanted, task done and task failed are always told."""

    model_config = ConfigDict(extra="forbid")

    steps: list[str] = Field(default_factory=list)
    """Steps whose outcome is told too, or `all`."""
    urls: list[str] = Field(default_factory=list, max_length=10)
    """Apprise addresses (`mailto://`, `slack://`, `json://` ...); empty = the user's own."""


class TeachingOptions(Options):
    """What holds for every round in which people teach a detector."""

    seed: Annotated[int, Field(ge=0)] = 0
    labeler: Labeler = "builtin"
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    inference: AnalysisSettings = Field(default_factory=AnalysisSettings)
    promotion: PromotionSettings = Field(default_factory=PromotionSettings)
    upload_path: str | None = None
    notify: NotifyWish = Field(default_factory=NotifyWish)


class VisionOptions(TeachingOptions):
    """What a user says when submitting a video."""

    file_path: str
    num_frames: Annotated[int, Field(ge=1, le=5000)] = 60
    classes: ClassNames = Field(default_factory=lambda: ["animal"])

    @model_validator(mode="after")
    def _steps_exist(self) -> Self:
        known = {"all", *(step.name for step in VISION.steps)}
        unknown = sorted(set(self.notify.steps) - known)
        if unknown:
            given = {"name": unknown[0], "known": ", ".join(sorted(known))}
            raise ValueError(Sentence("value.no_step", **given))
        return self

    @model_validator(mode="after")
    def _enough_frames(self) -> Self:
        wanted = self.training.min_images
        if "min_images" in self.training.model_fields_set and wanted > self.num_frames:
            given = {"wanted": wanted, "frames": self.num_frames}
            raise ValueError(Sentence("value.too_few_frames", **given))
        return self


PROCESSING = Step(
    "video_processor",
    on=e.VideoProcessingRequested,
    run=("download", "validate", Work("transcode", 2), "extract_frames"),
    emits=e.VideoDownloaded,
    then=e.GlobalInferenceRequested,
)
GLOBAL_ANALYSIS = Step(
    "model_inference",
    on=e.GlobalInferenceRequested,
    run=("analyse_globally",),
    emits=e.GlobalInferenceCompleted,
    then=e.LabelingRequested,
)
LABELING = Step(
    "labeling_manager",
    on=e.LabelingRequested,
    run=("open_labeling", "push_frames"),
    emits=e.LabelingStarted,
    awaits=e.LabelingCompleted,
    then=e.LabelDownloadRequested,
    deadline_s=90 * 24 * 3600,
)
LABEL_DOWNLOAD = Step(
    "labeling_manager",
    on=e.LabelDownloadRequested,
    run=("download_labels",),
    emits=e.LabelsDownloaded,
    then=e.ModelTrainingRequested,
)
TRAINING = Step(
    "model_trainer",
    on=e.ModelTrainingRequested,
    run=("build_dataset", Work("train", 20), Work("evaluate", 2), "store_model"),
    emits=e.ModelTrainingCompleted,
    then=e.ModelConversionRequested,
    deadline_s=72 * 3600,
)
CONVERSION = Step(
    "model_deployer",
    on=e.ModelConversionRequested,
    run=(Work("export_onnx", 2), "check_parity", Work("choose_variant", 2)),
    emits=e.ModelConversionCompleted,
    then=e.ModelDeploymentRequested,
)
DEPLOYMENT = Step(
    "model_deployer",
    on=e.ModelDeploymentRequested,
    run=("deploy_model",),
    emits=e.ModelDeployed,
    then=e.InferenceRequested,
)
ANALYSIS = Step(
    "model_inference",
    on=e.InferenceRequested,
    run=(
        Work("analyse_video", 6),
        parallel(
            "write_csv",
            "write_json",
            "write_chunks",
            Work("render_overlay", 3),
            then="close_results",
        ),
    ),
    emits=e.InferenceCompleted,
    then=e.ResultsUploadRequested,
)
PROMOTION = Step(
    "model_deployer",
    on=rounds.ModelPromotionRequested,
    run=("compare_runs", "decide_promotion"),
    emits=rounds.ModelPromotionDecided,
    then=e.ResultsUploadRequested,
)
UPLOAD = Step(
    "video_processor",
    on=e.ResultsUploadRequested,
    run=(
        parallel(
            "upload_csv", "upload_json", "upload_chunks", "upload_overlay", then="close_upload"
        ),
    ),
    emits=e.ResultsUploaded,
)

VISION = Pipeline(
    "vision",
    PROCESSING,
    GLOBAL_ANALYSIS,
    LABELING,
    LABEL_DOWNLOAD,
    TRAINING,
    CONVERSION,
    DEPLOYMENT,
    ANALYSIS.leading_to(rounds.ModelPromotionRequested),
    PROMOTION,
    UPLOAD,
    options=VisionOptions,
    title="A video in, a detector of your own and its results out",
)
