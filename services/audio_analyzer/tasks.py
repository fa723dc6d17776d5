"""Takes of actors prepared, recordings of learners compared with them."""

from __future__ import annotations

from functools import partial

from services.audio_analyzer import inquiries, preparation
from services.audio_analyzer.analysis_tasks import load_reference, score_recording, store_analysis
from services.audio_analyzer.engines.interruption import interrupted_by
from services.audio_analyzer.remote_tasks import (
    ask_analysis_server,
    call_back,
    fetch_audio,
    score_fetched,
)
from services.audio_analyzer.schemas import ReferenceJob
from services.audio_analyzer.scoring import scorer_of
from shared.flow.wanted import require_wanted
from shared.flow.work import Run, periodic, task
from shared.platform import Platform

__all__ = [
    "ask_analysis_server",
    "call_back",
    "fetch_audio",
    "inquire_after_answers",
    "load_reference",
    "prepare_reference",
    "renew_references",
    "score_fetched",
    "score_recording",
    "store_analysis",
]


@task()
def prepare_reference(job: ReferenceJob, run: Run) -> ReferenceJob:
    """Words, times and features of an actor's take."""
    with interrupted_by(partial(require_wanted, run)):
        return preparation.prepare(run.platform, job, scorer_of(run.platform))


@periodic
def renew_references(platform: Platform) -> None:
    """Have takes prepared again whose features are of another version; tell of those given up."""
    preparation.heal(platform)
    preparation.renew(platform, scorer_of(platform).feature_version)


@periodic
def inquire_after_answers(platform: Platform) -> None:
    """Ask the analysis server about what it owes for long."""
    inquiries.inquire(platform)
