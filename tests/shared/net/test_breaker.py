"""A server that keeps failing is left in peace, then tried by one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from shared.errors import Conflict, Unavailable
from shared.net.breaker import TRIAL_S, Breaker, Resting


@dataclass
class Clock:
    """Seconds that pass when the test says so."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("https://speech.example", failures=3, rest_s=30, clock=clock)


def fail(breaker: Breaker) -> None:
    with pytest.raises(Unavailable, match="away"), breaker.asking():
        raise Unavailable("away")


def answer(breaker: Breaker) -> None:
    with breaker.asking():
        pass


def test_failures_in_a_row_open_it_and_others_do_not(breaker: Breaker) -> None:
    for _ in range(5):
        fail(breaker)
        fail(breaker)
        answer(breaker)
    for _ in range(5):
        with pytest.raises(Conflict), breaker.asking():
            raise Conflict("it has answered, though not as we hoped")
    answer(breaker)


def test_while_it_rests_nobody_asks_and_everybody_hears_how_long(
    breaker: Breaker, clock: Clock
) -> None:
    for _ in range(3):
        fail(breaker)
    clock.now_s += 12
    asked = []
    with pytest.raises(Resting, match="3 times in a row") as told, breaker.asking():
        asked.append(1)
    assert (asked, told.value.retry_after_s) == ([], 18)


def test_after_the_rest_one_tries_for_all(breaker: Breaker, clock: Clock) -> None:
    for _ in range(3):
        fail(breaker)
    clock.now_s += 31
    with breaker.asking(), pytest.raises(Resting), breaker.asking():
        pytest.fail("a second one beside the trial")
    answer(breaker)
    answer(breaker)


def test_a_trial_that_fails_begins_the_rest_anew(breaker: Breaker, clock: Clock) -> None:
    for _ in range(3):
        fail(breaker)
    clock.now_s += 31
    fail(breaker)
    with pytest.raises(Resting) as told, breaker.asking():
        pass
    assert told.value.retry_after_s == 30


def test_a_trial_that_nobody_ended_does_not_keep_it_open(breaker: Breaker, clock: Clock) -> None:
    for _ in range(3):
        fail(breaker)
    clock.now_s += 31
    breaker.asking().__enter__()  # its process was killed
    clock.now_s += TRIAL_S + 1
    answer(breaker)
