"""Scenes as a YOLO data set on disk: images/, labels/, data.yaml."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from deploy.simulator.scenes import Families, Scene, render_scene
from shared.errors import Invalid
from shared.progress.report import Report, silent

REPORT_EVERY = 50  # images


def write_scenes(
    folder: Path,
    *,
    images: int,
    seed: int = 0,
    families: Families = "training",
    report: Report = silent,
) -> Path:
    """Render `images` scenes into `folder/images` and `folder/labels`; returns `folder/images`.

    One scene is in memory at a time. Scene `i` of a seed is always the same whatever the number of
    images, so a killed run continues where it stopped: a scene whose label is there is not drawn again.
    """
    if images < 1:
        raise Invalid(f"{images} scenes cannot be rendered. Ask for one or more.")
    pictures, labels = folder / "images", folder / "labels"
    pictures.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    for i in range(images):
        name = f"{families}_{seed}_{i:06d}"
        label = labels / f"{name}.txt"
        if not label.exists():
            _write(
                render_scene(np.random.default_rng((seed, i)), families),
                pictures / f"{name}.jpg",
                label,
                i,
            )
        if i % REPORT_EVERY == 0:
            report(i / images, f"scene {i} of {images}")
    report(1.0, f"{images} scenes in {folder}")
    return pictures


def _write(scene: Scene, picture: Path, label: Path, index: int) -> None:
    height, width = scene.picture.shape[:2]
    quality = (
        35 + (index * 37) % 64
    )  # 35..98: all degrees of JPEG artefacts, without a random number
    ok, coded = cv2.imencode(".jpg", scene.picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise Invalid(f"OpenCV cannot encode scene {index} as JPEG.")
    picture.write_bytes(coded.tobytes())
    rows = []
    for left, top, right, bottom in scene.xyxy:
        x, y = (left + right) / 2 / width, (top + bottom) / 2 / height
        rows.append(
            f"0 {x:.6f} {y:.6f} {(right - left) / width:.6f} {(bottom - top) / height:.6f}\n"
        )
    half = label.with_suffix(".part")
    half.write_text("".join(rows))
    half.replace(label)


def write_yaml(path: Path, *, train: list[Path], val: Path) -> Path:
    """The data set description that ultralytics reads; image folders are absolute."""
    folders = "".join(f"  - {folder.resolve()}\n" for folder in train)
    path.write_text(f"train:\n{folders}val: {val.resolve()}\nnames:\n  0: animal\n")
    return path
