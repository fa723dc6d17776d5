"""The difference of two analyses of one video, from their tables."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import pytest

from services.model_deployer.engines.shadow import compare_runs, draw_timeline
from shared.errors import Invalid

COLUMNS = [
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
]
FPS = 10


def table(folder: Path, name: str, rows: list[tuple[int, str, str, int]]) -> Path:
    """(frame, track, class, left edge): boxes of 20 by 10 pixels at that place."""
    file = folder / f"{name}.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(COLUMNS)
        for frame, track, kind, x in rows:
            out.writerow([frame, frame / FPS, track, kind, 0.9, x, 50, 20, 10, name, 1])
    return file


def test_counts_tracks_times_and_boxes(tmp_path: Path) -> None:
    mouse = [(frame, "1", "mouse", frame) for frame in range(30)]
    before = table(tmp_path, "before", [*mouse, *((f, "2", "fly", 200) for f in range(10))])
    moved = [(frame, "1", "mouse", frame + (2 if frame < 20 else 15)) for frame in range(30)]
    after = table(tmp_path, "after", [*moved, *((f, "3", "mouse", 400) for f in range(20, 25))])
    found = compare_runs(before, after)
    assert (found.before.boxes, found.after.boxes) == (40, 35)
    assert found.before.by_class == {"fly": 10, "mouse": 30}
    assert (found.before.tracks, found.after.tracks) == (2, 2)
    assert found.before.seen_s == pytest.approx(3.0)
    # 2 of 20 pixels off: the same mouse; 15 off: another one
    assert (found.matched, found.only_before, found.only_after) == (20, 20, 15)
    assert found.bin_s == 1.0
    assert found.timeline["before"] == {"fly": [1.0, 0.0, 0.0], "mouse": [1.0, 1.0, 1.0]}
    assert found.timeline["after"] == {"mouse": [1.0, 1.0, 1.5]}
    assert "35 boxes (40 before)" in found.sentence
    assert found.figures()["sentence"] == found.sentence


def test_names_do_not_matter_to_the_global_model(tmp_path: Path) -> None:
    one = table(tmp_path, "global", [(0, "", "animal", 5), (1, "", "animal", 5)])
    two = table(tmp_path, "own", [(0, "", "mouse", 5), (1, "", "mouse", 5)])
    assert compare_runs(one, two).matched == 0
    assert compare_runs(one, two, class_agnostic=True).matched == 2


def test_an_analysis_that_saw_nothing(tmp_path: Path) -> None:
    nothing = table(tmp_path, "nothing", [])
    some = table(tmp_path, "some", [(frame, "1", "mouse", 5) for frame in range(5)])
    found = compare_runs(nothing, some)
    assert (found.before.boxes, found.only_after, found.before.seen_s) == (0, 5, 0.0)
    empty = compare_runs(nothing, nothing)
    assert empty.matched == 0
    assert draw_timeline(empty, tmp_path / "empty.png").is_file()


def test_a_long_video_has_a_bounded_timeline_and_a_picture(tmp_path: Path) -> None:
    rows = [(frame * 50, "1", "mouse", 5) for frame in range(1000)]
    found = compare_runs(table(tmp_path, "a", rows), table(tmp_path, "b", rows))
    assert found.matched == 1000
    assert found.bin_s == 9.0
    assert len(found.timeline["after"]["mouse"]) <= 600
    picture = cv2.imread(str(draw_timeline(found, tmp_path / "shadow.png")))
    assert picture.shape == (220, 720, 3)
    assert (picture != 255).any(axis=2).sum() > 500


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(Invalid, match=r"x\.csv is no table of results"):
        compare_runs(tmp_path / "x.csv", tmp_path / "x.csv")
