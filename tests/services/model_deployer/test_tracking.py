"""How well tracks keep identities: counted by hand, and told by the decision about a new version."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.model_deployer.engines.tracking import identified_truth, identities
from services.model_deployer.schemas import PromotionJob
from shared.db.models import Task
from shared.events.settings import AnalysisSettings
from shared.labels.boxes import FrameLabels, FrameState
from tests.services.model_deployer.test_promotion_tasks import Rounds
from tests.services.model_trainer.dataset_world import VIDEO, keep_round, record
from tests.shared.web.door import Door


def walk(identity, times, x):
    return {t: [(identity, (x + t, 0, x + t + 10, 10))] for t in times}


def joined(*parts):
    rows: dict[int, list] = {}
    for part in parts:
        for frame_number, boxes in part.items():
            rows.setdefault(frame_number, []).extend(boxes)
    return rows


def test_perfect_tracks_keep_every_identity():
    truth = joined(walk(1, range(10), 0), walk(2, range(10), 100))
    tracks = joined(walk(7, range(10), 0), walk(3, range(10), 100))
    found = identities(truth, tracks)
    assert (found.idf1, found.switches) == (1.0, 0)


def test_a_track_that_breaks_costs_its_shorter_part():
    truth = walk(1, range(10), 0)
    tracks = joined(walk(5, range(7), 0), walk(6, range(7, 10), 0))
    found = identities(truth, tracks)
    assert found.idf1 == pytest.approx(2 * 7 / 20)
    assert found.switches == 1


def test_tracks_that_swap_count_two_switches():
    truth = joined(walk(1, range(10), 0), walk(2, range(10), 100))
    tracks = joined(
        walk(1, range(5), 0),
        walk(2, range(5, 10), 0),
        walk(2, range(5), 100),
        walk(1, range(5, 10), 100),
    )
    found = identities(truth, tracks)
    assert (found.switches, found.idf1) == (2, 0.5)


def test_inventions_and_misses_lower_precision_and_recall():
    found = identities(walk(1, range(10), 0), joined(walk(1, range(5), 0), walk(9, range(10), 500)))
    assert (found.recall, found.precision) == (0.5, pytest.approx(5 / 15))
    nothing = identities(walk(1, range(3), 0), {})
    assert (nothing.idf1, nothing.switches) == (0.0, 0)


# --- from imported labels to the versions of a model ---------------------------------------------


FRAMES = range(0, 800, 40)


def coco(named: bool) -> bytes:
    """Two mice in every frame, the second one moved up by a third of its height."""
    images, rows = [], []
    for i, frame in enumerate(FRAMES):
        images.append({"id": i, "file_name": f"{frame:08d}.jpg", "width": 64, "height": 48})
        for animal, x in enumerate((4.0, 40.0)):
            track = {"track_id": animal} if named else {}
            row = {"id": len(rows), "image_id": i, "category_id": 1, "bbox": [x, 10, 16, 12]}
            rows.append({**row, **track})
    categories = [{"id": 1, "name": "mouse"}]
    return json.dumps({"images": images, "annotations": rows, "categories": categories}).encode()


def results(door: Door, prefix: str, tracks: Callable[[int], tuple[str, str]]) -> str:
    """An analysis of the video that sees both mice; `tracks` names theirs by frame."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(["frame", "time_s", "track_id", "class", "confidence", "x", "y", "w", "h"])
    for frame in range(801):
        for track, x in zip(tracks(frame), (4, 40), strict=True):
            rows.writerow([frame, frame / 10, track, "mouse", 0.9, x, 10, 16, 12])
    door.keep(f"{prefix}/results.csv", out.getvalue().encode())
    return prefix


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data")) as opened:
        yield opened


def decided(door: Door, tmp_path: Path, *, named: bool) -> tuple[str, PromotionJob]:
    """A model of labels that were imported, with or without identities; and what was decided."""
    rounds = Rounds(door)
    root = rounds.root
    source = keep_round(
        door, root, [FrameLabels(n, f"{n:08d}.jpg", FrameState.UNSEEN) for n in FRAMES]
    )
    with door.platform.sessions.begin() as session:
        session.get_one(Task, root).options = {"classes": ["mouse"]}
    with door.client("ann") as ann:
        ann.post(
            f"/labels/{root}/import",
            params={"format": "coco", "dry_run": False},
            files={"file": ("labels.json", coco(named), "application/json")},
        ).raise_for_status()
    dataset = record(door, root, root, [source], tmp_path / "work")
    prefix = f"inference_results/{root}"
    results(door, prefix, lambda _: ("1", "2"))
    results(door, f"{prefix}/global", lambda frame: ("1", "2") if frame < 400 else ("2", "1"))
    job = rounds.decide(root, 1, {"dataset": dataset, "leakage": 0.0}, video_sha256=VIDEO)
    return root, job


def test_imported_identities_are_compared_with_the_tracks(door: Door, tmp_path: Path) -> None:
    root, job = decided(door, tmp_path, named=True)
    with door.client("ann") as ann:
        (model,) = [m for m in versions(ann, root) if m["version"] == 1]
        counts = ann.get(f"/datasets/{root}").raise_for_status().json()["versions"][0]
        files = ann.get(f"/datasets/{root}/{counts['sha256']}/export", params={"format": "coco"})
    told = model["metrics"]["tracking"]
    assert told == job.tracking
    assert told["frames"] == counts["counts"]["splits"]["val"]
    assert (told["new"]["idf1"], told["new"]["switches"]) == (1.0, 0)
    assert told["new"]["truths"] == 2 * told["frames"]
    assert told["against"] == f"inference_results/{root}/global"
    assert "reach IDF1 1.000 with 0 switches" in told["sentence"]
    exported = zipfile.ZipFile(io.BytesIO(files.raise_for_status().content))
    written = [json.loads(exported.read(n)) for n in exported.namelist() if n.endswith(".json")]
    animals = [a["track_id"] for document in written for a in document["annotations"]]
    assert sorted(animals) == [0] * len(FRAMES) + [1] * len(FRAMES)


def test_nothing_is_said_where_the_truth_has_no_identities(door: Door, tmp_path: Path) -> None:
    root, job = decided(door, tmp_path, named=False)
    assert job.tracking == {}
    assert job.decision == "CURRENT"
    with door.client("ann") as ann:
        assert all("tracking" not in each["metrics"] for each in versions(ann, root))


def versions(client: httpx.Client, root: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        client.get(f"/models/{root}/versions").raise_for_status().json()["versions"]
    )
    return found


def test_only_what_was_analysed_and_named_whole_counts() -> None:
    def judge(frame: int, identities: list[int | None], **more: Any) -> dict[str, Any]:
        line = "0 0.5 0.5 0.5 0.5\n"
        kept = {"frame": frame, "video": "v", "split": "val", "state": "labelled", "round": 1}
        boxes = {"labels": line * len(identities), "width": 10, "height": 20}
        return {**kept, **boxes, **({"identities": identities} if identities else {}), **more}

    manifest = {
        "frames": [
            judge(0, [1, 2]),
            judge(3, [1, 2]),  # passed over
            judge(4, [1, None]),  # who is the other one?
            judge(6, [], state="empty"),
            judge(8, [1]),
            judge(10, [1], round=2),  # names of another labeling
            judge(12, [1], split="train"),
            judge(14, [1], video="other"),
            judge(20, [1]),  # after the end
        ]
    }
    settings = AnalysisSettings(frame_skip=1, max_frames=10)
    truth = identified_truth(manifest, "v", settings)
    assert sorted(truth) == [0, 6, 8]
    assert truth[6] == []
    assert truth[8] == [(1, (2.5, 5.0, 7.5, 15.0))]
    nameless = {"frames": [judge(6, [], state="empty"), judge(4, [1, None])]}
    assert identified_truth(nameless, "v", settings) == {}
