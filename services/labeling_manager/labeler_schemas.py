"""What the page of the built-in labeler and the server tell each other.

Boxes are rows of numbers: class, then centre and size as shares of the image, 0..1; a suggestion
has the model's confidence behind them.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.messages import Sentence

BoxRow = tuple[int, float, float, float, float]
SuggestedRow = tuple[int, float, float, float, float, float]
DraftState = Literal["labelled", "empty", "unseen", "skipped"]
Tab = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_-]{8,64}$",
        examples=["4f7b8c1d9e"],
        description="A random name of the page that asks: two pages of one user are two annotators",
    ),
]
FrameNumber = Annotated[int, Field(ge=0, le=2**31 - 1, examples=[12])]
MAX_BOXES = 1000


class FrameView(BaseModel):
    """One frame as it is stored now."""

    frame: int = Field(examples=[12], description="Index in the video, from 0")
    file: str = Field(examples=["00000012.jpg"])
    state: DraftState = Field(examples=["labelled"])
    boxes: list[BoxRow] = Field(examples=[[[0, 0.5, 0.5, 0.2, 0.1]]])
    suggested: list[SuggestedRow] | None = Field(
        examples=[[[0, 0.5, 0.5, 0.2, 0.1, 0.87]]], description="null: no model looked"
    )
    seconds: float = Field(examples=[6.5], description="That people had it open")
    revision: int = Field(examples=[3], description="Name it with the next change")
    taken: bool = Field(examples=[False], description="Whether somebody else has it open")


class Progress(BaseModel):
    """How far the labeling is."""

    open: bool = Field(examples=[True], description="Whether labels can still be changed")
    total: int = Field(examples=[60])
    labelled: int = Field(examples=[40])
    empty: int = Field(examples=[1])
    skipped: int = Field(examples=[2])
    remaining: int = Field(examples=[17])
    seconds_per_frame: float = Field(examples=[6.5], description="Of the frames that are decided")
    states: str = Field(
        examples=["llesuu"],
        description="One letter a frame: l(abelled), e(mpty), s(kipped), u(nseen)",
    )
    taken: list[int] = Field(examples=[[12]], description="Frames that others have open")


class Board(Progress):
    """The whole labeling, as a page needs it once."""

    task_id: str = Field(examples=["0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"])
    title: str = Field(examples=["openfield.mp4"])
    instructions: str = Field(examples=["Whole bodies, without the tail."])
    classes: list[str] = Field(examples=[["mouse"]])
    frames: list[int] = Field(examples=[[0, 12, 25]], description="In the order of the video")


class TabWish(BaseModel):
    """Who asks."""

    model_config = ConfigDict(extra="forbid")

    tab: Tab


class NextWish(TabWish):
    """Where to look for the next frame."""

    after: FrameNumber | None = Field(default=None, examples=[12])


class NextFrame(BaseModel):
    """A frame to label, or null when every frame is decided or in other hands."""

    frame: FrameView | None


class SaveWish(TabWish):
    """What was drawn on a frame."""

    revision: Annotated[int, Field(ge=0, le=2**31 - 1, examples=[3])]
    state: DraftState = Field(examples=["labelled"])
    boxes: list[BoxRow] = Field(max_length=MAX_BOXES, examples=[[[0, 0.5, 0.5, 0.2, 0.1]]])
    seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False, examples=[2.5])] = 0.0
    release: bool = Field(default=False, examples=[False], description="Whether the frame is left")

    @model_validator(mode="after")
    def _boxes_fit_the_state(self) -> Self:
        if self.state == "labelled" and not self.boxes:
            raise ValueError(Sentence("value.labelled_without_box"))
        if self.state != "labelled" and self.boxes:
            raise ValueError(Sentence("value.boxes_without_label", state=self.state))
        return self
