"""Lines that learners say after actors."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

MIB = 1024**2


class SpeechSettings(BaseModel):
    """What is taken for a comparison, and who compares."""

    max_recording_bytes: Annotated[int, Field(gt=0)] = 64 * MIB
    """Largest recording that is taken, bytes: two minutes of any format that browsers record, and
    of uncompressed stereo up to 96 kHz and 16 bits."""
    scorer: str = "alignment"
    """Name of the engine that compares a recording with the actor's take."""
