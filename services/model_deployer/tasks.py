"""Weights to ONNX, ONNX to the model server; nothing goes on that answers differently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import structlog

from services.model_deployer import repository, upkeep
from services.model_deployer.schemas import (
    ConversionJob,
    DeploymentJob,
    PromotionJob,
    WithdrawalJob,
)
from shared.flow.work import Backoff, Run, periodic, task
from shared.platform import Platform
from shared.storage.trees import fetch_folder

SERVER_TRIES = Backoff(times=14, first_s=1, most_s=30)  # five minutes for a server that is away

log = structlog.get_logger()


def _frames(run: Run, frame_path: str | None) -> list[Path]:
    """The frames that the parity gate looks at."""
    if frame_path is None:
        return []
    return sorted(fetch_folder(run.platform.storage, frame_path).glob("*.jpg"))


@task()
def export_onnx(job: ConversionJob, run: Run) -> ConversionJob:
    """Write the ONNX file beside the registered weights."""
    from services.model_deployer.engines.port import exporter

    storage = run.platform.storage
    with run.platform.reads() as session:
        model = repository.registered(session, job.model_path)
    weights = storage.fetch(f"{model.path}/model.pt")
    key = f"{model.path}/model.onnx"
    made = exporter(storage.local("models/root").parent).export(
        weights,
        storage.local(key),
        model.image_size,
        expected_sha256=model.weights_sha256,
        report=run.report,
    )
    storage.keep(key)
    return job.having(
        onnx_path=key,
        onnx_sha256=made.sha256,
        classes=list(made.classes),
        image_size=made.image_size,
    )


@task()
def check_parity(job: ConversionJob, run: Run) -> ConversionJob:
    """The ONNX file must see in eight frames what the weights see."""
    from services.model_deployer.engines.parity import (
        drawn_batch,
        frames_batch,
        weights_against_onnx,
    )

    storage = run.platform.storage
    with run.platform.reads() as session:
        model = repository.registered(session, job.model_path)
    frames = _frames(run, job.frame_path)
    size = int(job.image_size or model.image_size)
    found = weights_against_onnx(
        storage.fetch(f"{model.path}/model.pt"),
        storage.fetch(str(job.onnx_path)),
        frames_batch(frames, size) if frames else drawn_batch(size),
        registry=storage.local("models/root").parent,
        expected_sha256=model.weights_sha256,
    )
    run.report(1.0, f"ONNX agrees with the weights on {found.frames} frames")
    return job.having(parity=found.figures())


@task()
def choose_variant(job: ConversionJob, run: Run) -> ConversionJob:
    """Serve 8-bit integers where they are quicker and as good as 32 bits on the validation frames.

    A version keeps the form that was chosen first: what answers under its number never changes.
    """
    from services.model_deployer.engines.variants import FP32, INT8, NOT_TRIED, openvino_serves
    from services.model_deployer.engines.variants import choose_variant as choose
    from shared.serving.repository import ModelRepository

    storage, settings = run.platform.storage, run.platform.settings.model
    with run.platform.reads() as session:
        model = repository.registered(session, job.model_path)
    whole, integers = f"{model.path}/model.onnx", f"{model.path}/model.int8.onnx"
    if model.onnx_sha256 is not None:
        run.report(1.0, f"served as {model.variant}, as before")
        key = integers if model.variant == INT8 else whole
        return job.having(onnx_path=key, onnx_sha256=model.onnx_sha256)
    told: dict[str, Any] = {"served": FP32, "reason": NOT_TRIED}
    known = ModelRepository.from_settings(settings).versions(model.name)
    if model.version in known:  # by a release that knew no other form
        told["reason"] = "It is served in 32 bits since before."
    elif job.promotion.int8 and settings.int8 and openvino_serves(run.platform.settings):
        data = f"train_log/{model.lineage.get('task_id') or model.task_id}/data"
        chosen = choose(
            storage.fetch(whole),
            fetch_folder(storage, data),
            storage.local(integers),
            classes=job.classes,
            image_size=int(job.image_size or model.image_size),
            most_loss=job.promotion.int8_loss,
            report=run.report,
        )
        told = chosen.figures()
    key, digest = whole, str(job.onnx_sha256)
    if told["served"] == INT8:
        key = integers
        digest = storage.keep(key).sha256
    with run.platform.sessions.begin() as session:
        repository.remember_variant(session, model.path, told["served"], digest)
        repository.remember_figures(session, model, variants=told)
    run.report(1.0, told["reason"])
    return job.having(onnx_path=key, onnx_sha256=digest)


@task(retry=SERVER_TRIES)
def deploy_model(job: DeploymentJob, run: Run) -> DeploymentJob:
    """Write the repository, load the version, and compare the server's answers with the file."""
    from services.model_deployer.engines.deployment import deploy
    from shared.serving.repository import ModelRepository

    settings = run.platform.settings.model
    with run.platform.reads() as session:
        pinned = repository.to_keep_served(session, job.model)
    done = deploy(
        ModelRepository.from_settings(settings),
        run.platform.model_server(),
        job.model,
        job.version,
        run.platform.storage.fetch(job.onnx_path, job.onnx_sha256),
        classes=job.classes,
        image_size=job.image_size,
        frames=_frames(run, job.frame_path),
        kept_versions=settings.kept_versions,
        pinned=pinned,
        report=run.report,
    )
    deployment_id = repository.deployment_id(job.task_id, job.version)
    with run.platform.sessions.begin() as session:
        repository.remember_deployment(
            session,
            deployment_id,
            task_id=repository.registered(session, job.onnx_path.rpartition("/")[0]).task_id,
            user_id=job.user_id,
            model=job.model,
            version=job.version,
            state="READY",
            server=done.server,
            parity=json.loads(json.dumps(done.parity.figures())),
        )
    run.report(1.0, f"{job.model} version {job.version} on {done.server}")
    return job.having(deployment_id=deployment_id, server=done.server)


@task(retry=SERVER_TRIES)
def withdraw_model(job: WithdrawalJob, run: Run) -> WithdrawalJob:
    """Unload every version of the model, also for the server's next start; a second time is harmless."""
    from services.model_deployer.engines.deployment import withdraw
    from shared.serving.repository import ModelRepository

    settings = run.platform.settings.model
    withdraw(
        ModelRepository.from_settings(settings),
        run.platform.model_server(),
        job.model,
    )
    with run.platform.sessions.begin() as session:
        repository.forget_deployments(session, job.model)
    return job


@task()
def compare_runs(job: PromotionJob, run: Run) -> PromotionJob:
    """How the new version's analysis of the video differs from the one before.

    Without one before, the global model's takes its place where there is one: a user wants to know
    what the labels have changed.
    """
    from services.model_deployer.engines.shadow import compare_runs as compare
    from services.model_deployer.engines.shadow import draw_timeline

    storage, result = run.platform.storage, job.inference_result_path
    last = job.last_results or f"{result}/global"
    known = storage.exists(f"{last}/results.csv")
    job = job.having(tracking=_tracking(job, run, last if known else None))
    if not known:
        told = job.tracking.get("sentence", "")
        run.report(1.0, f"no earlier analysis of this video to compare with. {told}".strip())
        return job
    found = compare(
        storage.fetch(f"{last}/results.csv"),
        storage.fetch(f"{result}/results.csv"),
        class_agnostic=last.rpartition("/")[2] == "global",
    )
    key = f"{result}/shadow"
    draw_timeline(found, storage.local(f"{key}.png"))
    told = {**found.figures(), "against": last, "picture": f"{key}.png"}
    storage.local(f"{key}.json").write_text(json.dumps(told), encoding="utf-8")
    for name in ("png", "json"):
        storage.keep(f"{key}.{name}")
    sentence = f"{found.sentence} {job.tracking.get('sentence', '')}".strip()
    run.report(1.0, sentence, matched=found.matched)
    return job.having(shadow={name: told[name] for name in told if name != "timeline"})


def _tracking(job: PromotionJob, run: Run, last: str | None) -> dict[str, Any]:
    """How well both analyses keep the identities of the frames that judge, where they have some."""
    from services.model_deployer.engines.tracking import identified_truth, judged_tracks

    storage, sha256 = run.platform.storage, job.metrics.get("dataset")
    with run.platform.reads() as session:
        key = repository.dataset_key(session, sha256) if sha256 else None
    results = f"{job.inference_result_path}/results.csv"
    if key is None or not storage.exists(key) or not storage.exists(results):
        return {}
    manifest = json.loads(storage.fetch(key, sha256).read_text(encoding="utf-8"))
    return judged_tracks(
        identified_truth(manifest, job.video_sha256 or "", job.inference),
        storage.fetch(results),
        storage.fetch(f"{last}/results.csv") if last else None,
        against=last or "",
    )


@task()
def decide_promotion(job: PromotionJob, run: Run) -> PromotionJob:
    """The new version becomes the current one, or waits as a candidate; the reason is kept with it.

    A second run finds the decision of the first and changes nothing.
    """
    from services.model_deployer.engines.promotion import judge

    with run.platform.sessions.begin() as session:
        repository.lock_versions(session, job.model)
        model = repository.version(session, job.model, job.version)
        tracking = {"tracking": job.tracking} if job.tracking else {}
        repository.remember_figures(session, model, shadow=job.shadow, **tracking)
        present = repository.current(session, job.model)
        if model.state != repository.CANDIDATE:
            decision, reason = model.state, model.reason or ""
        else:
            verdict = judge(
                job.metrics or model.metrics,
                job.promotion,
                version=f"{job.model}/{job.version}",
                current=f"{job.model}/{present.version}" if present else None,
            )
            reason = verdict.reason
            if verdict.promoted:
                decision = repository.CURRENT
                told = f"Version {job.version} took its place: {reason}"
                repository.make_current(session, model, reason, retired_because=told)
            else:
                decision = repository.CANDIDATE
                repository.keep_candidate(session, model, reason)
        repository.remember_decision(session, job.task_id, decision, reason)
    log.info(
        "model_deployer.promotion.decided",
        model=job.model,
        version=job.version,
        decision=decision,
        reason=reason,
    )
    run.report(1.0, reason)
    return job.having(decision=decision, reason=reason)


@periodic
def restore_models(platform: Platform) -> None:
    """Take off the server what is being deleted, and load what it has lost; harmless when repeated.

    The clock has it run at once when a task with models is deleted.
    """
    upkeep.forget_deleted(platform)
    upkeep.restore_lost(platform)
