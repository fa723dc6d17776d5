"""Where boxes will be: a constant-velocity Kalman filter over all tracks at once.

State and noise are those of BoT-SORT (Aharon et al. 2022, https://arxiv.org/abs/2206.14651,
section 3.1): centre, width and height with a velocity each, noise in proportion to the box's own
width and height. Neither transition nor noise couples the four values, so the 8x8 covariance falls
apart into four 2x2 ones that are written out here, which is exact and needs no matrix inverse.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

POSITION_NOISE = 1 / 20  # of the box's side, a frame
VELOCITY_NOISE = 1 / 160  # of the box's side, a frame


def _none(*shape: int) -> Array:
    return np.zeros((0, *shape))


@dataclass
class Motion:
    """The filter of n tracks; time is counted in frame intervals of the video."""

    position: Array = field(default_factory=lambda: _none(4))  # (n, 4) cx, cy, w, h in pixels
    velocity: Array = field(default_factory=lambda: _none(4))  # (n, 4) pixels a frame
    covariance: Array = field(default_factory=lambda: _none(3, 4))  # (n, 3, 4) pp, pv, vv

    def add(self, xyxy: Array) -> None:
        """Tracks that begin at `xyxy` (m, 4), standing still for all we know."""
        position = centred(xyxy)
        side = _sides(position)
        spread = np.stack(
            [
                (2 * POSITION_NOISE * side) ** 2,
                np.zeros_like(side),
                (10 * VELOCITY_NOISE * side) ** 2,
            ],
            axis=1,
        )
        self.position = np.concatenate([self.position, position])
        self.velocity = np.concatenate([self.velocity, np.zeros_like(position)])
        self.covariance = np.concatenate([self.covariance, spread])

    def advance(self, steps: float, unseen: NDArray[np.bool_]) -> None:
        """Let `steps` frame intervals pass; a track `unseen` in the last one keeps its size."""
        self.velocity[unseen, 2:] = 0
        side = _sides(self.position)
        pp, pv, vv = self.covariance.transpose(1, 0, 2)
        noise = steps * (POSITION_NOISE * side) ** 2
        self.covariance = np.stack(
            [
                pp + 2 * steps * pv + steps**2 * vv + noise,
                pv + steps * vv,
                vv + steps * (VELOCITY_NOISE * side) ** 2,
            ],
            axis=1,
        )
        self.position = self.position + steps * self.velocity

    def correct(self, rows: NDArray[np.int64], xyxy: Array) -> None:
        """Tell tracks `rows` (m,) that they were seen at `xyxy` (m, 4)."""
        position = self.position[rows]
        pp, pv, vv = self.covariance[rows].transpose(1, 0, 2)
        total = pp + (POSITION_NOISE * _sides(position)) ** 2
        gain, gain_velocity = pp / total, pv / total
        surprise = centred(xyxy) - position
        self.position[rows] = position + gain * surprise
        self.velocity[rows] += gain_velocity * surprise
        self.covariance[rows] = np.stack(
            [pp - gain * pp, pv - gain * pv, vv - gain_velocity * pv], axis=1
        )

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Forget all tracks but `rows`."""
        self.position = self.position[rows]
        self.velocity = self.velocity[rows]
        self.covariance = self.covariance[rows]

    def boxes(self) -> Array:
        """Left, top, right, bottom (n, 4) of where the tracks are believed to be."""
        half = np.maximum(self.position[:, 2:], 1.0) / 2
        return np.concatenate([self.position[:, :2] - half, self.position[:, :2] + half], axis=1)


def centred(xyxy: Array) -> Array:
    """Left, top, right, bottom as centre, width, height."""
    return np.concatenate([(xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]], axis=1)


def _sides(position: Array) -> Array:
    """Width, height, width, height (n, 4): what the noise of each value is in proportion to."""
    return np.maximum(position[:, [2, 3, 2, 3]], 1.0)
