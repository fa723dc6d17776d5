"""Single frames of a video as JPEG files, exact to the frame, decoding as little as possible.

Frame n is the n-th frame shown. One pass over the packets (nothing decoded) tells where each frame
lies; then only the groups of pictures that hold a wanted frame are decoded, and in them pictures
that no other picture refers to are skipped. JPEGs are made by libjpeg-turbo (cv2) from the same
BGR pixels that analysis sees, on threads beside the decoder.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
from av.error import FFmpegError
from av.video.frame import VideoFrame

from services.video_processor.engines.frame_plan import Run, Sent, plan
from services.video_processor.engines.opening import opened_video
from services.video_processor.engines.packets import decoded
from shared.errors import Invalid, MediaRejected, explained
from shared.progress.report import Report

INDEX = "frames.json"
MARK = ".extraction.json"  # which extraction the files of an unfinished folder belong to
END_OF_JPEG = b"\xff\xd9"
AHEAD = 4  # frames decoded ahead of the encoders, per encoder
ENCODERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Entry:
    """One frame in frames.json."""

    frame: int
    file: str
    time_s: float  # since the first frame
    width: int
    height: int
    sha256: str


def extract(
    video: Path, numbers: Sequence[int], folder: Path, report: Report, quality: int = 95
) -> dict[str, Any]:
    """Write `{frame:08d}.jpg` for each of `numbers`, then `frames.json`; the latter's content.

    `folder` then holds these frames and no others. A call after a kill keeps the frames that are
    whole; a call after success only reads. Raises `Invalid` for a number beyond the video's end.
    """
    wanted = sorted(set(numbers))
    folder.mkdir(parents=True, exist_ok=True)
    stat = video.stat()
    request = {
        "video": video.name,
        "bytes": stat.st_size,
        "modified_ns": stat.st_mtime_ns,
        "quality": quality,
        "numbers": wanted,
    }
    if (done := _finished(folder, request)) is not None:
        report(1.0, "frames are there already", frames=len(wanted))
        return done
    present = _resume(folder, request, wanted)
    table = Table(video)
    if wanted and (wanted[0] < 0 or wanted[-1] >= len(table.sent)):
        raise Invalid(
            f"Frame {wanted[-1] if wanted[0] >= 0 else wanted[0]} was asked for; {video.name} has frames 0 to "
            f"{len(table.sent) - 1}."
        )
    known = (_known(folder, number, table) for number in present)
    entries = {entry.frame: entry for entry in known if entry}
    missing = [number for number in wanted if number not in entries]
    with ThreadPoolExecutor(ENCODERS) as pool:
        waiting: list[Future[Entry]] = []
        for number, frame in decode_frames(video, table, missing):
            waiting.append(
                pool.submit(_write, folder, number, frame, table.time_s(number), quality)
            )
            if len(waiting) >= AHEAD * ENCODERS:
                _collect(waiting.pop(0), entries)
            report(len(entries) / len(wanted), "extracting", frames=len(entries))
        for future in waiting:
            _collect(future, entries)
    content = {
        "video": video.name,
        "fps": table.fps,
        "frames": [asdict(entries[number]) for number in wanted],
    }
    _put(folder / INDEX, json.dumps(content, indent=1).encode())
    report(1.0, "extracted", frames=len(wanted))
    return content


class Table:
    """Where each frame lies in the file."""

    def __init__(self, video: Path) -> None:
        with opened_video(video) as (container, stream):
            self.stamped = True
            self.sent: list[Sent] = []
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    self.stamped &= packet.pts is not None
                    self.sent.append(Sent(packet.pts or 0, packet.is_keyframe))
            self.size = (stream.width, stream.height)  # pixels
            rate = stream.average_rate or stream.guessed_rate
            self.fps = float(rate) if rate else 0.0
            self._base = float(stream.time_base or 1)
        self._shown = sorted(packet.pts for packet in self.sent)
        self._numbers = {pts: number for number, pts in enumerate(self._shown)}
        self.stamped &= len(self._numbers) == len(self._shown)

    def __len__(self) -> int:
        """How many frames the file shows."""
        return len(self.sent)

    def number(self, pts: int | None) -> int:
        """The frame that is shown at `pts`; -1 if none is."""
        return -1 if pts is None else self._numbers.get(pts, -1)

    def time_s(self, number: int) -> float:
        """Seconds from the first frame to frame `number`."""
        if not self.stamped:
            return round(number / self.fps, 6) if self.fps else 0.0
        return round((self._shown[number] - self._shown[0]) * self._base, 6)


def decode_frames(
    video: Path, table: Table, numbers: Sequence[int]
) -> Iterator[tuple[int, VideoFrame]]:
    """Each of `numbers` with its frame, in order as far as groups allow."""
    if not numbers:
        return
    left = set(numbers)
    if table.stamped:
        for number, frame in _by_runs(video, table, plan(table.sent, numbers)):
            left.discard(number)
            yield number, frame
    if not left:
        return
    # No usable times, or keyframes that are none: decode everything from the start.
    with opened_video(video) as (container, stream):
        for count, frame in enumerate(decoded(container, stream)):
            number = table.number(frame.pts) if table.stamped else count
            if number in left:
                left.discard(number)
                yield number, frame
            if not left:
                return
    raise MediaRejected(
        f"Frame {min(left)} of {video.name} cannot be decoded. The file is damaged; transcode it again."
    )


def _by_runs(video: Path, table: Table, runs: Sequence[Run]) -> Iterator[tuple[int, VideoFrame]]:
    """Decode run after run; what does not come out as planned is left to the caller."""
    with opened_video(video) as (container, stream):
        context = stream.codec_context
        for run in runs:
            key = table.sent[run.first]
            container.seek(key.pts, stream=stream)
            at: int | None = None
            try:
                for packet in container.demux(stream):
                    if not packet.size:
                        break
                    if at is None:
                        if packet.pts != key.pts:
                            continue
                        at = run.first
                    context.skip_frame = "DEFAULT" if packet.pts in run.wanted else "NONREF"
                    yield from _hits(context.decode(packet), run)
                    at += 1
                    if at > run.last:
                        break
                yield from _hits(context.decode(None), run)
            except FFmpegError:
                continue
            finally:
                context.flush_buffers()


def _hits(frames: Sequence[VideoFrame], run: Run) -> Iterator[tuple[int, VideoFrame]]:
    for frame in frames:
        if frame.pts in run.wanted and not frame.is_corrupt:
            yield run.wanted[frame.pts], frame


def _write(folder: Path, number: int, frame: VideoFrame, time_s: float, quality: int) -> Entry:
    pixels = frame.to_ndarray(format="bgr24")
    _, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    data = jpeg.tobytes()
    name = f"{number:08d}.jpg"
    _put(folder / name, data)
    height, width = pixels.shape[:2]
    return Entry(number, name, time_s, width, height, hashlib.sha256(data).hexdigest())


def _known(folder: Path, number: int, table: Table) -> Entry | None:
    """A frame that an earlier call has written; None if it is not whole."""
    name = f"{number:08d}.jpg"
    data = (folder / name).read_bytes()
    pixels = cv2.imread(str(folder / name)) if data.endswith(END_OF_JPEG) else None
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(data).hexdigest()
    return Entry(number, name, table.time_s(number), width, height, digest)


def _collect(future: Future[Entry], entries: dict[int, Entry]) -> None:
    entry = future.result()
    entries[entry.frame] = entry


def _put(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        error.filename = path.name
        raise explained(error) from error


def _finished(folder: Path, request: dict[str, Any]) -> dict[str, Any] | None:
    """frames.json of the same request, if every file is there as written."""
    try:
        if json.loads((folder / MARK).read_text()) != request:
            return None
        content = json.loads((folder / INDEX).read_text())
        for entry in content["frames"]:
            path = folder / entry["file"]
            if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
                path.unlink()  # not what was written: make it again
                return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content


def _resume(folder: Path, request: dict[str, Any], wanted: Sequence[int]) -> list[int]:
    """Frames of the same request that are there; everything else of ours is removed."""
    try:
        same = json.loads((folder / MARK).read_text()) == request
    except (OSError, ValueError):
        same = False
    (folder / INDEX).unlink(missing_ok=True)
    keep, present = set(wanted) if same else set(), []
    for path in folder.iterdir():
        if re.fullmatch(r"\d{8}\.jpg(\.part)?", path.name):
            if path.suffix == ".jpg" and int(path.stem) in keep:
                present.append(int(path.stem))
            else:
                path.unlink()
    _put(folder / MARK, json.dumps(request).encode())
    return sorted(present)
