"""The models that were trained: ``<root>/<model>/<version>/{model.pt,model.json}``.

A version is a folder that appears at once, whole, and never changes; model.json says what it came
from, so that any result can be traced to video, frames, labels, settings and code.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from services.model_trainer.errors import WeightsDamaged, WeightsUnknown
from shared.errors import Invalid

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
GLOBAL = "global"


class Lineage(BaseModel):
    """Where a model came from, and how good it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task_id: str
    attempt: int
    """Which run of the training step of that task; the same one stores the same version."""
    classes: list[str]
    imgsz: int
    """Side of the square network input, pixels."""
    settings: dict[str, Any]
    video_sha256: str | None
    frames: dict[str, int]
    """How many: train, val, dropped, unseen, backgrounds."""
    labels_sha256: str
    dataset_sha256: str
    leakage: float
    """Share of validation frames within 2 s of a training frame, 0..1."""
    base_weights: str
    base_sha256: str
    code_version: str
    metrics: dict[str, Any]
    """For example {"user": {"map50": 0.9, ...}, "global": {...}}, on the validation frames."""
    best_epoch: int
    epochs: int
    warnings: list[str] = []


class ModelRecord(BaseModel):
    """What model.json holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    version: int
    sha256: str
    """Of model.pt."""
    created_at: datetime
    lineage: Lineage


@dataclass(frozen=True)
class StoredModel:
    """One version of the registry, as it lies on the disk."""

    folder: Path
    record: ModelRecord

    @property
    def weights(self) -> Path:
        """The file whose sha256 the record holds."""
        return self.folder / "model.pt"


@dataclass(frozen=True)
class BaseWeights:
    """Weights that training may start from: their record was compared with the file."""

    name: str  # global, or <model>/<version>
    path: Path
    sha256: str


class Registry:
    """The versions under one root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def store(self, model: str, weights: Path, lineage: Lineage) -> StoredModel:
        """Keep a copy of `weights` as the next version of `model`.

        Called again for the same task and attempt it returns the version that is there, so that a
        step which is run twice makes one version. `weights` have no optimizer state any more.
        """
        home = self._home(model)
        home.mkdir(parents=True, exist_ok=True)
        with _locked(home / ".lock"):
            for version in self.versions(model):
                record = _read(home / str(version))
                known = record.lineage
                if (known.task_id, known.attempt) == (lineage.task_id, lineage.attempt):
                    return self.verify(home / str(version))
            for left in home.glob(".part-*"):  # by a writer that was killed: the lock is ours
                shutil.rmtree(left, ignore_errors=True)
            version = max(self.versions(model), default=0) + 1
            part = Path(tempfile.mkdtemp(prefix=".part-", dir=home))
            try:
                shutil.copyfile(weights, part / "model.pt")
                record = ModelRecord(
                    model=model,
                    version=version,
                    sha256=_sha256(part / "model.pt"),
                    created_at=datetime.now(UTC),
                    lineage=lineage,
                )
                text = record.model_dump_json(indent=1) + "\n"
                (part / "model.json").write_text(text, encoding="utf-8")
                for file in part.iterdir():
                    _flush(file)
                part.chmod(0o755)
                part.rename(home / str(version))
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
        return StoredModel(home / str(version), record)

    def versions(self, model: str) -> list[int]:
        """The version numbers of `model`, ascending; none for an unknown model."""
        home = self._home(model)
        if not home.is_dir():
            return []
        return sorted(int(each.name) for each in home.iterdir() if each.name.isdecimal())

    def verify(self, folder: Path) -> StoredModel:
        """The version in `folder`, after its weights were compared with its record.

        Raises `WeightsDamaged`.
        """
        record = _read(folder)
        weights = folder / "model.pt"
        if not weights.is_file() or _sha256(weights) != record.sha256:
            raise WeightsDamaged(
                f"{weights} is not the file that was stored (its sha256 differs from model.json). "
                "Restore it from a backup, or train again."
            )
        return StoredModel(folder, record)

    def find(self, reference: str) -> StoredModel:
        """The version that `<model>/<version>` names, verified.

        Raises `WeightsUnknown`, `WeightsDamaged`.
        """
        model, _, version = reference.partition("/")
        if NAME.fullmatch(model) and version.isdecimal() and int(version) in self.versions(model):
            return self.verify(self._home(model) / str(int(version)))
        known = [f"{name}/{self.versions(name)[-1]}" for name in self._models()]
        raise WeightsUnknown(
            f"There are no weights {reference!r}. Known: {', '.join([GLOBAL, *known])}; "
            "write `global` or `<model>/<version>`."
        )

    def base_weights(self, name: str, global_weights: Path) -> BaseWeights:
        """What `TrainingSettings.weights` names; `global_weights` is the operator's own file."""
        if name != GLOBAL:
            stored = self.find(name)
            return BaseWeights(name, stored.weights, stored.record.sha256)
        if not global_weights.is_file():
            raise WeightsUnknown(
                f"The global weights {global_weights} are missing. "
                "Restore the file, or set the path of others in the settings."
            )
        return BaseWeights(name, global_weights, _sha256(global_weights))

    def _models(self) -> list[str]:
        if not self.root.is_dir():
            return []
        names = sorted(each.name for each in self.root.iterdir() if NAME.fullmatch(each.name))
        return [name for name in names if self.versions(name)]

    def _home(self, model: str) -> Path:
        if not NAME.fullmatch(model):
            raise Invalid(
                f"{model!r} cannot be a model's name: use lower-case letters, digits, dot, dash and "
                "underscore, 64 at most, a letter or digit first."
            )
        return self.root / model


def _read(folder: Path) -> ModelRecord:
    try:
        text = (folder / "model.json").read_text(encoding="utf-8")
        return ModelRecord.model_validate(json.loads(text))
    except (FileNotFoundError, ValueError, ValidationError) as error:
        raise WeightsDamaged(
            f"{folder} holds no readable model.json. Restore it from a backup, or train again."
        ) from error


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """One writer a model at a time, so that two of them never choose the same version."""
    with file.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield  # closing the file ends the lock, so does the death of the process


def _flush(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
