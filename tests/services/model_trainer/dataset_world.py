"""Rounds whose data sets were recorded as training does it, without training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from services.model_trainer.engines.dataset import build_dataset
from services.model_trainer.engines.dataset_versions import record_version
from services.model_trainer.engines.frozen import first_frozen
from services.model_trainer.engines.merge import Source
from shared.db.learning_models import Round
from shared.events.learning_settings import LabelSource
from shared.events.settings import TrainingSettings
from shared.labels.boxes import Box, FrameLabels, FrameState, LabelSet
from shared.labels.folder import read_label_folder, write_label_folder
from shared.storage.trees import keep_folder
from tests.shared.web.door import Door

VIDEO = "ab" * 32
BOX = Box(0, 0.5, 0.5, 0.25, 0.125)


def keep_round(door: Door, task_id: str, frames: list[FrameLabels]) -> LabelSource:
    """Frames and labels as the steps before training leave them."""
    storage = door.platform.storage
    folder = storage.local(f"frames/{task_id}")
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for frame in frames:
        Image.new("RGB", (64, 48), (frame.frame % 255, 0, 0)).save(folder / frame.file)
        rows.append({"frame": frame.frame, "file": frame.file, "time_s": frame.frame / 10})
    (folder / "frames.json").write_text(json.dumps({"frames": rows}))
    keep_folder(storage, f"frames/{task_id}")
    labels = storage.local(f"labels/{task_id}")
    write_label_folder(labels, LabelSet(("mouse",), tuple(frames)))
    keep_folder(storage, f"labels/{task_id}")
    return LabelSource(
        labeling_path=f"labels/{task_id}", frame_path=f"frames/{task_id}", video_sha256=VIDEO
    )


def labelled(numbers: range, *, empty: int = -1, unseen: int = -1) -> list[FrameLabels]:
    found = [FrameLabels.seen(n, f"{n:08d}.jpg", [] if n == empty else [BOX]) for n in numbers]
    return [
        replace(f, state=FrameState.UNSEEN, boxes=()) if f.frame == unseen else f for f in found
    ]


def record(door: Door, root: str, task: str, sources: list[LabelSource], work: Path) -> str:
    """As training does it."""
    storage = door.platform.storage
    read_sources = []
    for number, source in enumerate(sources, start=1):
        frames = storage.local(source.frame_path)
        labels = read_label_folder(storage.local(source.labeling_path), frames / "frames.json")
        read_sources.append(Source(frames, labels, VIDEO, number))
    *earlier, last = read_sources
    work.mkdir(exist_ok=True)
    frozen = None
    if earlier:
        frozen = first_frozen(earlier[0], val_share=0.25, seed=0)
    dataset = build_dataset(
        last.frames,
        last.labels,
        TrainingSettings(min_images=2, val_share=0.25),
        work,
        video=VIDEO,
        number=len(sources),
        earlier=earlier,
        frozen=frozen,
    )
    return record_version(
        door.platform,
        root_id=root,
        task_id=task,
        user_id=door.user_id("ann"),
        sources=sources,
        dataset=dataset,
    )


def recorded(door: Door, tmp_path: Path) -> dict[str, Any]:
    """Two rounds of a task of ann's."""
    root, later = door.submit(), door.submit()
    with door.platform.sessions.begin() as session:
        session.add(Round(task_id=root, root_id=root, number=1))
        session.add(Round(task_id=later, root_id=root, number=2))
    first = keep_round(door, root, labelled(range(0, 800, 40), empty=80, unseen=120))
    one = record(door, root, root, [first], tmp_path / "one")
    corrected = [
        *labelled(range(820, 900, 20)),
        FrameLabels.seen(40, "00000040.jpg", [BOX, replace(BOX, cx=0.25)]),
    ]
    second = keep_round(door, later, corrected)
    two = record(door, root, later, [first, second], tmp_path / "two")
    return {"root": root, "later": later, "one": one, "two": two, "sources": [first, second]}
