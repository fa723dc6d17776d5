"""Opening a video that a stranger sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from shared.errors import MediaRejected, NotFound

# Containers that hold their own data. Playlists (hls, dash, concat) are left out on purpose: they
# make the demuxer open other files and addresses. The last rows are there only to say "audio only".
CONTAINERS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,flv,live_flv,asf,ogg,mxf,dv,ivf,nut,gif,apng,"
    "mjpeg,h264,hevc,av1,obu,vc1,rm,wtv,yuv4mpegpipe,"
    "wav,w64,mp3,flac,aac,aiff,amr,ac3,caf,au,ape,wv"
)
OPTIONS = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}

PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"MM\0*")


@contextmanager
def opened_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its first real video stream, with decoding on several threads.

    Raises `MediaRejected` with the reason, `NotFound` if there is no file.
    """
    if not path.is_file():
        raise NotFound(f"There is no video {path.name}.")
    try:
        # "file:" keeps a name that looks like a protocol from being taken for one.
        container = av.open(f"file:{path}", options=OPTIONS, metadata_errors="replace")
    except FFmpegError as error:
        raise MediaRejected(f"{path.name} {_reason(path)}") from error
    with container:
        stream = _picture_stream(container, path)
        stream.thread_type = "AUTO"
        yield container, stream


def _picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """Skips cover pictures, which are video streams of one frame."""
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            continue
        if stream.codec_context is None or not stream.codec_context.name:
            raise MediaRejected(
                f"{path.name} uses a video codec that is not known here. Convert it to H.264 in mp4."
            )
        return stream
    if container.streams.audio:
        raise MediaRejected(
            f"{path.name} holds only sound, no picture. Send the video file itself."
        )
    raise MediaRejected(f"{path.name} holds no video stream.")


def _reason(path: Path) -> str:
    """Why a file does not open, from its first bytes."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        return "is empty (0 bytes). The upload or recording did not work; send it again."
    if head[4:8] == b"ftyp" and "moov" not in atoms(path):
        return (
            "is cut off: the index of this mp4, written at its end, is missing, so no frame can be found. "
            "The recording was not closed or the transfer was not finished; send the file again."
        )
    if head.lstrip()[:1] == b"<":
        return "is a web page or XML text, not a video. Use the direct link of the file."
    if head.startswith(PICTURES):
        return "is a picture, not a video."
    if head.startswith(b"#EXTM3U"):
        return "is a playlist, not a video. Download the video itself and send that."
    if not any(byte < 9 for byte in head):
        return "is text, not a video, whatever its name says."
    return "is not a video that can be read. Convert it to mp4 (H.264) and send it again."


def atoms(path: Path) -> list[str]:
    """Names of the top-level boxes of an mp4, in order; [] if it is none (ISO 14496-12, 4.2)."""
    found: list[str] = []
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while at + 8 <= size and len(found) < 100_000:
            file.seek(at)
            header = file.read(16)
            length, name = int.from_bytes(header[:4], "big"), header[4:8]
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            elif length == 0:
                length = size - at
            if length < 8 or not name.isascii():
                break
            found.append(name.decode())
            at += length
    return found
