"""The long recording: animals sleep, each box stays where they lie, and the light goes out."""

from __future__ import annotations

import functools
from itertools import pairwise

import numpy as np

from deploy.simulator.arena import arena_frames
from deploy.simulator.resting import DARK_GAIN, lights

FPS = 1


@functools.cache
def recording(*, resting: bool):
    return list(arena_frames(160, FPS, 128, 96, 3, 2, resting=resting))


def test_animals_sleep_most_of_the_time_and_come_back():
    """A box that moved by no pixel since the frame before belongs to an animal that sleeps."""
    still = {}
    for resting in (True, False):
        frames = recording(resting=resting)
        same = [
            box == after.boxes[track]
            for before, after in pairwise(frames)
            for track, box in before.boxes.items()
            if track in after.boxes
        ]
        still[resting] = np.mean(same)
    assert 0.5 < still[True] < 0.9
    assert still[False] < 0.3


def test_the_lamp_goes_out_and_on_again():
    gains = lights(np.random.default_rng(0), 4000, 4.0)
    assert np.isclose(gains.max(), 1)
    assert np.isclose(gains.min(), DARK_GAIN)
    assert 0.1 < (gains < 0.7).mean() < 0.35
    assert np.abs(np.diff(gains)).max() < 0.2  # it fades
    bright = [frame.picture.mean() for frame in recording(resting=True)]
    assert min(bright) < 0.6 * max(bright)


def test_the_same_seed_gives_the_same_recording():
    ours, again = ([*arena_frames(20, FPS, 128, 96, 2, 4, resting=True)] for _ in range(2))
    assert all((a.picture == b.picture).all() for a, b in zip(ours, again, strict=True))
    assert [a.boxes for a in ours] == [b.boxes for b in again]
