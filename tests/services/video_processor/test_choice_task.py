"""The task of a round: from what earlier rounds left in the storage to frames and their index."""

from __future__ import annotations

import json
import shutil

import pytest

from services.video_processor.schemas import ChoiceJob
from services.video_processor.tasks import choose_frames
from shared import wiring
from shared.events.learning import FramesChosen
from shared.events.learning_settings import FrameBudget
from shared.flow.claims import WorkRef
from shared.flow.work import Run
from shared.settings import Settings
from tests.services.video_processor.choice_films import squares, table, walk

FRAMES = 120
BUDGET = FrameBudget(min_gap_s=0.1)


@pytest.fixture
def run(tmp_path):
    """A task of an embedded mesh, with a normalised video and two rounds' leavings in its storage."""
    platform = wiring.build(Settings(data_dir=tmp_path))
    ref = WorkRef(
        task_id="round-2",
        user_id="somebody",
        pipeline="vision_round",
        step="frame_choice",
        step_run_id=1,
        attempt=1,
        token="t",
    )
    told = []
    run = Run(platform, ref, lambda _, message="", **__: told.append(message), tries=1)
    run.report.told = told
    places = walk(FRAMES)
    _put(run, "videos/round-1/normalised.mp4", lambda path: squares(path, places))
    rows = [(i, 1, 0.6 if 40 <= i < 80 else 0.95, *places[i][0]) for i in range(FRAMES) if i != 60]
    _put(run, "inference_results/round-1/results.csv", lambda path: table(path, rows))
    sure = [(i, 1, 0.95, *places[i][0]) for i in range(FRAMES)]
    _put(run, "inference_results/round-1/global/results.csv", lambda path: table(path, sure))
    return run


def _put(run, key, make):
    path = run.platform.storage.local(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    run.platform.storage.keep(key)


def job(task="round-2", **more):
    return ChoiceJob(
        task_id=task,
        user_id="somebody",
        **{
            "download_path": "videos/round-1/normalised.mp4",
            "num_frames": 10,
            "budget": BUDGET,
            "last_results": "inference_results/round-1",
            "global_results": "inference_results/round-1/global",
        }
        | more,
    )


def index(run, path, name="frames.json"):
    return json.loads(run.platform.storage.fetch(f"{path}/{name}").read_text())


def test_a_round_leaves_frames_their_index_and_why_they_were_chosen(run):
    done = choose_frames.function(job(), run)
    assert done.frame_path == "frames/round-2"
    frames = index(run, done.frame_path)["frames"]
    assert len(frames) == 10 == sum(done.chosen.values())
    assert done.chosen == {"track_breaks": 1, "uncertainty": 3, "diversity": 4, "uniform": 2}
    stored = run.platform.storage.list(done.frame_path)
    assert {f"{done.frame_path}/{frame['file']}" for frame in frames} < set(stored)
    why = index(run, done.frame_path, "choice.json")["frames"]
    assert [each["frame"] for each in why] == [frame["frame"] for frame in frames]
    assert [each["frame"] for each in why if each["strategy"] == "track_breaks"] == [60]
    event = {name: getattr(done, name) for name in ("frame_path", "chosen", "task_id", "user_id")}
    assert FramesChosen(**event).chosen == done.chosen


def test_the_same_job_twice_gives_the_same_frames(run):
    first = choose_frames.function(job(), run)
    content = index(run, first.frame_path)
    assert choose_frames.function(job(), run) == first
    assert index(run, first.frame_path) == content
    shutil.rmtree(run.platform.storage.local(first.frame_path))
    assert choose_frames.function(job(), run) == first
    assert index(run, first.frame_path) == content


def test_rounds_never_choose_a_frame_again(run):
    seen = set()
    paths = []
    for task in ("a", "b", "c"):
        done = choose_frames.function(job(task, taken_paths=list(paths)), run)
        frames = {frame["frame"] for frame in index(run, done.frame_path)["frames"]}
        assert len(frames) == 10
        assert not frames & seen
        seen |= frames
        paths.append(done.frame_path)


def test_without_results_the_round_goes_on_and_says_so(run):
    done = choose_frames.function(
        job(last_results="inference_results/none", global_results=None), run
    )
    assert set(done.chosen) == {"diversity", "uniform"}
    assert sum(done.chosen.values()) == 10
    assert "uncertainty gave its share to the others" in run.report.told[-1]
