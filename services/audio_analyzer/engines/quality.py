"""How good a recording is, and whether there is any speech in it to compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.audio_analyzer.engines.decoding import RATE
from services.audio_analyzer.engines.features import HOP, Frames
from services.audio_analyzer.engines.port import Recognition

SHORTEST_S = 0.3
SILENT_DBFS = -60.0
VOICED_LEAST = 0.08
CLIPPED_MOST = 0.001
SNR_LEAST_DB = 15.0
QUIET_DBFS = -30.0


@dataclass(frozen=True)
class Quality:
    """Measured on the whole recording; `problem` says why it cannot be scored at all."""

    duration_s: float
    peak_dbfs: float
    snr_db: float
    """95th less 10th percentile of the frames' energy: speech over what is between it."""
    clipped_ratio: float
    voiced_ratio: float
    problem: Recognition | None
    warnings: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As `Quality` of the result."""
        return {
            "duration_s": round(self.duration_s, 3),
            "peak_dbfs": round(self.peak_dbfs, 1),
            "snr_db": round(self.snr_db, 1),
            "clipped_ratio": round(self.clipped_ratio, 5),
            "voiced_ratio": round(self.voiced_ratio, 3),
            "warnings": list(self.warnings),
        }


def measured(samples: NDArray[np.float32], frames: Frames) -> Quality:
    """What can be said of the samples, (n,) at `RATE`, and their frames."""
    peak = float(np.abs(samples).max(initial=0.0))
    peak_dbfs = 20 * np.log10(peak + 1e-9)
    energy = frames.energy_db
    snr_db = float(np.percentile(energy, 95) - np.percentile(energy, 10)) if energy.size else 0.0
    clipped = float((np.abs(samples) >= 0.999).mean()) if samples.size else 0.0
    voiced = float(np.isfinite(frames.pitch_st).mean()) if frames.pitch_st.size else 0.0
    duration_s = samples.size / RATE
    problem: Recognition | None = None
    warnings = []
    if peak_dbfs < SILENT_DBFS:
        problem = "InitialSilenceTimeout"
        warnings.append("silent")
    elif duration_s < SHORTEST_S:
        problem = "NoMatch"
        warnings.append("too_short")
    elif voiced < VOICED_LEAST:
        problem = "BabbleTimeout"
        warnings.append("no_speech")
    if clipped > CLIPPED_MOST:
        warnings.append("clipped")
    if problem is None and snr_db < SNR_LEAST_DB:
        warnings.append("low_snr")
    if problem is None and peak_dbfs < QUIET_DBFS:
        warnings.append("too_quiet")
    return Quality(duration_s, peak_dbfs, snr_db, clipped, voiced, problem, tuple(warnings))


def too_short(samples: NDArray[np.float32]) -> bool:
    """Whether there are too few samples for even one window of analysis."""
    return samples.size < 4 * HOP
