"""Which words were left out: each is judged by how the same speaker says the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.audio_analyzer.engines.aligner import AlignedWord
from services.audio_analyzer.engines.comparing import WordPair
from services.audio_analyzer.engines.omissions import said

FRAMES = 20


def pair(
    position: int, *, gop: float = 0.0, frames: int = FRAMES, distance: float = 0.5, db: float = 0.0
) -> WordPair:
    actor = AlignedWord(position, 30 * position, FRAMES, -4.0)
    learner = replace(actor, frames=frames, gop=actor.gop + gop)
    flat = np.zeros(8, np.float32)
    path = np.zeros((1, 2), np.int64)
    return WordPair(actor, learner, gop, distance, path, flat, flat, flat, flat + db)


def line(**manner: float) -> list[WordPair]:
    return [pair(n, **manner) for n in range(5)]  # type: ignore[arg-type]


EVERY = (0, 1, 2, 3, 4)


@pytest.mark.parametrize(
    "manner", [{}, {"gop": -9.0}, {"frames": 7}, {"distance": 1.3}, {"db": -30.0}]
)
def test_a_voice_that_says_every_word_otherwise_leaves_none_out(manner: dict[str, float]):
    assert said(line(**manner), []) == EVERY
    heard = [p for p in line(**manner) if p.reference.position != 2]
    assert said(heard, line(**manner)) == EVERY  # nor does what the grammar thought count


@pytest.mark.parametrize(
    "squeezed",
    [
        {"gop": -9.0},
        {"gop": -4.0, "frames": 6},
        {"gop": -3.0, "frames": 8, "distance": 0.9},
        {"gop": -3.0, "frames": 10, "db": -15.0},
    ],
)
def test_a_word_that_fits_much_worse_than_the_others_was_not_said(squeezed: dict[str, float]):
    strange = pair(2, **squeezed)  # type: ignore[arg-type]
    forced = [p if p.reference.position != 2 else strange for p in line()]
    assert said(forced, []) == (0, 1, 3, 4)
    assert said([p for p in line() if p.reference.position != 2], forced) == (0, 1, 3, 4)


def test_between_the_two_limits_the_grammar_is_believed():
    doubtful = pair(2, gop=-6.5)
    others = [p for p in line() if p.reference.position != 2]
    assert said([*others, doubtful], []) == EVERY
    assert said(others, [*others, doubtful]) == (0, 1, 3, 4)


def test_a_word_that_takes_the_sounds_of_its_neighbours_was_not_said():
    heard = [p for p in line() if p.reference.position != 2]
    fair = pair(2, gop=-3.0)
    assert said(heard, [*heard, fair]) == EVERY
    robbed = [pair(n, gop=-5.0) if n in {1, 3} else pair(n) for n in (0, 1, 3, 4)]
    assert said(heard, [*robbed, fair]) == (0, 1, 3, 4)


def test_a_single_word_is_what_was_said():
    assert said([pair(3, gop=-12.0, frames=3)], []) == (3,)
