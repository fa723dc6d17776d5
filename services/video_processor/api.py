"""The video steps, each callable alone."""

from __future__ import annotations

from fastapi import APIRouter, Response

from services.video_processor.schemas import (
    DownloadDone,
    DownloadWish,
    FramesDone,
    FramesWish,
    UploadWish,
)
from shared.admission.ownership import own_file, own_source, own_target
from shared.pipelines.vision_steps import FrameOptions, UploadOptions, VideoDownloadOptions
from shared.web.waiting import InRunner, waiting

router = APIRouter(prefix="/video", tags=["video"])


@router.post("/download", status_code=202, responses=waiting(DownloadDone, 400, 404))
async def download(runner: InRunner, wish: DownloadWish) -> Response:
    """Fetch a video and check that it can be decoded; gives `download_path`."""
    with runner.platform.reads() as session:
        source = own_source(session, runner.platform.storage, runner.caller, wish.file_path)
    target = wish.download_path and own_target(runner.caller.user_id, wish.download_path)
    options = VideoDownloadOptions(file_path=source, download_path=target)
    return await runner.run("video_download", options, done=DownloadDone)


@router.post("/extract-frames", status_code=202, responses=waiting(FramesDone, 400, 404))
async def extract_frames(runner: InRunner, wish: FramesWish) -> Response:
    """Take frames from a stored video; gives `frame_path`."""
    with runner.platform.reads() as session:
        key = own_file(session, runner.platform.storage, runner.caller, wish.file_path)
    options = FrameOptions(file_path=key, num_frames=wish.num_frames, seed=wish.seed)
    return await runner.run("frame_extraction", options, done=FramesDone)


@router.post("/upload", status_code=202, responses=waiting(None, 400, 404))
async def upload(runner: InRunner, wish: UploadWish) -> Response:
    """Copy a stored file to a place of your own; 204 when it is there."""
    with runner.platform.reads() as session:
        key = own_file(session, runner.platform.storage, runner.caller, wish.file_path)
    target = own_target(runner.caller.user_id, wish.upload_path)
    options = UploadOptions(file_path=key, upload_path=target)
    return await runner.run("video_upload", options, done=None)
