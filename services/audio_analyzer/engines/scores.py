"""From differences to numbers, 0..100. Only arithmetic; the sources stand at each formula.

The shapes are those of a bell around "as the actor said it"; their widths were set by hand on a few
references, not fitted to judgements of people, so that every result says `beta`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from services.audio_analyzer.engines.comparing import WordPair
from services.audio_analyzer.engines.features import HOP_S, Floats

COMPLETE = 30.0
"""A word that scores so much counts as said."""
MISPRONOUNCED = 45.0
"""A word under it is marked."""
EDGE_S = 0.05
"""How exactly an alignment places the end of a word: so much longer or shorter costs nothing."""


@dataclass(frozen=True)
class Scores:
    """Of a whole recording, 0..100; ratios and correlations as they are."""

    accuracy: float
    fluency: float
    prosody: float
    completeness: float
    pron: float
    timbre: float
    pitch: float
    pitch_correlation: float | None
    pitch_range_ratio: float | None
    register_st: float | None
    """How much higher the recording is than the take, medians, semitones."""
    energy: float
    rhythm: float
    tempo_ratio: float
    """How long the recording takes for what the actor says in a second."""
    pause: float


def word_accuracy(pair: WordPair) -> float:
    """How clearly the phones are said, relative to the actor.

    Relative, because the model is no measure of a voice by itself: a native speaker's own take
    scores several nats a frame under the best senones.
    """
    return 100 * math.exp(-((max(0.0, -pair.gop_delta - 0.3) / 3.0) ** 1.5))


def word_similarity(pair: WordPair) -> float:
    """How near the sounds are to the actor's."""
    return 100 * math.exp(-((pair.distance / 0.62) ** 2))


def word_score(pair: WordPair) -> float:
    """The geometric mean: a word needs both."""
    return math.sqrt(word_accuracy(pair) * word_similarity(pair))


def duration_log(pair: WordPair, tempo: float) -> float:
    """Natural logarithm of how much longer the word is than the tempo explains.

    Less what the edges of an alignment are uncertain by.
    """
    actor_s = pair.reference.frames * HOP_S
    raw = math.log(pair.recording.frames / pair.reference.frames / tempo)
    return math.copysign(max(0.0, abs(raw) - math.log1p(EDGE_S / actor_s)), raw)


def tempo_ratio(pairs: Sequence[WordPair]) -> float:
    """Time that the recording takes, pauses between words included, for a second of the reference.

    The slope, by least squares, of the warping paths of all words: the ends of a short line are placed
    by a frame or three, which is much of it, and its sounds are not. Where words are left out, what
    lies between their neighbours counts in neither take.
    """
    covariance = variance = 0.0
    begin = 0
    for end in range(1, len(pairs) + 1):
        if end < len(pairs) and _neighbours(pairs[end - 1], pairs[end]):
            continue
        path = np.concatenate([pair.path for pair in pairs[begin:end]])
        reference, recording = (path - path.mean(0)).T
        covariance += float(reference @ recording)
        variance += float(reference @ reference)
        begin = end
    return covariance / variance


def _neighbours(one: WordPair, other: WordPair) -> bool:
    return other.reference.position == one.reference.position + 1


def scored(pairs: Sequence[WordPair], words: int, register_st: float | None = 0.0) -> Scores:
    """The scores of the words that were said, of `words` in the text; omitted ones count 0.

    `register_st`: how much higher the whole recording is than the take, semitones; None where one of
    them has no pitch.
    """
    each = [word_score(pair) for pair in pairs]
    tempo = tempo_ratio(pairs)
    accuracy = sum(each) / words
    completeness = 100 * sum(score >= COMPLETE for score in each) / words
    rhythm, pause = _rhythm(pairs, tempo), _pause(pairs, tempo)
    fluency = 100 * _tempo(tempo) * math.sqrt(rhythm * pause)
    correlation, span_ratio, span_score = _pitch(pairs)
    pitch = 100 * max(0.0, correlation or 0.0) * (0.25 + 0.75 * span_score)
    energy = 100 * max(
        0.0,
        _correlation(
            np.concatenate([p.reference_energy for p in pairs]),
            np.concatenate([p.recording_energy for p in pairs]),
        )
        or 0.0,
    )
    register = 100 * _register(register_st)
    prosody = 0.4 * pitch + 0.15 * register + 0.15 * energy + 0.3 * 100 * rhythm
    ranked = sorted((accuracy, fluency, prosody, completeness))
    return Scores(
        accuracy=accuracy,
        fluency=fluency,
        prosody=prosody,
        completeness=completeness,
        pron=0.4 * ranked[0] + 0.2 * sum(ranked[1:]),  # the weakest counts twice, as Azure has it
        timbre=float(np.mean([word_similarity(pair) for pair in pairs])),
        pitch=pitch,
        pitch_correlation=correlation,
        pitch_range_ratio=span_ratio,
        register_st=register_st,
        energy=energy,
        rhythm=100 * rhythm,
        tempo_ratio=tempo,
        pause=100 * pause,
    )


def _tempo(ratio: float) -> float:
    """0..1: one at the actor's tempo, a half at about 1.4 times or 0.7 times."""
    return 1 / (1 + (math.log(ratio) / 0.33) ** 2)


def _rhythm(pairs: Sequence[WordPair], tempo: float) -> float:
    """0..1: how far the words' durations are from the actor's, the tempo taken out."""
    squares = [min(1.2, abs(duration_log(pair, tempo))) ** 2 for pair in pairs]
    return math.exp(-((math.sqrt(float(np.mean(squares))) / 0.45) ** 2))


def _pause(pairs: Sequence[WordPair], tempo: float) -> float:
    """0..1: pauses between words that the actor has and the learner has not, or the reverse."""
    excess = 0.0
    for one, next_one in pairwise(pairs):
        if not _neighbours(one, next_one):
            continue
        actor = (next_one.reference.start - one.reference.end) * HOP_S
        learner = (next_one.recording.start - one.recording.end) * HOP_S / tempo
        excess += max(0.0, abs(max(0.0, learner) - max(0.0, actor)) - 0.1)
    spoken_s = (pairs[-1].reference.end - pairs[0].reference.start) * HOP_S
    return math.exp(-excess / max(1.0, 0.25 * spoken_s))


def _pitch(pairs: Sequence[WordPair]) -> tuple[float | None, float | None, float]:
    """Correlation of the contours (Hermes 1998), ratio of their ranges, and its score 0..1."""
    actor = np.concatenate([pair.reference_pitch for pair in pairs])
    learner = np.concatenate([pair.recording_pitch for pair in pairs])
    if min(np.isfinite(actor).sum(), np.isfinite(learner).sum()) < 8:
        return None, None, 0.0
    ratio = (_range(learner) + 0.5) / (_range(actor) + 0.5)
    return _correlation(actor, learner), ratio, math.exp(-((math.log(ratio) / 0.8) ** 2))


def _register(semitones: float | None) -> float:
    """0..1: one within half a semitone of the actor's, nothing from three on.

    So that no voice of another height loses more than these few points, however far it is.
    """
    if semitones is None:
        return 0.0
    return math.exp(-(max(0.0, abs(semitones) - 0.5) ** 2))


def _range(contour: Floats) -> float:
    """Semitones between the 5th and the 95th percentile."""
    return float(np.nanpercentile(contour, 95) - np.nanpercentile(contour, 5))


def _correlation(one: Floats, other: Floats) -> float | None:
    """Pearson's, where both are known; None where that says nothing."""
    both = np.isfinite(one) & np.isfinite(other)
    if both.sum() < 8 or min(np.std(one[both]), np.std(other[both])) < 1e-6:
        return None
    return float(np.corrcoef(one[both], other[both])[0, 1])
