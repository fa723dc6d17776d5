"""Analysis with the global and the user's model, and its results in four forms."""

from __future__ import annotations

from pathlib import Path

import structlog

from services.model_inference import repository
from services.model_inference.schemas import AnalysisJob, GlobalJob, PreannotationJob
from shared.errors import NotFound
from shared.flow.work import Backoff, Run, task
from shared.serving.port import ModelSpec
from shared.storage.trees import fetch_exactly, fetch_folder, keep_exactly, keep_folder

GLOBAL = "global"
log = structlog.get_logger()
SERVER_TRIES = Backoff(times=14, first_s=1, most_s=30)  # five minutes for a server that is away


@task(retry=SERVER_TRIES)
def analyse_globally(job: GlobalJob, run: Run) -> GlobalJob:
    """Run the global model over the video, and over the frames that people will label."""
    from services.model_inference.engines.analysis import analyse
    from services.model_inference.engines.still import predict_frames
    from services.model_inference.engines.table import write_csv

    storage, server = run.platform.storage, run.platform.model_server()
    spec = server.spec(GLOBAL)
    work = _folder(run, f"interim/{job.task_id}/{GLOBAL}")
    video = storage.fetch(job.download_path)
    summary = analyse(video, spec, server, job.inference, work, run.report)
    result = f"inference_results/{job.task_id}/{GLOBAL}"
    out = _folder(run, result)
    write_csv(work, out)
    if job.frame_path:
        frames = fetch_folder(storage, job.frame_path)
        predict_frames(frames, spec, server, job.inference, out / "predictions.json")
    keep_folder(storage, result)
    run.report(
        1.0,
        f"{summary.detections} detections, {summary.frames_per_s:.0f} frames/s",
        **_rates(summary),
    )
    return job.having(inference_result_path=result, detections=summary.detections)


@task(retry=SERVER_TRIES)
def preannotate(job: PreannotationJob, run: Run) -> PreannotationJob:
    """Suggest boxes for the frames: the deployed model's, or the global one's.

    A model that was taken off the server since is no reason to wait: people can label without its
    suggestions, so the global model's stand in, and `preannotated_by` says whose they are.
    """
    from services.model_inference.engines.still import predict_frames

    storage, server = run.platform.storage, run.platform.model_server()
    try:
        spec = _spec(job.deployment_id, run) if job.deployment_id else server.spec(GLOBAL)
    except NotFound as error:
        if job.deployment_id is None:
            raise
        log.warning("model_inference.preannotate.stand_in", error=str(error))
        spec = server.spec(GLOBAL)
    result = f"inference_results/{job.task_id}/preannotation"
    frames = fetch_folder(storage, job.frame_path)
    out = _folder(run, result) / "predictions.json"
    boxes = predict_frames(frames, spec, server, job.inference, out)
    storage.keep(f"{result}/predictions.json")
    by = GLOBAL if spec.name == GLOBAL else f"{spec.name}/{spec.version}"
    run.report(1.0, f"{boxes} boxes suggested by {by}", boxes=boxes)
    return job.having(inference_result_path=result, preannotated_by=by)


def _folder(run: Run, prefix: str) -> Path:
    folder = run.platform.storage.local(prefix)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _rates(summary) -> dict[str, float]:  # noqa: ANN001 - AnalysisSummary of the engine
    return {"detections": summary.detections, "frames_per_s": round(summary.frames_per_s, 1)}


@task(retry=SERVER_TRIES)
def analyse_video(job: AnalysisJob, run: Run) -> AnalysisJob:
    """Run the deployed model over the video; goes on after the last finished chunk."""
    from services.model_inference.engines.analysis import analyse

    storage, server = run.platform.storage, run.platform.model_server()
    spec = _spec(job.deployment_id, run)
    prefix = f"interim/{job.task_id}/analysis"
    work = _folder(run, prefix)
    video = storage.fetch(_stored(job.inference_data_path))
    summary = analyse(video, spec, server, job.inference, work, run.report)
    keep_exactly(storage, prefix)
    run.report(
        1.0,
        f"{summary.detections} detections, {summary.tracks} tracks, "
        f"{summary.frames_per_s:.0f} frames/s",
        **_rates(summary),
    )
    return job.having(
        work=prefix,
        inference_result_path=f"inference_results/{job.task_id}",
        detections=summary.detections,
        tracks=summary.tracks,
        frames_per_s=round(summary.frames_per_s, 2),
    )


def _spec(deployment_id: str, run: Run) -> ModelSpec:
    with run.platform.reads() as session:
        row = repository.deployment(session, deployment_id)
    return run.platform.model_server().spec(row.model, row.version)


def _stored(path: str) -> str:
    """The storage key of an upload or stored video."""
    return "uploads/" + path.partition("://")[2] if "://" in path else path


def _results(job: AnalysisJob, run: Run) -> tuple[Path, Path]:
    """The chunk files, and the folder for the results."""
    return fetch_exactly(run.platform.storage, job.work), _folder(
        run, str(job.inference_result_path)
    )


@task()
def write_csv(job: AnalysisJob, run: Run) -> AnalysisJob:
    """results.csv."""
    from services.model_inference.engines import table

    table.write_csv(*_results(job, run), report=run.report)
    run.platform.storage.keep(f"{job.inference_result_path}/results.csv")
    return job


@task()
def write_json(job: AnalysisJob, run: Run) -> AnalysisJob:
    """results.json."""
    from services.model_inference.engines import documents

    documents.write_json(*_results(job, run), report=run.report)
    run.platform.storage.keep(f"{job.inference_result_path}/results.json")
    return job


@task()
def write_chunks(job: AnalysisJob, run: Run) -> AnalysisJob:
    """chunks/result_chunk_<n>.json."""
    from services.model_inference.engines import documents

    documents.write_chunks(*_results(job, run), report=run.report)
    keep_exactly(run.platform.storage, f"{job.inference_result_path}/chunks")
    return job


@task()
def render_overlay(job: AnalysisJob, run: Run) -> AnalysisJob:
    """overlaid_results.mp4."""
    from services.model_inference.engines import overlay

    work, out = _results(job, run)
    video = run.platform.storage.fetch(_stored(job.inference_data_path))
    overlay.render_overlay(work, out, video, run.report)
    run.platform.storage.keep(f"{job.inference_result_path}/overlaid_results.mp4")
    return job


@task()
def close_results(jobs: list[AnalysisJob], run: Run) -> AnalysisJob:
    """All four forms are there; each writer has kept its own, on whatever machine it ran."""
    done = jobs[0]
    run.report(
        1.0,
        f"{done.detections} detections, {done.tracks} tracks, {done.frames_per_s:.0f} frames/s",
    )
    return done
