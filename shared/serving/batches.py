"""What every model server asks of a batch and of an answer, checked in one place."""

from __future__ import annotations

import numpy as np

from shared.errors import Invalid, Terminal
from shared.serving.config_pbtxt import MAX_BATCH_SIZE
from shared.serving.port import Batch, ModelSpec, RawOutput


def checked_batch(spec: ModelSpec, batch: Batch) -> Batch:
    """`batch` as contiguous float32; raises `Invalid` when the model cannot take its shape."""
    side = spec.image_size
    if batch.ndim != 4 or batch.shape[1:] != (3, side, side):
        raise Invalid(
            f"Model {spec.name} takes batches (n, 3, {side}, {side}), not {batch.shape}; letterbox the images first."
        )
    if not 1 <= len(batch) <= MAX_BATCH_SIZE:
        raise Invalid(
            f"Model {spec.name} takes 1 to {MAX_BATCH_SIZE} images at once, not {len(batch)}; send several requests."
        )
    return np.ascontiguousarray(batch, dtype=np.float32)


def checked_output(spec: ModelSpec, images: int, output: RawOutput | None) -> RawOutput:
    """`output` when it answers for all images and classes, else `Terminal`."""
    rows = 4 + len(spec.classes)
    if output is None or output.ndim != 3 or output.shape[:2] != (images, rows) or not output.size:
        shape = "nothing" if output is None else output.shape
        raise Terminal(
            f"Model {spec.name} version {spec.version} answered {shape} where ({images}, {rows}, anchors) "
            "is due; its class list does not belong to its file. Deploy it again."
        )
    return output
