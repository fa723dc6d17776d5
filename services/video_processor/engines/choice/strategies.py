"""The strategies by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.video_processor.engines.choice.clusters import cluster, squared_distances
from services.video_processor.engines.choice.port import CannotAct, Material, Ranked, Strategy

MOST_CLUSTERS = 512  # beyond it several frames of a cluster are taken: k-means++ costs k times n
SAME_SIGHT = 0.03  # of the mean squared distance of two candidates: one sight that goes on
ALIKE = 0.25  # of the mean squared distance of two candidates: nearer ones show much the same
WORTH_AGAIN = 0.1  # of what it was worth: a frame that shows just what another one does
RANKED_APART = 4  # rows for each frame asked for are ranked by what they add to those before them
MOST_APART = 1024  # rows, at most; the others follow by what they add to those
CHUNK = 256  # rows


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
    """One of each kind of picture: the middle of each cluster, unseen clusters first.

    A sight that goes on for n candidates counts as the root of n: else an animal that sleeps for an
    hour is the middle of every cluster, and what it does awake the rim of some.
    """

    def rank(self, material: Material, wanted: int, seed: int) -> Sequence[Ranked]:
        """Round by round over the clusters; the score is the share of candidates that it stands for."""
        if len(material.frames) < 2 or not np.ptp(material.features, axis=0).any():
            raise CannotAct("nothing tells the frames apart")
        known = int(material.taken.sum())
        stand = _sights(material.features) | material.taken
        rows = np.flatnonzero(stand)
        taken = material.taken[rows]
        clusters = min(wanted + known, MOST_CLUSTERS, len(rows))
        labels, distances = cluster(material.features[rows], clusters, seed)
        sizes = np.bincount(labels, minlength=clusters)
        seen = np.bincount(labels[taken], minlength=clusters) > 0
        turn = _turn_in_cluster(labels, distances, taken)
        free = np.flatnonzero(~taken)
        # a cluster that somebody has labelled already comes a round later
        late = turn[free] + seen[labels[free]]
        order = free[np.lexsort((free, -sizes[labels[free]], late))]
        share = sizes / len(labels)
        first = [Ranked(int(rows[each]), float(share[labels[each]])) for each in order]
        return [*first, *(Ranked(int(row), 0.0) for row in np.flatnonzero(~stand))]


class Best:
    """The highest of a figure that the material holds: `uncertainty`, `motion`, `track_breaks`.

    A model is unsure for seconds on end, of one sight. So the figure counts in full only where a frame
    differs from what is labelled and from what is ranked above it.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def rank(self, material: Material, wanted: int, seed: int) -> Sequence[Ranked]:
        """By figure and novelty, ties in random order; where the figure is 0 nothing is worth it."""
        figures: NDArray[np.float32] | None = getattr(material, self._name)
        if figures is None:
            raise CannotAct(material.reason(self._name))
        worth = np.flatnonzero((figures > 0) & ~material.taken)
        if not len(worth):
            raise CannotAct(material.reason(self._name))
        ties = np.random.default_rng((seed, 2)).permutation(len(worth))
        rows = worth[np.lexsort((ties, -figures[worth]))]
        order, scores = _apart(material, rows, figures[rows], RANKED_APART * wanted)
        return [
            Ranked(int(row), float(score)) for row, score in zip(rows[order], scores, strict=True)
        ]


STRATEGIES: dict[str, Strategy] = {
    # those with the fewest frames to choose from choose first
    "track_breaks": Best("track_breaks"),
    "uncertainty": Best("uncertainty"),
    "motion": Best("motion"),
    "diversity": Diversity(),
    "uniform": Uniform(),
}


def _sights(features: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n,) which candidates stand for the sights that go on: the root of n of n, evenly spread."""
    near = SAME_SIGHT * 2 * float(features.var(axis=0).sum())
    stand = np.zeros(len(features), bool)
    start = 0
    for row in range(1, len(features) + 1):
        if row < len(features) and float(((features[row] - features[start]) ** 2).sum()) <= near:
            continue
        count = round((row - start) ** 0.5)
        stand[start + (np.arange(count) * 2 + 1) * (row - start) // (2 * count)] = True
        start = row
    return stand


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


def _apart(
    material: Material, rows: NDArray[np.int64], figures: NDArray[np.float32], first: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """An order of `rows` and what each is worth in it: its figure, less where it repeats others.

    The first ones are found one by one, each by what it adds to those before it; so no score is above
    the one before.
    """
    typical = 2 * float(material.features.var(axis=0).sum())  # squared distance of two candidates
    if not typical:
        return np.arange(len(rows)), figures
    points = material.features[rows]
    far = np.full(len(rows), np.inf, np.float32)
    known = material.features[material.taken]
    for start in range(0, len(known), CHUNK):
        far = np.minimum(far, squared_distances(points, known[start : start + CHUNK]).min(axis=1))
    lengths = (points**2).sum(axis=1)
    left = np.ones(len(rows), bool)
    order: list[int] = []
    scores: list[float] = []
    for _ in range(min(first, MOST_APART, len(rows))):
        worth = np.where(left, _worth(figures, far, typical), -1)
        best = int(worth.argmax())
        order.append(best)
        scores.append(float(worth[best]))
        left[best] = False
        away = lengths + lengths[best] - 2 * points @ points[best]
        far = np.minimum(far, np.maximum(away, 0))
    others = np.flatnonzero(left)
    worth = _worth(figures[others], far[others], typical)
    behind = np.argsort(-worth, kind="stable")
    return (
        np.concatenate([np.array(order, np.int64), others[behind]]),
        np.concatenate([np.array(scores, np.float32), worth[behind]]),
    )


def _worth(
    figures: NDArray[np.float32], far: NDArray[np.float32], typical: float
) -> NDArray[np.float32]:
    novelty = 1 - np.exp(-far / (ALIKE * typical))
    return (figures * (WORTH_AGAIN + (1 - WORTH_AGAIN) * novelty)).astype(np.float32)
