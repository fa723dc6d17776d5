"""A learner's recording in, a comparison with the actor's take out, word by word."""

from __future__ import annotations

from shared.events import speech as e
from shared.pipelines.dsl import Options, Pipeline, Step, Work


class AnalysisOptions(Options):
    """Which stored recording is compared with what."""

    subject: e.Subject
    subject_id: str
    recording_key: str
    recording_sha256: str


class ReferenceOptions(Options):
    """Whose reference audio is looked at."""

    subject: e.Subject
    subject_id: str
    audio_sha256: str


class ServiceOptions(Options):
    """What another mesh sends: where the audio lies, what is said in it, whom to call."""

    subject: e.Subject
    audio_url: str
    reference_url: str
    text: str
    webhook_url: str
    webhook_secret: str


AUDIO_ANALYSIS = Pipeline(
    "audio_analysis",
    Step(
        "audio_analyzer",
        on=e.AudioAnalysisRequested,
        run=("load_reference", Work("score_recording", 8), "store_analysis"),
        emits=e.AudioAnalysisCompleted,
        deadline_s=1800,
    ),
    options=AnalysisOptions,
    title="A recording compared with the actor's take, word by word",
    alone=True,
)
REMOTE_AUDIO_ANALYSIS = Pipeline(
    "audio_analysis_remote",
    Step(
        "audio_analyzer",
        on=e.RemoteAnalysisRequested,
        run=("ask_analysis_server",),
        emits=e.RemoteAnalysisAccepted,
        awaits=e.RemoteAnalysisCompleted,
        deadline_s=1800,
        waits_s=1800,
    ),
    options=AnalysisOptions,
    title="The same comparison by an analysis server elsewhere",
    alone=True,
)
SPEECH_REFERENCE = Pipeline(
    "speech_reference",
    Step(
        "audio_analyzer",
        on=e.SpeechReferenceRequested,
        run=("prepare_reference",),
        emits=e.SpeechReferencePrepared,
        deadline_s=1800,
    ),
    options=ReferenceOptions,
    title="Words, times and features of an actor's take",
    alone=True,
)
ANALYSIS_SERVICE = Pipeline(
    "audio_analysis_service",
    Step(
        "audio_analyzer",
        on=e.AnalysisServiceRequested,
        run=("fetch_audio", Work("score_fetched", 8), "call_back"),
        emits=e.AnalysisServiceCompleted,
        deadline_s=1800,
    ),
    options=ServiceOptions,
    title="The comparison as a service to another mesh, which is called back",
    alone=True,
)
SPEECH_PIPELINES = (AUDIO_ANALYSIS, REMOTE_AUDIO_ANALYSIS, SPEECH_REFERENCE, ANALYSIS_SERVICE)
