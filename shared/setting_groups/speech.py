"""Lines that learners say after actors."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

MIB = 1024**2


class SpeechSettings(BaseModel):
    """What is taken for a comparison, and who compares."""

    max_recording_bytes: Annotated[int, Field(gt=0)] = 64 * MIB
    """Largest recording that is taken, bytes: two minutes of any format that browsers record, and
    of uncompressed stereo up to 96 kHz and 16 bits."""
    scorer: str = "alignment"
    """Name of the engine that compares a recording with the actor's take."""
    prepare_older: bool = False
    """Whether takes are prepared again whose features a newer release has made: switch it on when you
    go back to an older one. During an upgrade both would undo each other's work."""
    analysis_server: str = ""
    """URL of an analysis server elsewhere (`https://speech.example`) that compares instead; empty =
    this mesh itself."""
    analysis_key: SecretStr | None = None
    """API key that the analysis server asks for; None = it asks for none."""
    analysis_timeout_s: Annotated[float, Field(gt=0)] = 20.0
    """Longest wait for the analysis server to take a request, seconds; its answer comes later."""
    inquire_after_s: Annotated[float, Field(gt=0)] = 60.0
    """The analysis server is asked about a comparison that it owes for so long, in case its answer
    was lost, and later with growing pauses, seconds."""
    fetch_s: Annotated[float, Field(gt=0)] = 60.0
    """Longest time in which audio is fetched, or a webhook called, for another mesh, seconds."""
    link_s: Annotated[int, Field(ge=60)] = 3600
    """How long a signed address of audio opens it to an analysis server, seconds."""
    link_secret: SecretStr | None = None
    """Signs those addresses, and makes the secrets of webhooks; None = made once, kept in `data_dir`,
    which gateway and workers then must share."""
