"""The strategies by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.video_processor.engines.choice.clusters import cluster
from services.video_processor.engines.choice.port import CannotAct, Material, Ranked, Strategy

MOST_CLUSTERS = 512  # beyond it several frames of a cluster are taken: k-means++ costs k times n


class Uniform:
    """Spread over the video: one at random in each of as many equal stretches, then any."""

    def rank(self, material: Material, wanted: int, seed: int) -> Sequence[Ranked]:
        """Stretches in random order, so that any beginning of the ranking is spread too."""
        free = np.flatnonzero(~material.taken)
        rng = np.random.default_rng((seed, 1))
        stretches = [
            part for part in np.array_split(free, min(wanted, len(free)) or 1) if len(part)
        ]
        drawn = [int(rng.choice(part)) for part in stretches]
        first = [drawn[i] for i in rng.permutation(len(drawn))]
        others = np.setdiff1d(free, first)
        return [Ranked(row, 0.0) for row in (*first, *rng.permutation(others).tolist())]


class Diversity:
    """One of each kind of picture: the middle of each cluster, unseen clusters first."""

    def rank(self, material: Material, wanted: int, seed: int) -> Sequence[Ranked]:
        """Round by round over the clusters; the score is the share of candidates that it stands for."""
        if len(material.frames) < 2 or not np.ptp(material.features, axis=0).any():
            raise CannotAct("nothing tells the frames apart")
        known = int(material.taken.sum())
        clusters = min(wanted + known, MOST_CLUSTERS, len(material.frames))
        labels, distances = cluster(material.features, clusters, seed)
        sizes = np.bincount(labels, minlength=clusters)
        seen = np.bincount(labels[material.taken], minlength=clusters) > 0
        turn = _turn_in_cluster(labels, distances, material.taken)
        free = np.flatnonzero(~material.taken)
        # a cluster that somebody has labelled already comes a round later
        late = turn[free] + seen[labels[free]]
        order = np.lexsort((free, -sizes[labels[free]], late))
        share = sizes / len(labels)
        return [Ranked(int(row), float(share[labels[row]])) for row in free[order]]


class Best:
    """The highest of a figure that the material holds: `uncertainty`, `motion`, `track_breaks`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def rank(self, material: Material, wanted: int, seed: int) -> Sequence[Ranked]:
        """By the figure, ties in random order; candidates where it is 0 are not worth choosing."""
        del wanted  # all that are worth it
        figures: NDArray[np.float32] | None = getattr(material, self._name)
        if figures is None:
            raise CannotAct(material.reason(self._name))
        worth = np.flatnonzero((figures > 0) & ~material.taken)
        if not len(worth):
            raise CannotAct(material.reason(self._name))
        ties = np.random.default_rng((seed, 2)).permutation(len(worth))
        order = np.lexsort((ties, -figures[worth]))
        return [Ranked(int(row), float(figures[row])) for row in worth[order]]


STRATEGIES: dict[str, Strategy] = {
    # those with the fewest frames to choose from choose first
    "track_breaks": Best("track_breaks"),
    "uncertainty": Best("uncertainty"),
    "motion": Best("motion"),
    "diversity": Diversity(),
    "uniform": Uniform(),
}


def _turn_in_cluster(
    labels: NDArray[np.int64], distances: NDArray[np.float32], taken: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """(n,) 0 for the free row nearest to its cluster's centre, 1 for the next ..."""
    order = np.lexsort((distances, taken, labels))
    grouped = labels[order]
    starts = np.searchsorted(grouped, grouped)
    turn = np.empty(len(labels), np.int64)
    turn[order] = np.arange(len(labels)) - starts
    return turn
