"""Versions of data sets: named by content, compared, listed and exported through the real door."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from services.model_trainer.engines.dataset import build_dataset
from services.model_trainer.engines.dataset_versions import record_version
from services.model_trainer.errors import LabelsChanged
from shared.db.learning_models import Dataset
from shared.errors import Conflict
from shared.events.settings import TrainingSettings
from shared.labels.boxes import FrameState, LabelSet
from shared.labels.formats.table import FORMATS, read
from tests.services.model_trainer.dataset_world import VIDEO, keep_round, labelled, record, recorded
from tests.shared.web.door import Door


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data")) as opened:
        yield opened


@pytest.fixture
def ann(door: Door) -> Iterator[httpx.Client]:
    with door.client("ann") as client:
        yield client


@pytest.fixture(scope="module")
def two_rounds(door: Door, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return recorded(door, tmp_path_factory.mktemp("rounds"))


def test_the_same_content_is_the_same_version(door: Door, tmp_path: Path):
    root = door.submit()
    source = keep_round(door, root, labelled(range(0, 800, 40)))
    first = record(door, root, root, [source], tmp_path / "one")
    assert record(door, root, root, [source], tmp_path / "again") == first
    with door.platform.reads() as session:
        rows = session.query(Dataset).where(Dataset.root_id == root).all()
    assert [(row.number, row.sha256) for row in rows] == [(1, first)]


def test_labels_that_changed_since_are_not_recorded(door: Door, tmp_path: Path):
    root = door.submit()
    source = keep_round(door, root, labelled(range(0, 800, 40)))
    work = tmp_path / "work"
    work.mkdir()
    frames = door.platform.storage.local(f"frames/{root}")
    other = LabelSet(("mouse",), tuple(labelled(range(0, 800, 40), empty=40)))
    dataset = build_dataset(frames, other, TrainingSettings(min_images=2), work, video=VIDEO)
    with pytest.raises(LabelsChanged, match="Retry the training step"):
        record_version(
            door.platform,
            root_id=root,
            task_id=root,
            user_id="u",
            sources=[source],
            dataset=dataset,
        )


def test_versions_are_listed_with_counts_and_parents(ann: httpx.Client, two_rounds: dict[str, Any]):
    for task_id in (two_rounds["root"], two_rounds["later"]):
        view = ann.get(f"/datasets/{task_id}").raise_for_status().json()
        assert view["task_id"] == two_rounds["root"]
        one, two = view["versions"]
        assert (one["number"], one["sha256"]) == (1, two_rounds["one"])
        assert one["parent_sha256"] is None
        assert (two["parent_sha256"], two["task_id"]) == (one["sha256"], two_rounds["later"])
        assert one["counts"]["states"] == {"labelled": 18, "empty": 1, "unseen": 1}
        assert one["counts"]["boxes"] == {"mouse": 18}
        assert sum(one["counts"]["splits"].values()) == 20
        assert two["counts"]["rounds"] == {"1": 19, "2": 5}


def test_the_diff_names_what_changed(ann: httpx.Client, two_rounds: dict[str, Any]):
    path = f"/datasets/{two_rounds['root']}/{two_rounds['two'][:12]}/diff"
    diff = ann.get(path).raise_for_status().json()["diff"]
    assert diff["added"]["count"] == 4
    assert [frame["frame"] for frame in diff["relabelled"]["frames"]] == [40]
    assert diff["removed"]["count"] == 0
    assert diff["boxes"] == {"mouse": {"before": 18, "after": 23}}


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_holds_images_labels_states_and_splits(
    name: str, ann: httpx.Client, two_rounds: dict[str, Any], tmp_path: Path, door: Door
):
    url = f"/datasets/{two_rounds['root']}/{two_rounds['two']}/export"
    answer = ann.get(url, params={"format": name}).raise_for_status()
    assert answer.headers["content-type"] == "application/zip"
    path = tmp_path / "export.zip"
    path.write_bytes(answer.content)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        images = [n for n in archive.namelist() if n.endswith(".jpg")]
        assert len(images) == 24
        assert Image.open(io.BytesIO(archive.read(images[0]))).size == (64, 48)
    data = read(name, path)
    assert data.classes == ("mouse",)
    by_file = {picture.file: picture for picture in data.pictures}
    assert len(by_file["00000040.jpg"].boxes) == 2
    assert by_file["00000080.jpg"].state is FrameState.EMPTY
    assert by_file["00000120.jpg"].state is FrameState.UNSEEN
    assert {"train", "val"} <= {picture.split for picture in data.pictures}


def test_a_stranger_sees_nothing(door: Door, two_rounds: dict[str, Any]):
    root, sha256 = two_rounds["root"], two_rounds["two"]
    with door.client("bob") as bob:
        for path in ("", f"/{sha256}/diff", f"/{sha256}/export"):
            assert bob.get(f"/datasets/{root}{path}").status_code == 404


def test_an_unknown_version_and_format(ann: httpx.Client, two_rounds: dict[str, Any]):
    root, sha256 = two_rounds["root"], two_rounds["two"]
    assert ann.get(f"/datasets/{root}/{'0' * 64}/diff").status_code == 404
    assert ann.get(f"/datasets/{root}/{sha256}/export?format=paint").status_code == 422


def test_a_lost_image_is_said_before_the_first_byte(door: Door, ann: httpx.Client, tmp_path: Path):
    two_rounds = recorded(door, tmp_path)
    door.platform.storage.delete(f"frames/{two_rounds['later']}/00000820.jpg")
    answer = ann.get(f"/datasets/{two_rounds['root']}/{two_rounds['two']}/export")
    assert answer.status_code == 404
    assert "00000820.jpg of this data set is gone" in answer.json()["detail"]


def test_a_manifest_that_somebody_changed_is_not_believed(
    door: Door, ann: httpx.Client, tmp_path: Path
):
    two_rounds = recorded(door, tmp_path)
    key = f"datasets/{two_rounds['root']}/{two_rounds['two']}/manifest.json"
    text = door.platform.storage.fetch(key).read_text()
    door.keep(key, text.replace("labelled", "empty", 1).encode())
    answer = ann.get(f"/datasets/{two_rounds['root']}/{two_rounds['two']}/export")
    assert answer.status_code == Conflict.status
