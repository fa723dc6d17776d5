"""What a person did to the boxes that a model had suggested, frame by frame.

Of a frame that somebody looked at, suggestions and labels are matched one to one so that the sum of
their intersections over union is largest; pairs that overlap by less than half do not count. A
suggestion of the label's class that lies on it is *accepted*, one that lies near it was *moved*, one
of another class *reclassified*; what is left of the suggestions was *deleted*, of the labels *added*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from shared.labels.boxes import FrameLabels, FrameState, LabelSet
from shared.labels.overlap import SAME_IOU, Shape, intersection_over_union

ACCEPTED_IOU = 0.95
"""From this overlap on a suggestion was left as it was: tools round, and a pixel is not a correction."""
SAME_CLASS_BONUS = 1e-3
"""Among pairs that overlap equally those of one class go together; too little to change any other."""
CORRECTIONS = ("moved", "reclassified", "deleted", "added")
"""What a person had to do; of an accepted box there was nothing to do."""
LARGEST_FRAME = 5000
"""Boxes of a frame, suggested and drawn together, that are matched: a matrix of it is 50 MB."""


class FrameEffort(NamedTuple):
    """What became of one frame's suggestions; numbers of boxes."""

    accepted: int = 0
    moved: int = 0
    reclassified: int = 0
    deleted: int = 0
    added: int = 0


class Effort(BaseModel):
    """The work of one round. Sums over the frames that somebody looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    frames: int = 0
    """Frames that somebody looked at: labelled, or confirmed empty."""
    suggested_frames: int = 0
    """Those of them that a model had looked at before."""
    untouched_frames: int = 0
    """Those of them in which nothing was to be done: every suggestion accepted, none missing."""
    suggested: int = 0
    """Boxes that the model suggested there."""
    accepted: int = 0
    moved: int = 0
    reclassified: int = 0
    deleted: int = 0
    added: int = 0
    """Boxes that were drawn where nothing was suggested."""
    moved_iou: float | None = None
    """Mean overlap of the moved suggestions with what became of them, 0..1; None without any."""
    seconds_per_frame: float | None = None
    """That a person needed; None when nobody measured it."""
    seconds: float | None = None
    """Of all frames together."""
    timed_by: str | None = None
    """`tool`: each frame was timed; `rate`: from the frames a minute of the labeling."""
    preannotated_by: str | None = None
    """`<model>/<version>` whose suggestions these were, or `global`."""

    @property
    def corrections(self) -> int:
        """Boxes that a person had to touch."""
        return sum(getattr(self, name) for name in CORRECTIONS)

    @property
    def accepted_share(self) -> float | None:
        """Share of the suggestions that were left as they were; None without suggestions."""
        return self.accepted / self.suggested if self.suggested else None


def compare_frame(
    suggested: Sequence[Shape], labels: Sequence[Shape]
) -> tuple[FrameEffort, list[float]]:
    """What a person did to `suggested` to get `labels`; and the overlaps of the moved ones."""
    pairs = _matched(suggested, labels)
    accepted = reclassified = 0
    moved: list[float] = []
    for left, right, overlap in pairs:
        if suggested[left].class_id != labels[right].class_id:
            reclassified += 1
        elif overlap >= ACCEPTED_IOU:
            accepted += 1
        else:
            moved.append(overlap)
    return (
        FrameEffort(
            accepted=accepted,
            moved=len(moved),
            reclassified=reclassified,
            deleted=len(suggested) - len(pairs),
            added=len(labels) - len(pairs),
        ),
        moved,
    )


def _matched(suggested: Sequence[Shape], labels: Sequence[Shape]) -> list[tuple[int, int, float]]:
    """Pairs (suggestion, label, overlap) that overlap by half at least, each box in one at most."""
    if not suggested or not labels or len(suggested) + len(labels) > LARGEST_FRAME:
        return []
    from scipy.optimize import linear_sum_assignment

    overlaps = [[intersection_over_union(a, b) for b in labels] for a in suggested]
    worth = [
        [
            0.0
            if overlap < SAME_IOU
            else overlap + SAME_CLASS_BONUS * (suggested[i].class_id == labels[j].class_id)
            for j, overlap in enumerate(row)
        ]
        for i, row in enumerate(overlaps)
    ]
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [
        (int(i), int(j), overlaps[i][j])
        for i, j in zip(rows, columns, strict=True)
        if overlaps[i][j] >= SAME_IOU
    ]


def account(
    suggestions: Mapping[int, Sequence[Shape]],
    labels: LabelSet,
    *,
    frames_per_minute: float | None = None,
    preannotated_by: str | None = None,
) -> Effort:
    """The effort behind `labels`.

    Args:
        suggestions: By frame index. An empty sequence: a model looked and saw nothing; no entry:
            none looked, so that every box of the frame was added.
        labels: What the person made of them. Frames that nobody looked at do not count.
        frames_per_minute: Of the labeling, where the tool times no single frame; 0 tells nothing.
        preannotated_by: Whose suggestions they are.
    """
    sums = dict.fromkeys(FrameEffort._fields, 0)
    untouched = 0
    overlaps: list[float] = []
    for frame in labels.usable:
        found, moved = compare_frame(suggestions.get(frame.frame, ()), frame.boxes)
        overlaps += moved
        for name, count in found._asdict().items():
            sums[name] += count
        untouched += frame.frame in suggestions and sum(found) == found.accepted
    seen = [frame for frame in labels.usable if frame.frame in suggestions]
    return Effort.model_validate(
        {
            "frames": len(labels.usable),
            "suggested_frames": len(seen),
            "untouched_frames": untouched,
            "suggested": sum(len(suggestions[frame.frame]) for frame in seen),
            "moved_iou": round(sum(overlaps) / len(overlaps), 4) if overlaps else None,
            "preannotated_by": preannotated_by,
            **_time(labels.frames, frames_per_minute),
            **sums,
        }
    )


def _time(frames: Sequence[FrameLabels], frames_per_minute: float | None) -> dict[str, Any]:
    """Seconds a frame and in all: as the tool timed them, else by the pace of the labeling."""
    used = [frame for frame in frames if frame.state is not FrameState.UNSEEN]
    timed = [frame.seconds for frame in used if frame.seconds is not None]
    if timed:
        mean, by = sum(timed) / len(timed), "tool"
    elif frames_per_minute and used:
        mean, by = 60 / frames_per_minute, "rate"
    else:
        return {}
    return {
        "seconds_per_frame": round(mean, 2),
        "seconds": round(mean * len(used), 1),
        "timed_by": by,
    }
