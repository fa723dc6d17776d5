"""Labeling in a real Label Studio, with a person played by its own REST interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from services.labeling_manager.engines import label_studio, label_studio_client
from services.labeling_manager.engines.label_studio import LabelStudioEngine
from services.labeling_manager.engines.label_studio_client import LabelStudio
from services.labeling_manager.engines.label_studio_format import region
from services.labeling_manager.engines.port import FrameImage, LabelingEngine
from services.labeling_manager.errors import (
    NoLinkSecret,
    NothingDrawn,
    ProjectGone,
    ToolNotConnected,
    ToolRefuses,
    ToolTokenRefused,
)
from shared.errors import Unavailable
from shared.labels.boxes import Box, FrameState
from shared.labels.errors import LabelInvalid
from shared.platform import Platform
from tests.contracts.labeling import BOX, SPEC, LabelingContract, images, sure
from tests.servers.label_studio import ACCOUNT, FIRST_START_S, LabelStudioServer
from tests.servers.ports import free_port
from tests.services.labeling_manager.studio import Annotator, engine_of, items_of, mesh

# whoever comes first installs the tool and migrates its database
pytestmark = pytest.mark.timeout(FIRST_START_S)


@pytest.fixture
def annotator(label_studio_server: LabelStudioServer) -> Iterator[Annotator]:
    with label_studio_server.client() as http:
        person = Annotator(http)
        person.tidy()
        yield person


@pytest.fixture
def platform(
    label_studio_server: LabelStudioServer, annotator: Annotator, tmp_path: Path
) -> Iterator[Platform]:
    """Frames go by upload, as those of the contract are in no storage."""
    made = mesh(tmp_path / "data", label_studio_server, label_studio_frames="upload")
    yield made
    made.engine.dispose()


@pytest.fixture
def make_engine(platform: Platform) -> Callable[[], LabelStudioEngine]:
    return lambda: engine_of(platform)


@pytest.fixture
def engine(make_engine: Callable[[], LabelStudioEngine]) -> LabelStudioEngine:
    return make_engine()


@pytest.fixture
def annotate(annotator: Annotator) -> Callable[..., None]:
    def draw(engine: LabelingEngine, ref: str, frame: int, boxes: Sequence[Box]) -> None:
        annotator.draw(frame, boxes)

    return draw


@pytest.fixture
def signed(
    label_studio_server: LabelStudioServer, annotator: Annotator, tmp_path: Path
) -> Platform:
    """A mesh whose frames have signed addresses; nobody serves them here."""
    return mesh(tmp_path / "signed", label_studio_server)


def keyed(numbers: Sequence[int]) -> list[FrameImage]:
    """Frames that lie in the storage; their bytes are not needed here."""
    return [FrameImage(n, Path(f"{n:08d}.jpg"), f"frames/task-1/{n:08d}.jpg") for n in numbers]


class TestLabelStudio(LabelingContract):
    pass


class TestWhatAPersonFinds:
    def test_suggestions_of_the_model_are_there_to_be_accepted(
        self, signed: Platform, annotator: Annotator
    ):
        engine = engine_of(signed)
        ref = engine.open(replace(SPEC, model="task-7/2"))
        faint = sure(replace(BOX, cx=0.25), 0.1)
        engine.push(ref, keyed([0, 1, 2]), {0: [sure(BOX, 0.8), faint], 1: []})
        tasks = annotator.tasks()
        (suggested,) = tasks[0]["predictions"]
        assert suggested["model_version"] == "task-7/2"
        assert suggested["score"] == pytest.approx(0.8)
        (box,) = suggested["result"]
        assert box["value"]["rectanglelabels"] == ["mouse"]
        assert [box["value"][side] for side in ("x", "y", "width", "height")] == pytest.approx(
            [37.5, 43.75, 25.0, 12.5]
        )
        assert tasks[1]["predictions"][0]["result"] == [], "a model looked and saw nothing"
        assert tasks[2]["predictions"] == [], "none looked"
        annotator.submit(tasks[0]["id"], suggested["result"])
        assert engine.pull(ref).frames[0].boxes[0].class_id == 1

    def test_classes_stand_in_our_order_whatever_they_are_called(
        self, signed: Platform, annotator: Annotator
    ):
        odd = ("zebra", 'a "quoted" <fly> & more', "mouse")
        engine = engine_of(signed)
        ref = engine.open(replace(SPEC, classes=odd))
        engine.push(ref, keyed([0]), {0: [sure(replace(BOX, class_id=1))]})
        (suggested,) = annotator.tasks()[0]["predictions"]
        annotator.submit(annotator.tasks()[0]["id"], suggested["result"])
        labels = engine.pull(ref)
        assert labels.classes == odd
        assert labels.frames[0].boxes[0].class_id == 1

    def test_uploaded_images_are_the_ones_that_the_tool_shows(
        self, engine: LabelStudioEngine, annotator: Annotator, tmp_path: Path
    ):
        frames = images(tmp_path / "frames", [4, 8])
        engine.push(engine.open(SPEC), frames, {})
        for frame in frames:
            shown = annotator.http.get(annotator.tasks()[frame.frame]["data"]["image"])
            assert shown.content == frame.path.read_bytes()


class TestWhatComesBack:
    def test_three_states_and_the_time_they_took(self, signed: Platform, annotator: Annotator):
        engine = engine_of(signed)
        ref = engine.open(SPEC)
        engine.push(ref, keyed([0, 1, 2, 3]), {})
        annotator.draw(0, [BOX], lead_time=3.5)
        annotator.draw(1, [])
        annotator.skip(2)
        assert not engine.status(ref).complete
        states = [FrameState.LABELLED, FrameState.EMPTY, FrameState.UNSEEN, FrameState.UNSEEN]
        assert [frame.state for frame in engine.pull(ref).frames] == states
        annotator.skip(3)
        status = engine.status(ref)
        assert (status.done, status.skipped, status.complete) == (2, 2, True)
        assert status.rate > 0
        assert engine.pull(ref).frames[0].seconds == pytest.approx(3.5)

    def test_the_newest_annotation_wins(self, signed: Platform, annotator: Annotator):
        engine = engine_of(signed)
        ref = engine.open(SPEC)
        engine.push(ref, keyed([0]), {})
        first = annotator.draw(0, [BOX])
        annotator.draw(0, [])
        assert engine.pull(ref).frames[0].state is FrameState.EMPTY
        annotator.change(first, [replace(BOX, cx=0.25)])
        assert engine.pull(ref).frames[0].boxes[0].cx == pytest.approx(0.25)
        annotator.skip(0)
        assert engine.pull(ref).frames[0].boxes[0].cx == pytest.approx(0.25)
        assert engine.status(ref).done == 1

    def test_a_turned_box_is_refused_by_the_name_of_its_frame(
        self, signed: Platform, annotator: Annotator
    ):
        engine = engine_of(signed)
        ref = engine.open(SPEC)
        engine.push(ref, keyed([0, 7]), {})
        annotator.draw(0, [BOX])
        box = region(BOX, SPEC.classes, 0)
        box["value"]["rotation"] = 30.0
        number = annotator.submit(annotator.tasks()[7]["id"], [box])
        status = engine.status(ref)
        assert not status.complete
        assert "Frame 7 (00000007.jpg)" in status.problems[0]
        assert "turned by 30 degrees" in status.problems[0]
        with pytest.raises(LabelInvalid, match="Frame 7"):
            engine.pull(ref)
        annotator.change(number, [BOX])
        assert engine.status(ref).complete

    def test_all_skipped_is_nothing_to_train_on(self, signed: Platform, annotator: Annotator):
        engine = engine_of(signed)
        ref = engine.open(SPEC)
        engine.push(ref, keyed([0]), {})
        annotator.skip(0)
        with pytest.raises(NothingDrawn, match="each of its 1 frames was skipped"):
            engine.pull(ref)

    def test_a_frame_removed_in_the_tool_is_not_waited_for(
        self, signed: Platform, annotator: Annotator
    ):
        engine = engine_of(signed)
        ref = engine.open(SPEC)
        engine.push(ref, keyed([0, 1]), {})
        annotator.draw(0, [BOX])
        annotator.http.delete(f"/api/tasks/{annotator.tasks()[1]['id']}/").raise_for_status()
        status = engine.status(ref)
        assert (status.total, status.done, status.skipped, status.complete) == (2, 1, 1, True)
        assert engine.pull(ref).frames[1].state is FrameState.UNSEEN

    def test_closing_leaves_the_project_unless_the_operator_wants_it_removed(
        self, signed: Platform, annotator: Annotator, label_studio_server, tmp_path: Path
    ):
        ref = engine_of(signed).open(SPEC)
        engine_of(signed).close(ref)
        assert len(annotator.projects()) == 1
        deleting = mesh(tmp_path / "signed", label_studio_server, label_studio_delete=True)
        for _ in range(2):
            engine_of(deleting).close(ref)
            assert annotator.projects() == []
        with pytest.raises(ProjectGone, match="removed from Label Studio"):
            engine_of(signed).status(ref)
        engine_of(signed).open(SPEC)
        assert engine_of(signed).status(ref).total == 0


class TestManyFrames:
    def test_they_are_imported_in_parts_and_once(
        self, signed: Platform, annotator: Annotator, monkeypatch: pytest.MonkeyPatch
    ):
        """The process is killed when the tool has the second part, and we no map."""
        monkeypatch.setattr(label_studio, "CHUNK", 50)
        monkeypatch.setattr(label_studio_client, "PAGE", 40)
        frames, engine = keyed(range(120)), engine_of(signed)
        ref = engine.open(SPEC)
        sizes, whole = [], LabelStudio.import_tasks

        def killed(self: LabelStudio, project: int, tasks: Sequence[dict]) -> list[int]:
            numbers = whole(self, project, tasks)
            sizes.append(len(tasks))
            if len(sizes) == 2:
                raise KeyboardInterrupt
            return numbers

        monkeypatch.setattr(LabelStudio, "import_tasks", killed)
        with pytest.raises(KeyboardInterrupt):
            engine.push(ref, frames, {})
        unknown = [frame for frame, item in items_of(signed).items() if item is None]
        assert len(unknown) == 50
        engine_of(signed).push(ref, frames, {})
        assert sizes == [50, 50, 20]
        there = annotator.tasks()  # refuses a frame that is there twice
        assert items_of(signed) == {frame: str(task["id"]) for frame, task in there.items()}
        assert engine.status(ref).total == 120

    def test_a_project_made_just_before_a_kill_is_found(
        self, signed: Platform, annotator: Annotator
    ):
        ref = engine_of(signed).open(SPEC)
        signed.storage.delete(f"labels/{ref}/label_studio.json")
        engine_of(signed).open(SPEC)
        assert len(annotator.projects()) == 1


class TestAToolThatSaysNo:
    def test_a_wrong_token_is_said_and_does_not_end_what_is_open(
        self, signed: Platform, label_studio_server: LabelStudioServer, tmp_path: Path
    ):
        ref = engine_of(signed).open(SPEC)
        wrong = "deadbeef" * 5
        other = mesh(tmp_path / "signed", label_studio_server, label_studio_token=wrong)
        with pytest.raises(ToolTokenRefused, match="LABEL_STUDIO_TOKEN") as refused:
            engine_of(other).open(replace(SPEC, task_id="task-2"))
        assert wrong not in str(refused.value)
        with pytest.raises(Unavailable, match="refuses the token"):
            engine_of(other).status(ref)

    def test_a_personal_access_token_is_exchanged(
        self, signed: Platform, annotator: Annotator, label_studio_server, tmp_path: Path
    ):
        made = annotator.http.post("/api/token/", json={})
        assert made.status_code == 201, made.text
        token = made.json()["token"]
        other = mesh(tmp_path / "personal", label_studio_server, label_studio_token=token)
        assert engine_of(other).open(SPEC) == SPEC.task_id

    def test_its_own_sentence_comes_through(self, label_studio_server: LabelStudioServer):
        with (
            LabelStudio(label_studio_server.url, ACCOUNT.token) as tool,
            pytest.raises(ToolRefuses, match=r"label_config|title"),
        ):
            tool.make_project({"title": "x" * 60, "label_config": "<View"})

    def test_one_that_is_away_is_tried_again(self, signed: Platform, tmp_path: Path):
        ref = engine_of(signed).open(SPEC)
        gone = signed.settings.labeling.model_copy(
            update={"label_studio_url": f"http://127.0.0.1:{free_port()}"}
        )
        settings = signed.settings.model_copy(update={"labeling": gone})
        away = engine_of(Platform(**{**vars(signed), "settings": settings}))
        for ask in (lambda: away.status(ref), lambda: away.pull(ref)):
            with pytest.raises(Unavailable, match="cannot be reached"):
                ask()

    def test_no_tool_is_connected(self, signed: Platform):
        none = signed.settings.labeling.model_copy(update={"label_studio_url": ""})
        settings = signed.settings.model_copy(update={"labeling": none})
        with pytest.raises(ToolNotConnected, match="make labelstudio"):
            engine_of(Platform(**{**vars(signed), "settings": settings})).open(SPEC)

    def test_frames_without_a_common_secret_are_not_signed(
        self, signed: Platform, annotator: Annotator
    ):
        engine_of(signed).open(SPEC)
        settings = signed.settings.model_copy(update={"storage": "s3://bucket"})
        apart = engine_of(Platform(**{**vars(signed), "settings": settings}))
        with pytest.raises(NoLinkSecret, match="FRAME_LINK_SECRET"):
            apart.push(SPEC.task_id, keyed([0]), {})
        assert annotator.tasks() == {}
