"""csv, json and chunks: the same values, whole files, names that need quoting."""

from __future__ import annotations

import csv
import json

import pytest

from services.model_inference.engines.analysis import analyse
from services.model_inference.engines.documents import write_chunks, write_json
from services.model_inference.engines.port import AnalysisSettings
from services.model_inference.engines.replace import whole
from services.model_inference.engines.table import COLUMNS, write_csv
from services.model_inference.errors import AnalysisUnfinished
from shared.errors import Cancelled
from tests.services.model_inference.arena import FileServer, render

NAMES = ('mouse, "left"; black', "Mäuse 老鼠\n2")
SETTINGS = AnalysisSettings(chunk_frames=40)


@pytest.fixture(scope="module")
def analysed(video, onnx_file, tmp_path_factory):
    """The work folder of a finished analysis whose class names are awkward."""
    work = tmp_path_factory.mktemp("analysed")
    server = FileServer(onnx_file, NAMES)
    analyse(video, server.model, server, SETTINGS, work)
    server.close()
    return work, server.model


def _flat(frames) -> list[tuple]:
    return [
        (frame["frame"], frame["time_s"], *box.values())
        for frame in frames
        for box in frame["detections"]
    ]


def test_the_three_formats_say_the_same(analysed, tmp_path):
    work, model = analysed
    with write_csv(work, tmp_path).open(encoding="utf-8", newline="") as lines:
        table = list(csv.DictReader(lines))
    assert tuple(table[0]) == COLUMNS
    assert ",".join(COLUMNS) == "frame,time_s,track_id,class,confidence,x,y,w,h,model,version"
    numbers = [
        (
            int(row["frame"]),
            float(row["time_s"]),
            int(row["track_id"]),
            row["class"],
            *(float(row[name]) for name in ("confidence", "x", "y", "w", "h")),
        )
        for row in table
    ]
    assert {row["class"] for row in table} == set(NAMES)
    assert {(row["model"], row["version"]) for row in table} == {(model.name, str(model.version))}

    document = json.loads(write_json(work, tmp_path).read_text(encoding="utf-8"))
    assert _flat(document["frames"]) == numbers
    assert len(numbers) == 200
    assert document["model"] == {
        "name": "squares",
        "version": 3,
        "sha256": model.sha256,
        "classes": list(NAMES),
        "image_size": 128,
    }
    assert document["settings"] == SETTINGS.model_dump(mode="json")
    assert (document["video"]["width"], document["video"]["fps"]) == (128, 25.0)
    assert document["summary"]["tracks"] == 2

    folder = write_chunks(work, tmp_path)
    assert folder == tmp_path / "chunks"
    parts = [
        json.loads((folder / f"result_chunk_{n}.json").read_text(encoding="utf-8"))
        for n in (1, 2, 3)
    ]
    assert [len(part["frames"]) for part in parts] == [40, 40, 20]
    assert [(part["chunk"], part["chunks"]) for part in parts] == [(1, 3), (2, 3), (3, 3)]
    assert [(part["first_frame"], part["last_frame"]) for part in parts][1] == (40, 79)
    assert _flat(frame for part in parts for frame in part["frames"]) == numbers
    assert parts[0]["model"] == document["model"]


def test_nothing_found_is_a_header_and_empty_frames(server, tmp_path):
    empty = render(tmp_path / "empty.mp4", 12, lambda number: [])
    analyse(empty, server.model, server, AnalysisSettings(), tmp_path / "work")
    text = write_csv(tmp_path / "work", tmp_path).read_text()
    assert text == ",".join(COLUMNS) + "\n"
    frames = json.loads(write_json(tmp_path / "work", tmp_path).read_text())["frames"]
    assert [frame["frame"] for frame in frames] == list(range(12))
    assert all(frame["detections"] == [] for frame in frames)
    assert len(list(write_chunks(tmp_path / "work", tmp_path).iterdir())) == 1


def test_writing_twice_gives_the_same_bytes_and_removes_stale_chunks(analysed, tmp_path):
    work, _ = analysed
    (tmp_path / "chunks").mkdir()
    (tmp_path / "chunks" / "result_chunk_9.json").write_text("from a longer analysis")
    once = [path.read_bytes() for path in _written(work, tmp_path)]
    assert [path.read_bytes() for path in _written(work, tmp_path)] == once
    assert sorted(path.name for path in (tmp_path / "chunks").iterdir()) == [
        "result_chunk_1.json",
        "result_chunk_2.json",
        "result_chunk_3.json",
    ]


def _written(work, out):
    chunks = write_chunks(work, out)
    return [write_csv(work, out), write_json(work, out), *sorted(chunks.iterdir())]


@pytest.mark.parametrize(("write", "name"), [(write_csv, "csv"), (write_json, "json")])
def test_cancelled_writing_leaves_the_old_file(analysed, tmp_path, write, name):
    work, _ = analysed
    old = tmp_path / f"results.{name}"
    old.write_text("old")

    def stop(fraction, message="", **figures):
        raise Cancelled("The user cancelled the task.")

    with pytest.raises(Cancelled):
        write(work, tmp_path, stop)
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]
    assert write(work, tmp_path).read_text() != "old"


def test_what_a_killed_process_left_is_removed(tmp_path):
    final = tmp_path / "results.csv"
    leftover = tmp_path / ".results.4242.part.csv"
    leftover.write_text("half")
    with whole(final) as part:
        part.write_text("all of it")
        assert not final.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


def test_writers_refuse_an_analysis_that_never_began(tmp_path):
    for write in (write_csv, write_json, write_chunks):
        with pytest.raises(AnalysisUnfinished):
            write(tmp_path / "nothing", tmp_path / "out")
