"""What a user may ask of training and of analysis; validated at the door, carried by events."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class TrainingSettings(BaseModel):
    """How the user's detector is trained. The defaults suit two cores and about sixty frames."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: str = "global"
    """What training starts from: `global`, or `<model>/<version>` of the registry."""
    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Passes over the training frames; None = by their number: more often where they are few."""
    imgsz: Annotated[int, Field(ge=64, le=1280, multiple_of=32)] = 320
    """Side of the square network input, pixels."""
    batch: Annotated[int, Field(ge=1, le=256)] = 8
    """Images a step."""
    patience: Annotated[int, Field(ge=0, le=1000)] = 0
    """Epochs without a better mAP before training stops early; 0 = never."""
    freeze: Annotated[int, Field(ge=0, le=24)] = 0
    """How many layers, from the input, stay as they are."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the split, the shuffling and the augmentation; numpy takes 32 bits."""
    val_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """Share of the labelled frames kept for validation, in whole blocks of time."""
    min_images: Annotated[int, Field(ge=2)] = 4
    """Fewest labelled frames that training accepts."""


class AnalysisSettings(BaseModel):
    """How a video is analysed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Detections below it are dropped."""
    iou: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Two boxes of a class that overlap more are one animal (intersection over union)."""
    batch_size: Annotated[int, Field(ge=1, le=64)] = 4
    """Frames in one request to the model server."""
    frame_skip: Annotated[int, Field(ge=0, le=1000)] = 0
    """Frames passed over after each analysed one."""
    max_frames: Annotated[int, Field(ge=1)] | None = None
    """Stop after so many analysed frames; None = the whole video."""
