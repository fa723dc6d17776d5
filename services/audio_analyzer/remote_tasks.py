"""Comparisons by others, and for others."""

from __future__ import annotations

from functools import partial

from services.audio_analyzer import analyses, remote, service
from services.audio_analyzer.analysis_tasks import remembering_why
from services.audio_analyzer.engines.interruption import interrupted_by
from services.audio_analyzer.remote_schemas import RemoteJob, ServiceJob
from services.audio_analyzer.scoring import scorer_of
from shared.flow.wanted import require_wanted
from shared.flow.work import Backoff, Run, task

ASKING = Backoff(
    times=10, first_s=1, most_s=60
)  # six minutes: a server that is replaced comes back


@task(retry=ASKING)
def ask_analysis_server(job: RemoteJob, run: Run) -> RemoteJob:
    """Hand a server elsewhere the addresses of the audio and of our webhook.

    May run twice: the server knows the attempt by its key, and compares once.
    """
    with run.platform.sessions.begin() as session:
        analyses.reopen(session, job.task_id)
    with remembering_why(job, run):
        return remote.ask(run.platform, job, run.ref.attempt)


@task(retry=service.FETCHING)
def fetch_audio(job: ServiceJob, run: Run) -> ServiceJob:
    """Fetch the recording and the take from where the caller has them."""
    return service.fetch(job, run)


@task(retry=service.COMPARING)
def score_fetched(job: ServiceJob, run: Run) -> ServiceJob:
    """Compare what was fetched."""
    with interrupted_by(partial(require_wanted, run)):
        return service.compare(job, run, scorer_of(run.platform))


@task(retry=service.CALLING)
def call_back(job: ServiceJob, run: Run) -> ServiceJob:
    """Tell the caller's webhook the result, or why there is none."""
    return service.call_back(job, run)
