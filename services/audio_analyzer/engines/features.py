"""What is compared of two takes, on one grid of 10 ms: timbre, pitch and energy.

Timbre: mel-frequency cepstral coefficients 1..12 and their slopes, normalised over the take's speech
(cepstral mean and variance normalisation), which takes out the microphone and much of the speaker.
Pitch: fundamental frequency by Praat's autocorrelation (Boersma 1993), in semitones about the
speaker's median. Energy: mean power of a frame, dB under the loudest one.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import parselmouth
from numpy.typing import NDArray

from services.audio_analyzer.engines.decoding import RATE

Floats = NDArray[np.float32]

HOP_S = 0.01
HOP = round(HOP_S * RATE)
WINDOW_S = 0.025
EDGE_S = 0.1  # of faint noise on both sides, so that the first and last frames have whole windows
SPEECH_DB = 35.0
"""Frames so much under the loudest one still count as speech."""
LOWEST_HZ, HIGHEST_HZ = 60.0, 600.0
A1_HZ = 55.0


@dataclass(frozen=True)
class Frames:
    """One take on the grid; frame k is centred at k * HOP_S."""

    cepstra: Floats
    """(n, 24): normalised coefficients 1..12, then their slopes."""
    raw: Floats
    """(n, 13): coefficients 0..12 as measured."""
    pitch_st: Floats
    """(n,): semitones about the median; NaN where unvoiced."""
    energy_db: Floats
    """(n,): 0 is the loudest frame."""
    median_hz: float | None
    """Of the voiced frames; None without any."""

    @property
    def length(self) -> int:
        """Frames."""
        return int(self.energy_db.size)

    def packed(self) -> dict[str, Any]:
        """As JSON: half precision, which is far finer than what ears tell apart."""
        return {
            "cepstra": _text(self.cepstra),
            "pitch_st": _text(self.pitch_st),
            "energy_db": _text(self.energy_db),
            "median_hz": self.median_hz,
        }

    @classmethod
    def unpacked(cls, document: dict[str, Any]) -> Frames:
        """What `packed` has written; the raw coefficients are not kept."""
        cepstra = _array(document["cepstra"]).reshape(-1, 24)
        return cls(
            cepstra,
            np.zeros((len(cepstra), 13), np.float32),
            _array(document["pitch_st"]),
            _array(document["energy_db"]),
            document["median_hz"],
        )


def measured(samples: Floats) -> Frames:
    """The frames of `samples`, (n,) at `RATE`; at least one."""
    edge = np.random.default_rng(1).normal(0, 1e-5, round(EDGE_S * RATE))
    sound = parselmouth.Sound(
        np.concatenate([edge, samples, edge]).astype(np.float64), float(RATE), -EDGE_S
    )
    length = max(1, samples.size // HOP)
    energy = _energy(samples, length)
    raw = _cepstra(sound, length)
    speech = energy > energy.max() - SPEECH_DB
    pitch_hz = _pitch(sound, length)
    voiced = pitch_hz[np.isfinite(pitch_hz)]
    median = float(np.median(voiced)) if voiced.size else None
    pitch = 12 * np.log2(pitch_hz / median) if median else pitch_hz
    return Frames(
        _normalised(raw[:, 1:], speech),
        raw,
        pitch.astype(np.float32),
        (energy - energy.max()).astype(np.float32),
        median,
    )


def _energy(samples: Floats, length: int) -> Floats:
    half = round(WINDOW_S * RATE) // 2
    power = np.concatenate([np.zeros(half), samples.astype(np.float64) ** 2, np.zeros(half + HOP)])
    total = np.concatenate([[0.0], np.cumsum(power)])
    start = np.arange(length) * HOP
    mean = (total[start + 2 * half] - total[start]) / (2 * half)
    return (10 * np.log10(np.maximum(mean, 0.0) + 1e-10)).astype(np.float32)


def _cepstra(sound: parselmouth.Sound, length: int) -> Floats:
    found = sound.to_mfcc(
        number_of_coefficients=12,
        window_length=WINDOW_S,
        time_step=HOP_S,
        firstFilterFreqency=100.0,
        distance_between_filters=100.0,
    )
    values = found.to_array()  # (13, m), the first row is c0
    at = np.rint((np.arange(length) * HOP_S - found.x1) / found.dx).astype(int)
    return values.T[np.clip(at, 0, values.shape[1] - 1)].astype(np.float32)


def _pitch(sound: parselmouth.Sound, length: int) -> NDArray[np.float64]:
    """Hz on the grid, NaN where unvoiced.

    Twice: the first look finds the speaker's range, the second looks only there, which removes
    most octave errors (De Looze and Hirst 2008; the ceiling is wider here, because actors are).
    """
    low, high = LOWEST_HZ, HIGHEST_HZ
    for _ in range(2):
        track = sound.to_pitch_ac(
            time_step=HOP_S, pitch_floor=low, pitch_ceiling=high, voicing_threshold=0.5
        )
        hz = track.selected_array["frequency"]
        voiced = hz[hz > 0]
        if voiced.size < 10:
            break
        low = max(LOWEST_HZ, 0.75 * float(np.percentile(voiced, 25)))
        high = min(HIGHEST_HZ, 2.5 * float(np.percentile(voiced, 75)))
    at = np.rint((np.arange(length) * HOP_S - track.x1) / track.dx).astype(int)
    found = hz[np.clip(at, 0, hz.size - 1)]
    return np.where((found > 0) & (at >= 0) & (at < hz.size), found, np.nan)


def _normalised(raw: Floats, speech: NDArray[np.bool_]) -> Floats:
    spoken = raw[speech]
    even = (raw - spoken.mean(0)) / (spoken.std(0) + 1e-6)
    # Slope by least squares over nine frames, as HTK and librosa have it.
    weight = np.arange(-4, 5) / 60.0
    wide = np.pad(even, ((4, 4), (0, 0)), mode="edge")
    slope = sum(w * wide[k : k + len(even)] for k, w in enumerate(weight))
    return np.concatenate([even, slope], axis=1).astype(np.float32)


def _text(values: Floats) -> str:
    return base64.b64encode(values.astype("<f2").tobytes()).decode()


def _array(text: str) -> Floats:
    return np.frombuffer(base64.b64decode(text), "<f2").astype(np.float32)
