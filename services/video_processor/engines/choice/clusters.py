"""Mini-batch k-means (Sculley 2010, https://doi.org/10.1145/1772690.1772862) in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BATCH = 256  # rows
PASSES = 6  # over all rows
TRIALS = 4  # rows drawn for each first centre
INITIAL_ROWS = 4096  # looked at for the first centres, at most

Floats = NDArray[np.float32]


class MiniBatchKMeans:
    """Centres that move with each batch of rows; memory is the centres and one batch."""

    def __init__(self, clusters: int, rng: np.random.Generator) -> None:
        self.centres: Floats = np.zeros((0, 0), np.float32)
        self._clusters = clusters
        self._rng = rng
        self._seen = np.zeros(clusters)

    def start(self, rows: Floats) -> None:
        """First centres out of `rows` (n, d): greedy k-means++.

        Each is, of a few drawn far from those before, the one after which the rows lie nearest;
        a single draw would split the largest cluster again and miss the small ones.
        """
        first = int(self._rng.integers(len(rows)))
        picked = [first]
        far = squared_distances(rows, rows[first : first + 1])[:, 0]
        for _ in range(min(self._clusters, len(rows)) - 1):
            total = float(far.sum())
            if total <= 0:  # every row equals a centre
                break
            drawn = np.searchsorted(np.cumsum(far), self._rng.random(TRIALS) * total, side="right")
            drawn = np.minimum(drawn, len(rows) - 1)
            left = np.minimum(far[:, None], squared_distances(rows, rows[drawn]))
            best = int(left.sum(axis=0).argmin())
            picked.append(int(drawn[best]))
            far = left[:, best]
        self.centres = rows[picked].copy()
        self._seen = np.zeros(len(picked))

    def learn(self, batch: Floats) -> None:
        """Move the centres towards `batch` (b, d); each ever less, as it has seen ever more."""
        nearest = squared_distances(batch, self.centres).argmin(axis=1)
        counts = np.bincount(nearest, minlength=len(self.centres))
        sums = np.zeros_like(self.centres)
        np.add.at(sums, nearest, batch)
        self._seen += counts
        hit = counts > 0
        rate = (counts[hit] / self._seen[hit])[:, None].astype(np.float32)
        self.centres[hit] += rate * (sums[hit] / counts[hit, None] - self.centres[hit])


def cluster(
    rows: Floats, clusters: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The cluster of each row of `rows` (n, d), and its distance to the centre.

    The same arguments give the same clusters. There are fewer where fewer rows differ.
    """
    rng = np.random.default_rng(seed)
    model = MiniBatchKMeans(clusters, rng)
    look = max(INITIAL_ROWS, clusters)
    model.start(rows if len(rows) <= look else rows[rng.choice(len(rows), look, replace=False)])
    for _ in range(PASSES):
        order = rng.permutation(len(rows))
        for start in range(0, len(rows), BATCH):
            model.learn(rows[order[start : start + BATCH]])
    labels = np.empty(len(rows), np.int64)
    distances = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), BATCH):
        far = squared_distances(rows[start : start + BATCH], model.centres)
        labels[start : start + BATCH] = far.argmin(axis=1)
        distances[start : start + BATCH] = np.sqrt(far.min(axis=1))
    return labels, distances


def squared_distances(rows: Floats, centres: Floats) -> Floats:
    """(n, k): the squared Euclidean distance of each of `rows` (n, d) to each of `centres` (k, d)."""
    cross = rows @ centres.T
    found = (rows**2).sum(axis=1)[:, None] - 2 * cross + (centres**2).sum(axis=1)[None]
    return np.maximum(found, 0)
