"""`kill -9` of any process of the mesh, in the middle of a task: the task completes, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from deploy.cli.client import Client
from deploy.local.annotator import Annotator
from deploy.local.mesh import Mesh
from deploy.simulator.arena import render_arena
from tests.stack.conftest import FAST
from tests.stack.killing import Kill, Moment, Witness, assert_one_set, kill, wait_until_ready

TRANSCODE = Moment("video_processing", "transcode")
GLOBALLY = Moment("global_inference", "analyse_globally", 0.1)
WAITING = Moment("labeling")
TRAIN = Moment("model_training", "train", 0.3)  # after the first epoch
EXPORT = Moment("model_conversion", "export_onnx")
DEPLOY = Moment("model_deployment", "deploy_model")
ANALYSE = Moment("inference", "analyse_video", 0.1)
OVERLAY = Moment("inference", "render_overlay")
UPLOAD = Moment("results_upload", "upload_overlay")

ONE_RUN = (
    Kill("video_processor", TRANSCODE, child=True),
    Kill("model_inference", GLOBALLY),
    Kill("beat", WAITING),
    Kill("labeling_manager", WAITING),
    Kill("gateway", Moment("model_training", "build_dataset")),
    Kill("model_trainer", TRAIN, child=True),
    Kill("clock", Moment("model_training", "evaluate")),
    Kill("model_deployer", EXPORT, child=True),
    Kill("triton", ANALYSE),
    Kill("video_processor", UPLOAD),
)

EACH = (
    *(Kill("gateway", when) for when in (TRANSCODE, WAITING, ANALYSE)),
    *(Kill("beat", when) for when in (TRANSCODE, WAITING)),
    *(Kill("clock", when) for when in (TRANSCODE, TRAIN, UPLOAD)),
    *(Kill("notification", when) for when in (TRANSCODE,)),
    *(Kill("triton", when) for when in (GLOBALLY, DEPLOY, ANALYSE)),
    *(Kill("triton", when, child=True) for when in (GLOBALLY, ANALYSE)),
    *(
        Kill(program, when, child=child)
        for program, when in (
            ("video_processor", Moment("video_processing", "download")),
            ("video_processor", TRANSCODE),
            ("video_processor", Moment("video_processing", "extract_frames")),
            ("model_inference", GLOBALLY),
            ("labeling_manager", Moment("labeling", "push_frames")),
            ("labeling_manager", Moment("label_download", "download_labels")),
            ("model_trainer", Moment("model_training", "build_dataset")),
            ("model_trainer", TRAIN),
            ("model_trainer", Moment("model_training", "evaluate")),
            ("model_trainer", Moment("model_training", "store_model")),
            ("model_deployer", EXPORT),
            ("model_deployer", Moment("model_conversion", "check_parity")),
            ("model_deployer", DEPLOY),
            ("model_inference", ANALYSE),
            ("model_inference", OVERLAY),
            ("model_inference", Moment("inference", "write_csv")),
            ("video_processor", UPLOAD),
            ("video_processor", Moment("results_upload", "upload_csv")),
        )
        for child in (False, True)
    ),
)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A video that has to be transcoded (MPEG-4 part 2), and the csv with its true boxes."""
    folder = tmp_path_factory.mktemp("film")
    rendered, truth, film = folder / "arena.mp4", folder / "truth.csv", folder / "film.avi"
    render_arena(rendered, truth, seconds=8, fps=20, width=320, height=240, animals=2)
    with av.open(str(rendered)) as source, av.open(str(film), "w") as target:
        stream = target.add_stream("mpeg4", rate=20, width=320, height=240, pix_fmt="yuv420p")
        stream.bit_rate = 2_000_000
        for frame in source.decode(video=0):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(), "yuv420p")))
        target.mux(stream.encode())
    return film, truth


@pytest.fixture
def witness(mesh: Mesh) -> Iterator[Witness]:
    made = Witness()
    yield made
    made.close()


def _task(client: Client, film: tuple[Path, Path]) -> tuple[str, Annotator]:
    wish = {
        "num_frames": 16,
        "labeler": "folder",
        "classes": ["mouse"],
        "training": {**FAST, "epochs": 3},
        "inference": {"confidence": 0.05},
    }
    task_id = client.submit(str(film[0]), wish)
    annotator = Annotator(client, task_id, film[1])
    return task_id, annotator


def _survives(
    mesh: Mesh, client: Client, witness: Witness, film: tuple[Path, Path], kills: tuple[Kill, ...]
) -> None:
    task_id, annotator = _task(client, film)
    waiting = any(what.moment == WAITING for what in kills)
    if not waiting:
        annotator.start()
    for what in kills:
        if waiting and what.moment != WAITING and witness.worker_at(task_id, WAITING) == 0:
            annotator.start()
            waiting = False
        kill(witness, mesh, task_id, what)
    if waiting:
        annotator.start()
    witness.wait(task_id)
    assert annotator.problem is None
    assert_one_set(witness, task_id)
    wait_until_ready(client)
    steps = client.task(task_id)["steps"]
    assert {s["state"] for s in steps} == {"SUCCEEDED"}


def test_one_task_outlives_the_death_of_one_process_after_another(
    mesh: Mesh, client: Client, witness: Witness, film: tuple[Path, Path]
) -> None:
    _survives(mesh, client, witness, film, ONE_RUN)


@pytest.mark.slow
@pytest.mark.parametrize("what", EACH, ids=str)
def test_a_task_outlives_the_death_of_any_process(
    mesh: Mesh, client: Client, witness: Witness, film: tuple[Path, Path], what: Kill
) -> None:
    _survives(mesh, client, witness, film, (what,))
