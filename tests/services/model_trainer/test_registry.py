from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import pytest

from services.model_trainer.engines.registry import Lineage, Registry
from services.model_trainer.errors import WeightsDamaged, WeightsUnknown
from shared.errors import Invalid


def lineage(task_id: str = "task-1", attempt: int = 1) -> Lineage:
    return Lineage(
        task_id=task_id,
        attempt=attempt,
        classes=["mouse"],
        imgsz=320,
        settings={"epochs": 24},
        video_sha256="a" * 64,
        frames={"train": 40, "val": 15},
        labels_sha256="b" * 64,
        dataset_sha256="c" * 64,
        leakage=0.0,
        base_weights="global",
        base_sha256="d" * 64,
        code_version="0.1.0",
        metrics={"user": {"map50": 0.9}, "global": {"map50": 0.5}},
        best_epoch=20,
        epochs=24,
    )


@pytest.fixture
def weights(tmp_path) -> Path:
    file = tmp_path / "trained.pt"
    file.write_bytes(b"weights" * 1000)
    return file


@pytest.fixture
def registry(tmp_path) -> Registry:
    return Registry(tmp_path / "models")


def test_a_model_is_kept_with_its_lineage(registry, weights):
    stored = registry.store("mice", weights, lineage())
    assert stored.folder == registry.root / "mice" / "1"
    assert sorted(each.name for each in stored.folder.iterdir()) == ["model.json", "model.pt"]
    content = json.loads((stored.folder / "model.json").read_text())
    assert content["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert content["lineage"]["video_sha256"] == "a" * 64
    assert registry.find("mice/1") == registry.verify(stored.folder) == stored


def test_versions_increase_and_a_repeated_step_makes_none(registry, weights):
    first = registry.store("mice", weights, lineage())
    assert registry.store("mice", weights, lineage()) == first
    assert registry.store("mice", weights, lineage(attempt=2)).record.version == 2
    assert registry.store("mice", weights, lineage("task-2")).record.version == 3
    assert registry.store("flies", weights, lineage()).record.version == 1
    assert registry.versions("mice") == [1, 2, 3]
    assert registry.versions("cats") == []


def test_writers_at_the_same_time_get_versions_of_their_own(registry, weights):
    tasks = [f"task-{i % 4}" for i in range(12)]
    threads = [
        threading.Thread(target=registry.store, args=("mice", weights, lineage(task)))
        for task in tasks
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert registry.versions("mice") == [1, 2, 3, 4]
    owners = {registry.find(f"mice/{version}").record.lineage.task_id for version in (1, 2, 3, 4)}
    assert owners == set(tasks)


def test_a_version_appears_whole_or_not_at_all(registry, weights, monkeypatch):
    def disk_is_full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("services.model_trainer.engines.registry._flush", disk_is_full)
        with pytest.raises(OSError, match="No space left"):
            registry.store("mice", weights, lineage())
    (registry.root / "mice" / ".part-of-a-killed-one").mkdir()
    assert registry.versions("mice") == []
    assert registry.store("mice", weights, lineage()).record.version == 1
    assert sorted(each.name for each in (registry.root / "mice").iterdir()) == [".lock", "1"]


@pytest.mark.parametrize("damage", ["truncate", "remove", "record"])
def test_damage_is_found_before_weights_are_used(registry, weights, damage):
    stored = registry.store("mice", weights, lineage())
    if damage == "truncate":
        stored.weights.write_bytes(weights.read_bytes()[:100])
    elif damage == "remove":
        stored.weights.unlink()
    else:
        (stored.folder / "model.json").write_text("{")
    with pytest.raises(WeightsDamaged, match="Restore it from a backup, or train again"):
        registry.find("mice/1")
    with pytest.raises(WeightsDamaged):
        registry.base_weights("mice/1", weights)


@pytest.mark.parametrize(
    "name", ["mice/2", "mice", "cats/1", "../mice/1", "/etc/passwd", "mice/-1"]
)
def test_unknown_weights_are_answered_with_the_known_ones(registry, weights, name):
    registry.store("mice", weights, lineage())
    with pytest.raises(WeightsUnknown, match=r"Known: global, mice/1; write `global` or"):
        registry.base_weights(name, weights)


def test_training_starts_from_the_global_weights_or_from_a_version(registry, weights, tmp_path):
    stored = registry.store("mice", weights, lineage())
    other = tmp_path / "global.pt"
    other.write_bytes(b"global")
    assert registry.base_weights("global", other).path == other
    assert registry.base_weights("global", other).sha256 == hashlib.sha256(b"global").hexdigest()
    assert registry.base_weights("mice/1", other).path == stored.weights
    with pytest.raises(WeightsUnknown, match=r"none\.pt are missing"):
        registry.base_weights("global", tmp_path / "none.pt")


@pytest.mark.parametrize("name", ["", "..", "Mice", "a/b", "-mice", ".mice", "m" * 65])
def test_a_name_cannot_leave_the_registry(registry, weights, name):
    with pytest.raises(Invalid, match="cannot be a model's name"):
        registry.store(name, weights, lineage())
    assert not registry.root.exists()
