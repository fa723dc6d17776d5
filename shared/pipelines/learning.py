"""A further round of teaching: the frames worth labeling, a better detector, a safe promotion."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.events import learning as rounds
from shared.events import vision as e
from shared.events.learning_settings import FrameBudget, LabelSource
from shared.pipelines.dsl import Pipeline, Step
from shared.pipelines.vision import (
    ANALYSIS,
    CONVERSION,
    DEPLOYMENT,
    LABEL_DOWNLOAD,
    LABELING,
    PROMOTION,
    TRAINING,
    UPLOAD,
    ClassNames,
    TeachingOptions,
)


class RoundOptions(TeachingOptions):
    """What a round is made from: the mesh fills in what the rounds before it know."""

    root_task_id: str
    """The task of round one; its model gets the new version."""
    round: Annotated[int, Field(ge=2)]
    """Which round this is."""
    download_path: str
    inference_data_path: str
    video_sha256: str | None = None
    num_frames: Annotated[int, Field(ge=1, le=5000)] = 20
    budget: FrameBudget = Field(default_factory=FrameBudget)
    classes: ClassNames
    earlier: list[LabelSource] = Field(default_factory=list)
    """Labels and frames of the rounds before, the first first."""
    taken_paths: list[str] = Field(default_factory=list)
    last_results: str | None = None
    global_results: str | None = None
    avoid_s: list[tuple[float, float]] = Field(default_factory=list)
    """Parts of the video (from, to, seconds) whose frames could not teach: they lie too close to those
    that judge."""
    deployment_id: str | None = None
    """What the current model is served as; it suggests the boxes."""
    current_model: str | None = None
    """`<model>/<version>` of the current model."""


FRAME_CHOICE = Step(
    "video_processor",
    on=rounds.FrameChoiceRequested,
    run=("choose_frames",),
    emits=rounds.FramesChosen,
    then=rounds.PreannotationRequested,
)
PREANNOTATION = Step(
    "model_inference",
    on=rounds.PreannotationRequested,
    run=("preannotate",),
    emits=rounds.FramesPreannotated,
    then=e.LabelingRequested,
)
VISION_ROUND = Pipeline(
    "vision_round",
    FRAME_CHOICE,
    PREANNOTATION,
    LABELING,
    LABEL_DOWNLOAD,
    TRAINING,
    CONVERSION,
    DEPLOYMENT,
    ANALYSIS.leading_to(rounds.ModelPromotionRequested),
    PROMOTION,
    UPLOAD,
    options=RoundOptions,
    title="A further round of labels, and a better detector if it is one",
    alone=True,
)
