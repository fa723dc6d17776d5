"""The video steps, each callable alone."""

from __future__ import annotations

from fastapi import APIRouter, Response

from services.video_processor.schemas import DownloadWish, FramesWish, UploadWish
from shared.pipelines.vision import FrameOptions, UploadOptions, VideoDownloadOptions
from shared.web.ownership import own_key, own_source, own_target
from shared.web.problems import responses
from shared.web.waiting import InRunner

router = APIRouter(prefix="/video", tags=["video"])


@router.post("/download", status_code=202, responses=responses(400, 404, 500))
async def download(runner: InRunner, wish: DownloadWish) -> Response:
    """Fetch a video and check that it can be decoded; gives `download_path`."""
    with runner.platform.reads() as session:
        source = own_source(session, runner.caller, wish.file_path)
    target = own_target(runner.caller, wish.download_path) if wish.download_path else None
    options = VideoDownloadOptions(file_path=source, download_path=target)
    return await runner.run("video_download", options, result=("download_path", "video_type", "mb"))


@router.post("/extract-frames", status_code=202, responses=responses(400, 404, 500))
async def extract_frames(runner: InRunner, wish: FramesWish) -> Response:
    """Take frames from a stored video; gives `frame_path`."""
    with runner.platform.reads() as session:
        key = own_key(session, runner.caller, wish.file_path)
    options = FrameOptions(file_path=key, num_frames=wish.num_frames, seed=wish.seed)
    return await runner.run("frame_extraction", options, result=("frame_path", "frames"))


@router.post("/upload", status_code=202, responses=responses(404, 500))
async def upload(runner: InRunner, wish: UploadWish) -> Response:
    """Copy a stored file to a place of your own; 204 when it is there."""
    with runner.platform.reads() as session:
        key = own_key(session, runner.caller, wish.file_path)
    options = UploadOptions(file_path=key, upload_path=own_target(runner.caller, wish.upload_path))
    return await runner.run("video_upload", options, empty=True)
