"""One word said twice: how far apart in sound, pitch, loudness and time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.audio_analyzer.engines.aligner import AlignedWord
from services.audio_analyzer.engines.features import Floats, Frames

STEP_COST = 0.1
"""What dwelling on one frame costs beside the distance: warping is allowed, not free."""
CONTOUR_LEAST = 6
"""Points of a word's contour at least."""


@dataclass(frozen=True)
class WordPair:
    """A word in both takes."""

    reference: AlignedWord
    recording: AlignedWord
    gop_delta: float
    """Nats a frame; negative: said less clearly than the actor."""
    distance: float
    """Mean cosine distance along the warping path, 0..2."""
    path: NDArray[np.int64]
    """(k, 2): which frame of the recording, second, sounds as which of the reference; of the takes."""
    reference_pitch: Floats
    recording_pitch: Floats
    """Contours on one grid, semitones about each speaker's median; NaN where unvoiced."""
    reference_energy: Floats
    recording_energy: Floats
    """On the same grid, dB under the loudest frame of each take."""

    @property
    def pitch_delta_st(self) -> float | None:
        """Median of recording less reference where both are voiced, semitones."""
        both = np.isfinite(self.reference_pitch) & np.isfinite(self.recording_pitch)
        if both.sum() < 3:
            return None
        return float(np.median((self.recording_pitch - self.reference_pitch)[both]))

    @property
    def energy_delta_db(self) -> float:
        """Mean of recording less reference, dB."""
        return float(np.mean(self.recording_energy) - np.mean(self.reference_energy))


def compared(
    reference: Frames, recording: Frames, one: AlignedWord, other: AlignedWord
) -> WordPair:
    """The word `one` of the reference beside the word `other` of the recording."""
    a, b = _span(reference, one), _span(recording, other)
    count = max(CONTOUR_LEAST, a.stop - a.start)
    distance, path = warped(reference.cepstra[a], recording.cepstra[b])
    return WordPair(
        one,
        other,
        other.gop - one.gop,
        distance,
        np.add(path, (a.start, b.start)),
        _contour(reference.pitch_st[a], count),
        _contour(recording.pitch_st[b], count),
        _contour(reference.energy_db[a], count),
        _contour(recording.energy_db[b], count),
    )


def _span(frames: Frames, word: AlignedWord) -> slice:
    """At least two frames, inside the take."""
    start = min(word.start, max(0, frames.length - 2))
    return slice(start, max(start + 2, min(word.end, frames.length)))


def warped(one: Floats, other: Floats) -> tuple[float, NDArray[np.int64]]:
    """Mean cosine distance of (n, d) and (m, d) along their cheapest warping path, and the path, (k, 2).

    Dynamic time warping (Sakoe and Chiba 1978) with steps (1,1), (1,2), (2,1), and (0,1), (1,0) at
    an extra cost.
    """
    cost = 1.0 - _unit(one) @ _unit(other).T
    rows, columns = cost.shape
    total = np.full((rows + 2, columns + 2), np.inf)  # two rows and columns of walls
    back = np.zeros((rows, columns), dtype=np.int8)
    steps = ((1, 1, 0.0), (1, 2, 0.0), (2, 1, 0.0), (0, 1, STEP_COST), (1, 0, STEP_COST))
    # Cells of one anti-diagonal depend only on earlier ones, so that each is done at once.
    for diagonal in range(rows + columns - 1):
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        j = diagonal - i
        if diagonal == 0:
            total[2, 2] = cost[0, 0]
            continue
        ways = np.stack([total[i + 2 - di, j + 2 - dj] + extra for di, dj, extra in steps])
        best = ways.argmin(0)
        back[i, j] = best
        total[i + 2, j + 2] = ways[best, np.arange(len(i))] + cost[i, j]
    path = [(rows - 1, columns - 1)]
    while path[-1] != (0, 0):
        i, j = path[-1]
        di, dj, _ = steps[back[i, j]]
        path.append((i - di, j - dj))
    found = np.array(path[::-1], dtype=np.int64)
    return float(np.mean(cost[found[:, 0], found[:, 1]])), found


def _unit(rows: Floats) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    return wide / (np.linalg.norm(wide, axis=1, keepdims=True) + 1e-9)


def _contour(values: Floats, count: int) -> Floats:
    """`values` on `count` points; what lies between voiced points stays unvoiced if it was."""
    at = np.arange(values.size)
    known = np.isfinite(values)
    if known.sum() < 2:
        return np.full(count, np.nan, np.float32)
    points = np.linspace(0, values.size - 1, count)
    drawn = np.interp(points, at[known], values[known])
    drawn[np.interp(points, at, known.astype(float)) <= 0.5] = np.nan
    return drawn.astype(np.float32)
