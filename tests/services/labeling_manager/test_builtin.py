"""The built-in labeler as an engine: rows of the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from services.labeling_manager import drafts, repository
from services.labeling_manager.engines.builtin import BuiltinEngine
from services.labeling_manager.engines.port import LabelingEngine
from services.labeling_manager.errors import FrameChanged, FrameTaken, NothingLabelled
from shared.db.learning_models import LabelDraft
from shared.db.models import Task, User, now
from shared.labels.boxes import Box, FrameState
from shared.labels.errors import LabelInvalid
from shared.platform import Platform
from tests.contracts.labeling import BOX, SPEC, LabelingContract, images, sure
from tests.services.labeling_manager.conftest import platform as embedded
from tests.shared.db import prepared

ANN, BOB = "ann/tab-of-ann", "bob/tab-of-bob"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    made = embedded(tmp_path_factory.mktemp("data"))
    prepared.upgrade(made.engine)
    with made.sessions.begin() as session:
        session.add(User(id="ann", name="ann"))
    yield made
    made.engine.dispose()


@pytest.fixture
def platform(mesh: Platform) -> Platform:
    with mesh.sessions.begin() as session:
        session.execute(delete(Task))
        session.add(Task(id=SPEC.task_id, user_id="ann", pipeline="vision", options={}, context={}))
    return mesh


@pytest.fixture
def make_engine(platform: Platform) -> Callable[[], BuiltinEngine]:
    return lambda: BuiltinEngine.from_platform(platform)


@pytest.fixture
def engine(make_engine: Callable[[], BuiltinEngine]) -> BuiltinEngine:
    return make_engine()


class Person:
    """Draws as the page does."""

    def __init__(self, platform: Platform, name: str = ANN) -> None:
        self.platform, self.name = platform, name

    def next(self, after: int | None = None) -> int | None:
        with self.platform.sessions.begin() as session:
            found = drafts.next_frame(session, SPEC.task_id, self.name, after)
            return None if found is None else found.frame

    def draws(
        self, frame: int, boxes: Sequence[Box] = (), state: str = "", *, release: bool = True
    ) -> LabelDraft:
        with self.platform.sessions.begin() as session:
            revision = drafts.take(session, SPEC.task_id, frame, self.name).revision
            state = state or (drafts.LABELLED if boxes else drafts.EMPTY)
            drawn = drafts.Drawing(state, tuple(boxes), revision, 2.5, release)
            return drafts.save(session, SPEC.task_id, frame, self.name, drawn)


@pytest.fixture
def annotate(platform: Platform) -> Callable[..., None]:
    def draws(engine: LabelingEngine, ref: str, frame: int, boxes: Sequence[Box]) -> None:
        del engine, ref
        Person(platform).draws(frame, boxes)

    return draws


@pytest.fixture
def ref(engine: BuiltinEngine, tmp_path: Path) -> str:
    """Three frames: one with a suggestion, one where a model saw nothing, one without a look."""
    opened = engine.open(SPEC)
    engine.push(opened, images(tmp_path / "frames", [0, 1, 2]), {0: [sure(BOX)], 1: []})
    return opened


@pytest.fixture
def ann(platform: Platform) -> Person:
    return Person(platform)


@pytest.fixture
def bob(platform: Platform) -> Person:
    return Person(platform, BOB)


class TestBuiltinEngine(LabelingContract):
    def test_suggestions_are_no_labels(self, engine: BuiltinEngine, ref: str, ann: Person):
        assert engine.pull(ref).count(FrameState.UNSEEN) == 3
        assert (engine.status(ref).done, engine.status(ref).complete) == (0, False)
        with ann.platform.reads() as session:
            suggested = [draft.suggested for draft in drafts.drafts_of(session, ref)]
        assert suggested == [[[1, 0.5, 0.5, 0.25, 0.125, 0.9]], [], None]

    def test_every_frame_decided_is_complete(self, engine: BuiltinEngine, ref: str, ann: Person):
        ann.draws(0, [BOX])
        ann.draws(1)
        ann.draws(2, state=drafts.SKIPPED)
        status = engine.status(ref)
        assert (status.total, status.done, status.skipped, status.complete) == (3, 2, 1, True)
        assert status.rate == pytest.approx(0.3)
        labels = engine.pull(ref)
        states = [frame.state for frame in labels.frames]
        assert states == [FrameState.LABELLED, FrameState.EMPTY, FrameState.UNSEEN]
        assert [frame.seconds for frame in labels.frames] == [2.5, 2.5, 2.5]

    def test_a_frame_that_is_open_is_not_done(
        self, engine: BuiltinEngine, ref: str, ann: Person, bob: Person
    ):
        """Its first box is stored at once, the second follows."""
        ann.draws(0, [BOX])
        ann.draws(1)
        bob.draws(2, [BOX], release=False)
        assert not engine.status(ref).complete
        bob.draws(2, [BOX, replace(BOX, cx=0.2)])
        assert engine.status(ref).complete

    def test_who_goes_away_holds_nothing_up(
        self, engine: BuiltinEngine, ref: str, ann: Person, bob: Person
    ):
        for frame in (0, 1, 2):
            bob.draws(frame, [BOX], release=False)
        with pytest.raises(FrameTaken):
            ann.draws(0, [BOX])
        with ann.platform.sessions.begin() as session:
            past = now() - timedelta(seconds=1)
            session.execute(update(LabelDraft).values(lease_until=past))
        assert engine.status(ref).complete
        assert ann.draws(0, [BOX]).updated_by == ANN

    def test_finishing_early_leaves_the_rest_unseen(
        self, engine: BuiltinEngine, ref: str, ann: Person, platform: Platform
    ):
        ann.draws(0, [BOX], release=False)
        with platform.sessions.begin() as session:
            drafts.finish(session, ref, "ann")
        assert engine.status(ref).complete
        assert engine.pull(ref).count(FrameState.UNSEEN) == 2
        assert engine.open(SPEC) == ref
        assert not engine.status(ref).complete

    def test_after_the_labels_are_fetched_no_lease_counts(
        self, engine: BuiltinEngine, ref: str, ann: Person, platform: Platform
    ):
        for frame in (0, 1, 2):
            ann.draws(frame, [BOX], release=False)
        with platform.sessions.begin() as session:
            repository.remember(session, ref, "builtin", ref, 3)
            repository.labeling_of(session, ref).state = repository.DONE
        assert engine.status(ref).complete

    def test_all_skipped_gives_nothing_and_is_asked_again(
        self, engine: BuiltinEngine, ref: str, ann: Person
    ):
        for frame in (0, 1, 2):
            ann.draws(frame, state=drafts.SKIPPED)
        with pytest.raises(NothingLabelled, match="/ui/label/task-1"):
            engine.pull(ref)
        engine.open(SPEC)
        assert ann.next() == 0

    def test_pushing_again_keeps_what_was_drawn(
        self, engine: BuiltinEngine, ref: str, ann: Person, tmp_path: Path
    ):
        ann.draws(0, [BOX])
        engine.push(ref, images(tmp_path / "frames", [0, 1]), {0: []})
        assert engine.pull(ref).frames[0].boxes == (BOX,)


class TestLeases:
    def test_two_people_get_different_frames(self, ref: str, ann: Person, bob: Person):
        assert [ann.next(), bob.next()] == [0, 1]
        assert ann.next() == 0  # still hers
        assert ann.next(after=0) == 2
        assert bob.next(after=2) == 1  # round to the start, where only his own is left

    def test_nothing_is_left_when_all_is_decided_or_taken(self, ref: str, ann: Person, bob: Person):
        ann.draws(0, [BOX])
        for frame in (1, 2):
            ann.draws(frame, state=drafts.UNSEEN, release=False)
        assert bob.next() is None

    def test_a_frame_that_is_left_is_free_at_once(self, ref: str, ann: Person, bob: Person):
        ann.next()
        with ann.platform.sessions.begin() as session:
            drafts.release(session, ref, 0, BOB)  # not his: nothing happens
        assert bob.next() == 1
        with ann.platform.sessions.begin() as session:
            drafts.release(session, ref, 0, ANN)
        assert bob.next() == 0


class TestRevisions:
    def test_nobody_overwrites_what_he_has_not_seen(self, ref: str, ann: Person, bob: Person):
        ann.draws(0, [BOX])
        with bob.platform.sessions.begin() as session, pytest.raises(FrameChanged):
            drafts.save(session, ref, 0, BOB, drafts.Drawing(drafts.EMPTY, (), 0, 0.0, True))

    def test_the_same_change_again_gives_the_same(self, ref: str, ann: Person):
        drawn = drafts.Drawing(drafts.LABELLED, (BOX,), 0, 3.0, False)
        for _ in range(2):
            with ann.platform.sessions.begin() as session:
                stored = drafts.save(session, ref, 0, ANN, drawn)
                assert (stored.revision, stored.seconds) == (1, 3.0)

    def test_a_box_outside_is_refused(self, ref: str, ann: Person):
        with pytest.raises(LabelInvalid, match="Frame 0"):
            ann.draws(0, [replace(BOX, cx=1.4)])
        with pytest.raises(LabelInvalid, match="class 7 does not exist"):
            ann.draws(0, [replace(BOX, class_id=7)])
