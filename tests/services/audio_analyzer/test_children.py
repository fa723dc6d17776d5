"""Processes that are asked: what they live through, what ends them, what they never see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from services.audio_analyzer.engines.children import Children
from services.audio_analyzer.engines.interruption import interrupted_by
from services.audio_analyzer.errors import ScorerCrashed, UnknownWords
from shared.errors import Cancelled

MAIN = "tests.services.audio_analyzer.probe_child"
MIB = 1024**2
Make = Callable[..., Children]


@pytest.fixture
def make() -> Iterator[Make]:
    made = []

    def start(**limits: Any) -> Children:
        given = {"limit_s": 60, "idle_s": 60.0, "memory_bytes": 1024 * MIB, "most": 100} | limits
        made.append(Children(MAIN, **given))
        return made[-1]

    yield start
    for children in made:
        children.close()


def test_one_process_answers_one_question_after_the_other(make: Make):
    children = make()
    first = children.ask({"do": "say", "say": "\uc548\ub155 " * 100_000})
    assert first["said"].startswith("\uc548\ub155")
    assert children.ask({"do": "print"})["pid"] == first["pid"]


def test_a_refusal_is_the_same_error_here_and_harms_nothing(make: Make):
    children = make()
    pid = children.ask({"do": "say"})["pid"]
    with pytest.raises(UnknownWords) as caught:
        children.ask({"do": "refuse"})
    assert caught.value.words == ("qqq",)
    with pytest.raises(ScorerCrashed, match="ZeroDivisionError"):
        children.ask({"do": "stumble"})
    assert children.ask({"do": "say"})["pid"] == pid


def test_a_crash_is_told_and_another_process_goes_on(make: Make):
    children = make()
    pid = children.ask({"do": "say"})["pid"]
    with pytest.raises(ScorerCrashed, match="SIGSEGV"):
        children.ask({"do": "crash"})
    assert children.ask({"do": "say"})["pid"] != pid


def test_what_takes_too_long_ends_itself(make: Make):
    with pytest.raises(ScorerCrashed, match="longer than 1 s"):
        make(limit_s=1).ask({"do": "hang"})


def test_what_nobody_wants_any_more_is_ended_and_another_process_goes_on(make: Make):
    children, looks = make(), []
    pid = children.ask({"do": "say"})["pid"]

    def look() -> None:
        looks.append(1)
        if len(looks) == 2:
            raise Cancelled("Nobody wants it.")

    with interrupted_by(look), pytest.raises(Cancelled):
        children.ask({"do": "hang"})
    assert (len(looks), psutil.pid_exists(pid)) == (2, False)
    assert children.ask({"do": "say"})["pid"] != pid


def test_memory_has_a_limit_that_leaves_the_process_alive(make: Make):
    children = make(memory_bytes=512 * MIB)
    with pytest.raises(ScorerCrashed, match="MemoryError"):
        children.ask({"do": "grow", "bytes": 2048 * MIB})
    assert children.ask({"do": "grow", "bytes": MIB}) == {"held": MIB}


def test_it_sees_nothing_of_our_environment(make: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ACTVERSE_SECRET", "open sesame")
    assert "open sesame" not in make().ask({"do": "say"})["environment"].values()


def test_threads_have_a_process_each_and_share_them_later(make: Make):
    children = make()
    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(lambda n: children.ask({"do": "say", "say": n}), range(12)))
    assert [each["said"] for each in told] == list(range(12))
    assert len({each["pid"] for each in told}) <= 3


def test_a_process_is_replaced_after_its_share(make: Make):
    children = make(most=2)
    pids = [children.ask({"do": "say"})["pid"] for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert not psutil.pid_exists(pids[0])


def test_an_idle_process_ends_by_itself_and_nobody_notices(make: Make):
    children = make(idle_s=0.1)
    process = psutil.Process(children.ask({"do": "say"})["pid"])
    process.wait(timeout=30)
    assert children.ask({"do": "say"})["pid"] != process.pid


def test_closing_ends_them(make: Make):
    children = make()
    pid = children.ask({"do": "say"})["pid"]
    children.close()
    assert not psutil.pid_exists(pid)
