"""Identities over time: boxes of successive frames that belong to one animal get one number.

The scheme is ByteTrack's (Zhang et al. 2022, https://arxiv.org/abs/2110.06864): confident boxes
are matched first, weak ones may only continue what was seen a moment ago, a track that is not seen
is kept for a while. Two things are taken from elsewhere: the motion from BoT-SORT (`motion.py`),
and the matching of slightly enlarged boxes from C-BIoU (Yang et al. 2023,
https://arxiv.org/abs/2211.14317), because small animals turn quicker than pedestrians and the
caller may skip frames. Unlike ByteTrack, a box has its number from its first frame on.

Everything is deterministic, and `state()` holds all of it: a tracker made from it goes on as if
nothing had happened, to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from services.model_inference.engines.motion import Motion
from shared.vision.boxes import Detections
from shared.vision.geometry import iou_matrix

WEAK_CONFIDENCE = 0.1  # below this a box is no evidence for anything
BUFFER, WIDE_BUFFER = 0.3, 0.5  # of the box's side, added on each side (C-BIoU, table 1)
ENOUGH, WEAK_ENOUGH = 0.2, 0.5  # IoU that makes a match, as in ByteTrack
LONGEST_STEP = 1e4  # frame intervals; a jump in the timestamps is not motion
SHORTEST_STEP = 1e-3

Rows = NDArray[np.int64]


class Tracker:
    """The tracks of one video; feed it every analysed frame in order."""

    def __init__(self, fps: float, confidence: float, lost_s: float) -> None:
        """Boxes from `confidence` (0..1) on begin tracks; one unseen for `lost_s` seconds ends."""
        self._fps = fps
        self._confidence = confidence
        self._lost_s = lost_s
        self._next_id = 1
        self._time_s: float | None = None
        self._motion = Motion()
        self._id = np.zeros(0, np.int64)
        self._class = np.zeros(0, np.int64)
        self._seen_s = np.zeros(0)
        self._hits = np.zeros(0, np.int64)

    @property
    def tracks(self) -> int:
        """How many identities there have been."""
        return self._next_id - 1

    def update(self, found: Detections, time_s: float) -> NDArray[np.int64]:
        """The identity (n,) of each box, counting from 1; 0 for a weak box that continues nothing."""
        step_s = self._advance(time_s)
        identity = np.zeros(len(found), dtype=np.int64)
        strong = np.flatnonzero(found.confidence >= self._confidence)
        weak = np.flatnonzero(
            (found.confidence < self._confidence) & (found.confidence >= WEAK_CONFIDENCE)
        )
        proven = np.flatnonzero(self._hits > 1)
        fresh = np.flatnonzero(self._hits == 1)

        proven, strong = self._match(found, identity, proven, strong, BUFFER, ENOUGH)
        just_seen = self._seen_s[proven] >= time_s - 1.5 * step_s
        self._match(found, identity, proven[just_seen], weak, 0.0, WEAK_ENOUGH)
        proven = proven[self._seen_s[proven] < time_s]
        _, strong = self._match(found, identity, proven, strong, WIDE_BUFFER, ENOUGH)
        fresh, strong = self._match(found, identity, fresh, strong, WIDE_BUFFER, ENOUGH)
        self._forget(fresh, time_s, step_s)
        self._begin(found, identity, strong, time_s)
        return identity

    def _advance(self, time_s: float) -> float:
        """Move all tracks to `time_s`; how many seconds passed."""
        if self._time_s is None:
            self._time_s = time_s
            return 0.0
        step_s = time_s - self._time_s
        steps = min(max(step_s * self._fps, SHORTEST_STEP), LONGEST_STEP)
        self._motion.advance(steps, unseen=self._seen_s < self._time_s)
        self._time_s = time_s
        return max(step_s, 0.0)

    def _match(
        self,
        found: Detections,
        identity: Rows,
        tracks: Rows,
        boxes: Rows,
        buffer: float,
        iou: float,
    ) -> tuple[Rows, Rows]:
        """Pair `tracks` with `boxes` where the overlap is at least `iou`; what is left of both."""
        if not len(tracks) or not len(boxes):
            return tracks, boxes
        seen = found.xyxy[boxes].astype(np.float64)
        overlap = iou_matrix(
            _enlarged(self._motion.boxes()[tracks], buffer), _enlarged(seen, buffer)
        )
        overlap[self._class[tracks][:, None] != found.class_id[boxes]] = 0
        overlap[overlap < iou] = 0
        track, box = linear_sum_assignment(overlap, maximize=True)
        pair = overlap[track, box] > 0
        track, box = track[pair], box[pair]
        rows = tracks[track]
        self._motion.correct(rows, seen[box])
        assert self._time_s is not None
        self._seen_s[rows] = self._time_s
        self._hits[rows] += 1
        identity[boxes[box]] = self._id[rows]
        return np.delete(tracks, track), np.delete(boxes, box)

    def _forget(self, unproven: Rows, time_s: float, step_s: float) -> None:
        """Drop tracks seen once only, and those unseen for long (at least two analysed frames)."""
        keep = time_s - self._seen_s <= max(self._lost_s, 2 * step_s)
        keep[unproven] = False
        self._motion.keep(keep)
        self._id, self._class = self._id[keep], self._class[keep]
        self._seen_s, self._hits = self._seen_s[keep], self._hits[keep]

    def _begin(self, found: Detections, identity: Rows, boxes: Rows, time_s: float) -> None:
        if not len(boxes):
            return
        count = len(boxes)
        ids = np.arange(self._next_id, self._next_id + count)
        self._next_id += count
        identity[boxes] = ids
        self._motion.add(found.xyxy[boxes].astype(np.float64))
        self._id = np.concatenate([self._id, ids])
        self._class = np.concatenate([self._class, found.class_id[boxes]])
        self._seen_s = np.concatenate([self._seen_s, np.full(count, time_s)])
        self._hits = np.concatenate([self._hits, np.ones(count, np.int64)])

    def state(self) -> dict[str, Any]:
        """All that later frames depend on, as JSON values (floats survive exactly)."""
        return {
            "next_id": self._next_id,
            "time_s": self._time_s,
            "id": self._id.tolist(),
            "class": self._class.tolist(),
            "seen_s": self._seen_s.tolist(),
            "hits": self._hits.tolist(),
            "position": self._motion.position.tolist(),
            "velocity": self._motion.velocity.tolist(),
            "covariance": self._motion.covariance.tolist(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state()` gave."""
        self._next_id = state["next_id"]
        self._time_s = state["time_s"]
        self._id = np.array(state["id"], np.int64)
        self._class = np.array(state["class"], np.int64)
        self._seen_s = np.array(state["seen_s"], np.float64)
        self._hits = np.array(state["hits"], np.int64)
        self._motion = Motion(
            np.array(state["position"], np.float64).reshape(-1, 4),
            np.array(state["velocity"], np.float64).reshape(-1, 4),
            np.array(state["covariance"], np.float64).reshape(-1, 3, 4),
        )


def _enlarged(xyxy: NDArray[np.float64], buffer: float) -> NDArray[np.float64]:
    if not buffer:
        return xyxy
    margin = (xyxy[:, 2:] - xyxy[:, :2]) * buffer
    return np.concatenate([xyxy[:, :2] - margin, xyxy[:, 2:] + margin], axis=1)
