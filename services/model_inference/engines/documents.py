"""results.json, and the same frames in chunks/result_chunk_<n>.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from services.model_inference.engines.chunks import AnalysisFolder, FrameRows
from services.model_inference.engines.port import Analysis
from services.model_inference.engines.replace import whole
from shared.progress.report import Report, silent


def write_json(work: Path, out: Path, report: Report = silent) -> Path:
    """`results.json` in `out`: video, model, settings, summary, frames (one a line).

    Every analysed frame is there, also those without a box. It is written as a stream; a reader
    who cannot hold it in memory takes the chunks.
    """
    folder = AnalysisFolder(work)
    head, summary = folder.head(), folder.finished()
    final = out / "results.json"
    with whole(final) as part, part.open("w", encoding="utf-8") as file:
        opening = _text({**_about(head), "summary": summary.model_dump(mode="json")})
        file.write(opening.removesuffix("}") + ', "frames": [')
        separator = "\n"
        for chunk in range(1, summary.chunks + 1):
            for frame in folder.chunk_frames(chunk):
                file.write(separator + _text(_frame(frame, head.model.classes)))
                separator = ",\n"
            report(chunk / summary.chunks, "json")
        file.write("\n]}\n")
    return final


def write_chunks(work: Path, out: Path, report: Report = silent) -> Path:
    """`chunks/result_chunk_<n>.json` in `out`, n from 1, each readable alone; returns the folder."""
    folder = AnalysisFolder(work)
    head, summary = folder.head(), folder.finished()
    chunks = out / "chunks"
    chunks.mkdir(parents=True, exist_ok=True)
    for chunk in range(1, summary.chunks + 1):
        frames = [_frame(frame, head.model.classes) for frame in folder.chunk_frames(chunk)]
        document = {
            "chunk": chunk,
            "chunks": summary.chunks,
            **_about(head),
            "first_frame": frames[0]["frame"],
            "last_frame": frames[-1]["frame"],
            "frames": frames,
        }
        with whole(chunks / f"result_chunk_{chunk}.json") as part:
            part.write_text(_text(document) + "\n", encoding="utf-8")
        report(chunk / summary.chunks, "chunks")
    wanted = {f"result_chunk_{chunk}.json" for chunk in range(1, summary.chunks + 1)}
    for stale in chunks.glob("result_chunk_*.json"):
        if stale.name not in wanted:
            stale.unlink()
    return chunks


def _about(head: Analysis) -> dict[str, Any]:
    return {
        "video": head.video.model_dump(mode="json"),
        "model": {
            "name": head.model.name,
            "version": head.model.version,
            "sha256": head.model.sha256,
            "classes": list(head.model.classes),
            "image_size": head.model.image_size,
        },
        "settings": head.settings.model_dump(mode="json"),
    }


def _frame(frame: FrameRows, classes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "frame": frame.number,
        "time_s": frame.time_s,
        "detections": [
            {
                "track_id": box.track_id or None,
                "class": classes[box.class_id],
                "confidence": box.confidence,
                "x": box.x,
                "y": box.y,
                "w": box.w,
                "h": box.h,
            }
            for box in frame.rows
        ],
    }


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
