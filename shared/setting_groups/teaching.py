"""How people and rounds teach a model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr


class LabelingSettings(BaseModel):
    """How labeling tools are watched."""

    poll_s: float = 3.0
    """Time between two looks at the open labelings, seconds."""
    auto_confidence: float = 0.5
    """The `auto` labeler accepts boxes of the global model from this confidence on."""
    label_studio_url: str = ""
    """Where this mesh reaches Label Studio (`http://tool.example:8080`); empty = not connected."""
    label_studio_public_url: str = ""
    """Where people's browsers reach it, when that is another address; empty = the same."""
    label_studio_token: SecretStr | None = None
    """Access token of a Label Studio account: a legacy token, or a personal access token."""
    label_studio_frames: Literal["signed", "upload"] = "signed"
    """How it gets frames: `signed` addresses of the gateway for browsers, or `upload` of the images."""
    label_studio_webhook_secret: SecretStr | None = None
    """What its calls of `POST /labeling/webhook/label-studio` carry; None = it is only polled."""
    label_studio_delete: bool = False
    """Whether a project is removed from Label Studio once its labels are stored here."""
    cvat_url: str = ""
    """Where this mesh reaches CVAT (`https://cvat.example`); empty = not connected."""
    cvat_token: SecretStr | None = None
    """Personal access token of a CVAT account; None = `cvat_login`."""
    cvat_login: SecretStr | None = None
    """`user:password` of a CVAT account, where there is no token."""
    cvat_organisation: str = ""
    """Short name of the CVAT organisation that projects belong to; empty = the account's own space."""
    cvat_job_frames: Annotated[int, Field(ge=1)] = 50
    """Frames of one CVAT job; frames count as labelled when their whole job is finished."""
    cvat_webhook_secret: SecretStr | None = None
    """What CVAT signs its calls of `POST /labeling/webhook/cvat` with; None = it is only polled."""
    frame_link_s: Annotated[int, Field(ge=60)] = 90 * 24 * 3600
    """How long a signed address of a frame opens it, seconds; longer than people take to label."""
    frame_link_secret: SecretStr | None = None
    """Signs them; None = made once, kept in `data_dir`, which gateway and workers then must share."""


class LearningSettings(BaseModel):
    """How rounds of teaching are watched."""

    poll_s: Annotated[float, Field(gt=0)] = 30.0
    """Time between two looks at the rounds that ended and at the triggers of new ones, seconds."""
