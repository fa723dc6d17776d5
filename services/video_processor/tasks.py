"""Download, validate, transcode, extract frames; and at the end, upload the results."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from services.video_processor import repository
from services.video_processor.engines.port import Probe, SourceSettings, VideoLimits
from services.video_processor.schemas import ChoiceJob, CopyJob, ResultsJob, VideoJob
from shared.errors import MediaRejected, NotFound
from shared.flow.work import Backoff, Run, task
from shared.labels.folder import read_frames
from shared.settings import revealed
from shared.storage.disk import copy_whole, explaining, replacing
from shared.storage.places import writable_key
from shared.storage.port import Storage
from shared.storage.trees import keep_folder

DOWNLOAD_TRIES = Backoff(times=6, first_s=1, most_s=60)


def _ending(url: str) -> str:
    """The ending of the file that a URL names, if it looks like one: `.mp4`."""
    suffix = PurePosixPath(unquote(urlsplit(url).path)).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ".video"


def _users_name(url: str) -> str:
    """The file as its user knows it: `https://host/a/openfield.mp4?sig=..` -> `openfield.mp4`."""
    return PurePosixPath(unquote(urlsplit(url).path)).name or url


def _source_settings(run: Run) -> SourceSettings:
    network = run.platform.settings.network
    return SourceSettings(
        uploads_root=run.platform.storage.local("uploads"),
        net_allow=tuple(network.allow),
        stall_s=network.stall_s,
        s3_buckets=tuple(network.s3_buckets),
        s3_endpoint=network.s3_endpoint,
        s3_region=network.s3_region,
        s3_access_key=revealed(network.s3_access_key),
        s3_secret_key=revealed(network.s3_secret_key),
    )


def _fetch(job: VideoJob, run: Run, key: str) -> VideoJob:
    """Bring the source of `job` to `key`; a repeated call resumes."""
    from services.video_processor.engines.sources import UPLOAD, scheme_of, source_for

    storage = run.platform.storage
    url = job.file_path
    target = storage.local(writable_key(storage, key))
    if "://" not in url:
        _link(storage.fetch(url), target)
    else:
        if scheme_of(url) == UPLOAD:
            storage.fetch("uploads/" + url.partition("://")[2])
        source_for(url, _source_settings(run)).fetch(
            url, target, max_bytes=run.platform.settings.video.max_bytes, report=run.report
        )
    stored = storage.keep(key)
    return job.having(source_key=key, mb=round(stored.bytes / 1e6, 3))


def _link(source: Path, target: Path) -> None:
    """The stored file under a second name, copied only where the disk cannot link."""
    if target.is_file() and target.samefile(source):
        return
    with explaining(target):
        try:
            with replacing(target) as temporary:
                temporary.hardlink_to(source)
        except OSError:  # another file system, or one without links; a full disk shows itself below
            copy_whole(source, target)


@task(retry=DOWNLOAD_TRIES)
def download(job: VideoJob, run: Run) -> VideoJob:
    """Fetch the source next to where everything of the task will lie."""
    return _fetch(job, run, f"videos/{job.task_id}/source{_ending(job.file_path)}")


@task()
def validate(job: VideoJob, run: Run) -> VideoJob:
    """Refuse what cannot be analysed, and write probe.json about what can."""
    return _probed(job, run, f"videos/{job.task_id}/probe.json")


def _probed(job: VideoJob, run: Run, key: str) -> VideoJob:
    from services.video_processor.engines.probe import validate as check

    storage = run.platform.storage
    source = storage.fetch(str(job.source_key))
    try:
        found = check(source, VideoLimits(), run.report)
    except MediaRejected as error:
        told = str(error).replace(source.name, _users_name(job.file_path))
        raise MediaRejected(told) from error
    storage.local(key).write_text(found.model_dump_json(indent=2), encoding="utf-8")
    storage.keep(key)
    return job.having(probe=found.model_dump(mode="json"), video_type=found.video_type)


@task()
def transcode(job: VideoJob, run: Run) -> VideoJob:
    """Make the video uniform: constant rate, H.264, upright; copied when it already is."""
    from services.video_processor.engines.transcode import normalise

    storage = run.platform.storage
    key = f"videos/{job.task_id}/normalised.mp4"
    before = Probe.model_validate(job.probe)
    made = normalise(
        storage.fetch(str(job.source_key)),
        storage.local(key),
        before,
        run.report,
        limits=VideoLimits(),
    )
    stored = storage.keep(key)
    run.report(1.0, made.why)
    return job.having(
        download_path=key,
        inference_data_path=key,
        video_sha256=stored.sha256,
        frames=made.frames,
        fps=made.fps,
        width=made.width,
        height=made.height,
    )


@task()
def extract_frames(job: VideoJob, run: Run) -> VideoJob:
    """Take the frames that people will label."""
    return _extracted(job, run, str(job.download_path))


def _extracted(job: VideoJob, run: Run, video_key: str) -> VideoJob:
    from services.video_processor.engines.frame_plan import choose
    from services.video_processor.engines.frames import extract
    from services.video_processor.engines.probe import probe

    storage = run.platform.storage
    video = storage.fetch(video_key)
    total = job.frames or probe(video).frames
    prefix = f"frames/{job.task_id}"
    folder = storage.local(prefix)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = choose(total, job.num_frames, job.seed)
    extract(video, numbers, folder, run.report)
    keep_folder(storage, prefix)
    run.report(1.0, f"{total} frames, {len(numbers)} of them taken for labeling")
    return job.having(frame_path=prefix, frames=total)


@task()
def choose_frames(job: ChoiceJob, run: Run) -> ChoiceJob:
    """Take the frames that are worth a person's time now, and say in choice.json why.

    May run twice: the same job chooses the same frames, and those that are there are kept.
    """
    from services.video_processor.engines.choice.choosing import Wish, decide, part_of
    from services.video_processor.engines.frames import extract

    storage = run.platform.storage
    taken = {
        entry.frame
        for path in job.taken_paths
        for entry in read_frames(storage.fetch(f"{path}/frames.json"))
    }
    video = storage.fetch(job.download_path)
    wish = Wish(
        video,
        taken,
        _results_of(storage, job.last_results),
        _results_of(storage, job.global_results),
        job.avoid_s,
    )
    choice = decide(
        wish, job.num_frames, job.budget, seed=job.seed, report=part_of(run.report, 0.0, 0.9)
    )
    prefix = f"frames/{job.task_id}"
    folder = storage.local(prefix)
    folder.mkdir(parents=True, exist_ok=True)
    extract(video, [each.frame for each in choice.chosen], folder, part_of(run.report, 0.9, 1.0))
    content = {"notes": choice.notes, "frames": [asdict(each) for each in choice.chosen]}
    with replacing(folder / "choice.json") as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    keep_folder(storage, prefix)
    run.report(1.0, " ".join([f"{len(choice.chosen)} frames chosen for labeling.", *choice.notes]))
    return job.having(frame_path=prefix, chosen=choice.by_strategy())


def _results_of(storage: Storage, prefix: str | None) -> Path | None:
    """results.csv of an analysis; None where none is stored: the choice does without it."""
    key = f"{prefix}/results.csv"
    if prefix is None or key not in storage.list(prefix):
        return None
    return storage.fetch(key)


@task(retry=DOWNLOAD_TRIES)
def fetch_video(job: VideoJob, run: Run) -> VideoJob:
    """Fetch a video to where its user wants it."""
    default = f"videos/{job.task_id}/source{_ending(job.file_path)}"
    fetched = _fetch(job, run, job.download_path or default)
    return fetched.having(download_path=fetched.source_key)


@task()
def check_video(job: VideoJob, run: Run) -> VideoJob:
    """Refuse what is not a video."""
    return _probed(job, run, f"videos/{job.task_id}/probe.json")


@task()
def take_frames(job: VideoJob, run: Run) -> VideoJob:
    """Take frames from a stored video."""
    taken = _extracted(job, run, job.file_path)
    listed = json.loads(
        run.platform.storage.local(f"{taken.frame_path}/frames.json").read_text(encoding="utf-8")
    )
    return taken.having(frames=len(listed["frames"]))


@task()
def copy_file(job: CopyJob, run: Run) -> CopyJob:
    """Copy a stored file; 404 when there is none."""
    storage = run.platform.storage
    target = writable_key(storage, job.upload_path)
    storage.keep(storage.fetch(job.file_path), target)
    return job


def _publish(job: ResultsJob, run: Run, name: str) -> ResultsJob:
    """Make one result durable, give it a link, and copy it where the user wants it."""
    storage = run.platform.storage
    key = f"{job.inference_result_path}/{name}"
    stored = storage.keep(storage.fetch(key), key)
    if job.upload_path:
        storage.keep(storage.fetch(stored.key), f"{job.upload_path}/{name}")
    with run.platform.sessions.begin() as session:
        repository.remember_output(session, job.task_id, name, stored)
    return job.having(outputs=[name])


@task()
def upload_csv(job: ResultsJob, run: Run) -> ResultsJob:
    """results.csv."""
    return _publish(job, run, "results.csv")


@task()
def upload_json(job: ResultsJob, run: Run) -> ResultsJob:
    """results.json."""
    return _publish(job, run, "results.json")


@task()
def upload_overlay(job: ResultsJob, run: Run) -> ResultsJob:
    """overlaid_results.mp4."""
    return _publish(job, run, "overlaid_results.mp4")


@task()
def upload_chunks(job: ResultsJob, run: Run) -> ResultsJob:
    """Every chunks/result_chunk_<n>.json."""
    names = _chunk_names(run.platform.storage, job.inference_result_path)
    if not names:
        raise NotFound(f"{job.inference_result_path} has no chunks; analyse the video again.")
    for name in names:
        _publish(job, run, name)
    return job.having(outputs=names)


def _chunk_names(storage: Storage, prefix: str) -> list[str]:
    keys = (PurePosixPath(key).name for key in storage.list(f"{prefix}/chunks"))
    found = [name for name in keys if re.fullmatch(r"result_chunk_\d+\.json", name)]
    return [f"chunks/{name}" for name in sorted(found, key=lambda name: (len(name), name))]


@task()
def close_upload(jobs: list[ResultsJob], run: Run) -> ResultsJob:
    """Every result has its link."""
    outputs = [name for job in jobs for name in job.outputs]
    run.report(1.0, f"{len(outputs)} files")
    return jobs[0].having(outputs=outputs)
