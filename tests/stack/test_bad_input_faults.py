"""A full disk, a model server that goes away, one file for two tasks, a film of three frames."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.cli.client import Client
from deploy.local.annotator import Annotator
from deploy.local.mesh import Mesh
from deploy.simulator.arena import render_arena
from tests.stack.bomb import Bomb
from tests.stack.conftest import FAST, data_dir
from tests.stack.killing import Kill, Moment, Witness, assert_one_set, kill
from tests.stack.person import Answer, Person, state_of

ROBOT = Path(__file__).parents[2] / "../shared/data/vision/flies/small_robot_3_frame.mp4"
FULL = ("The disk is full", "Free some space, then retry the step", "nothing finished is lost")


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """A disk of its own behind `folder`; what lies there is hidden meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def enlarge(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True)


@pytest.mark.usefixtures("still_serves")
def test_a_disk_that_is_full_fails_the_step_and_a_retry_goes_on(
    person: Person, stored: str
) -> None:
    with small_disk(data_dir() / "frames", kilobytes=200):
        wish = {"file_path": stored, "num_frames": 30}
        task_id = person.post("/video/extract-frames", wish).given(202)["task_id"]
        told = person.failed(task_id, "frame_extraction", "OutOfSpace", *FULL)
        assert ".jpg" in told
        written = set((data_dir() / "frames" / task_id).glob("*.jpg"))
        before = {path: path.stat().st_mtime_ns for path in written}
        assert 0 < len(written) < 30
        enlarge(data_dir() / "frames")
        person.post(f"/tasks/{task_id}/retry").given(202)
        assert person.ended(task_id)["state"] == "SUCCEEDED"
        listed = json.loads((data_dir() / "frames" / task_id / "frames.json").read_text())
        assert len(listed["frames"]) == 30
        kept = {
            path for path, written_at in before.items() if path.stat().st_mtime_ns == written_at
        }
        assert kept == written


@pytest.mark.usefixtures("still_serves")
def test_a_disk_without_room_refuses_an_upload_and_a_download(
    person: Person, arena: tuple[Path, Path]
) -> None:
    with small_disk(data_dir() / "uploads", kilobytes=200):
        person.send(bytes(1_000_000)).refused(507, "The disk is full", "Free some space")
        assert list((data_dir() / "uploads").iterdir()) == []
    upload = person.uploaded(arena[0])
    with small_disk(data_dir() / "videos", kilobytes=1000):
        task_id = person.post("/video/download", {"file_path": upload}).given(202)["task_id"]
        person.failed(
            task_id, "video_download", "OutOfSpace", "the disk has", "Free some space", "retry"
        )
        enlarge(data_dir() / "videos")
        person.post(f"/tasks/{task_id}/retry").given(202)
        assert person.ended(task_id)["state"] == "SUCCEEDED"


@pytest.mark.usefixtures("still_serves")
def test_a_disk_that_fills_up_at_the_last_file_fails_the_step_too(
    person: Person, stored: str
) -> None:
    """Without a disk of our own: the kernel's /dev/full in the place of the last file."""
    wish = {"file_path": stored, "num_frames": 3}
    task_id = person.post("/video/extract-frames", wish, wait_s=30).given()["task_id"]
    folder = data_dir() / "frames" / task_id
    (folder / "frames.json").unlink()
    (folder / "frames.json.part").symlink_to("/dev/full")
    person.post(f"/tasks/{task_id}/retry", {"step": "frame_extraction"}).given(202)
    person.failed(task_id, "frame_extraction", "OutOfSpace", "frames.json", *FULL)
    (folder / "frames.json.part").unlink()
    person.post(f"/tasks/{task_id}/retry").given(202)
    assert person.ended(task_id)["state"] == "SUCCEEDED"
    assert (folder / "frames.json").is_file()


@pytest.fixture(scope="module")
def witness(mesh: Mesh) -> Iterator[Witness]:
    made = Witness()
    yield made
    made.close()


class Pair:
    """Two tasks on the same upload at the same time, while Triton is killed under them."""

    def __init__(
        self, person: Person, client: Client, mesh: Mesh, witness: Witness, film: tuple[Path, Path]
    ) -> None:
        upload = person.uploaded(film[0])
        wish = {"classes": ["mouse", "rat"], "training": FAST, "inference": {"confidence": 0.05}}
        self.ids = [
            person.submit(upload, num_frames=12 + seed, seed=seed, **wish) for seed in (0, 1)
        ]
        annotators = [Annotator(client, task_id, film[1]) for task_id in self.ids]
        for annotator in annotators:
            annotator.start()
        during = Moment("global_inference", "analyse_globally", 0.1)
        kill(witness, mesh, self.ids[0], Kill("triton", during))
        self.while_away: Answer = person.get("/models")
        for task_id in self.ids:
            person.ended(task_id, within_s=150)
        assert [annotator.problem for annotator in annotators] == [None, None]


@pytest.fixture(scope="module")
def pair(
    person: Person,
    client: Client,
    mesh: Mesh,
    witness: Witness,
    tmp_path_factory: pytest.TempPathFactory,
) -> Pair:
    folder = tmp_path_factory.mktemp("pair")
    video, truth = folder / "arena.mp4", folder / "arena.csv"
    render_arena(video, truth, seconds=5, fps=20, width=320, height=240, animals=2)
    return Pair(person, client, mesh, witness, (video, truth))


def test_while_the_model_server_is_away_the_list_of_models_says_so(pair: Pair) -> None:
    pair.while_away.refused(503, "model server is away", "does not answer", "Try again")
    assert int(pair.while_away.headers["retry-after"]) >= 1


def test_tasks_outlive_the_model_server_with_one_set_of_results(
    pair: Pair, witness: Witness
) -> None:
    for task_id in pair.ids:
        assert_one_set(witness, task_id)


def test_two_tasks_on_one_file_do_not_mix_their_files(pair: Pair, person: Person) -> None:
    for seed, task_id in enumerate(pair.ids):
        task = person.get(f"/tasks/{task_id}").given()
        frames = json.loads((data_dir() / "frames" / task_id / "frames.json").read_text())
        assert len(frames["frames"]) == task["results"]["labelled"] == 12 + seed
        assert task["results"]["model"] == f"task-{task_id}"
        assert task["results"]["inference_result_path"] == f"inference_results/{task_id}"
        results = json.loads((data_dir() / f"inference_results/{task_id}/results.json").read_text())
        assert results["model"]["name"] == f"task-{task_id}"


def test_a_class_that_nobody_labelled_is_named_beside_the_figures(
    pair: Pair, person: Person
) -> None:
    metrics = person.get(f"/training/{pair.ids[0]}").given()["metrics"]
    told = "No box is labelled rat: the model will never find it. Label it, or remove the class."
    assert told in metrics["warnings"]


@pytest.mark.usefixtures("still_serves")
def test_registered_weights_that_somebody_exchanged_are_not_opened(
    pair: Pair, person: Person, tmp_path: Path
) -> None:
    task_id = pair.ids[0]
    path = f"models/task-{task_id}/1"
    weights = data_dir() / path / "model.pt"
    good = weights.read_bytes()
    bomb = Bomb(tmp_path / "it_ran")
    weights.write_bytes(bomb.content())
    try:
        wish = {"task_id": task_id, "model_path": path}
        person.post("/deployments", wish, wait_s=60).refused(409, "model.pt", "sha256")
        how = {**FAST, "weights": f"task-{task_id}/1"}
        wish = {"data_path": f"labels/{task_id}", "mode_train_info": how}
        person.post("/training", wish, wait_s=60).refused(409, "model.pt", "sha256", "train again")
    finally:
        weights.write_bytes(good)
    assert not bomb.opened()


def label_all(person: Person, task_id: str, box: str = "0 0.5 0.5 0.3 0.3\n") -> None:
    """Wait for the frames of a task, and draw the same box into every one."""
    person.until(task_id, lambda s: state_of(s, "labeling")["state"] == "WAITING")
    task = person.get(f"/tasks/{task_id}").given()
    for image in (data_dir() / task["results"]["frame_path"]).glob("*.jpg"):
        (Path(task["results"]["where"]) / "labels" / f"{image.stem}.txt").write_text(box)


@pytest.fixture
def three_frames(tmp_path: Path) -> Path:
    render_arena(
        tmp_path / "three.mp4", tmp_path / "three.csv", seconds=0.3, fps=10, width=160, height=120
    )
    return tmp_path / "three.mp4"


@pytest.mark.usefixtures("still_serves")
def test_three_frames_are_too_few_by_default_and_their_labels_are_not_lost(
    person: Person, three_frames: Path
) -> None:
    task_id = person.submit(person.uploaded(three_frames), classes=["mouse"], training=FAST)
    label_all(person, task_id)
    told = ("Only 3 labelled frames", "training needs 4", "lower `min_images`")
    person.failed(task_id, "model_training", "DatasetTooSmall", *told)
    wish = {"data_path": f"labels/{task_id}", "mode_train_info": {**FAST, "min_images": 2}}
    trained = person.post("/training", wish, wait_s=60).given()
    assert trained["model_path"] == f"models/task-{trained['task_id']}/1"


@pytest.mark.usefixtures("still_serves")
@pytest.mark.parametrize("real", [False, True], ids=["rendered", "robot"])
def test_three_frames_go_all_the_way(person: Person, three_frames: Path, real: bool) -> None:
    if real and not ROBOT.is_file():
        pytest.skip(f"{ROBOT.name} does not lie beside this checkout")
    upload = person.uploaded(ROBOT if real else three_frames)
    training = {**FAST, "min_images": 2}
    task_id = person.submit(upload, classes=["animal"], training=training)
    label_all(person, task_id)
    assert person.ended(task_id)["state"] == "SUCCEEDED"
    task = person.get(f"/tasks/{task_id}").given()
    assert task["results"]["frames"] == 3
    assert {"results.csv", "overlaid_results.mp4"} <= {o["name"] for o in task["outputs"]}
