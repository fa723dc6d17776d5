"""Named types for detections; arrays with their shapes and units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Detections:
    """What a detector found in one frame, in pixels of the source image, best first."""

    xyxy: NDArray[np.float32]  # (n, 4) left, top, right, bottom
    confidence: NDArray[np.float32]  # (n,) 0..1
    class_id: NDArray[np.int64]  # (n,)

    def __len__(self) -> int:
        return len(self.confidence)


@dataclass(frozen=True)
class Letterbox:
    """How a source image was fitted into the square input: scaled, then padded on both sides."""

    scale: float  # input pixels per source pixel
    pad_x: float  # input pixels left of the image
    pad_y: float  # input pixels above the image
    width: int  # source pixels
    height: int  # source pixels
