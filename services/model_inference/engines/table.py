"""results.csv: one row a box."""

from __future__ import annotations

import csv
from pathlib import Path

from services.model_inference.engines.chunks import AnalysisFolder
from services.model_inference.engines.replace import whole
from shared.progress.report import Report, silent

COLUMNS = (
    "frame",
    "time_s",
    "track_id",
    "class",
    "confidence",
    "x",
    "y",
    "w",
    "h",
    "model",
    "version",
)


def write_csv(work: Path, out: Path, report: Report = silent) -> Path:
    """`results.csv` in `out`: UTF-8, commas, a header; boxes in frame order, best first.

    `frame` counts from 0, `time_s` from the first frame; x, y (top left), w, h in source pixels;
    `track_id` is empty where tracking is off.
    """
    folder = AnalysisFolder(work)
    head, summary = folder.head(), folder.finished()
    classes, model, version = head.model.classes, head.model.name, head.model.version
    final = out / "results.csv"
    with whole(final) as part, part.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for chunk in range(1, summary.chunks + 1):
            rows.writerows(
                (
                    frame.number,
                    frame.time_s,
                    box.track_id or "",
                    classes[box.class_id],
                    box.confidence,
                    box.x,
                    box.y,
                    box.w,
                    box.h,
                    model,
                    version,
                )
                for frame in folder.chunk_frames(chunk)
                for box in frame.rows
            )
            report(chunk / summary.chunks, "csv")
    return final
