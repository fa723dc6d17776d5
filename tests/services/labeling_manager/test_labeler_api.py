"""The routes that the page of the built-in labeler uses, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from services.labeling_manager import repository
from services.labeling_manager.engines.builtin import BuiltinEngine
from services.labeling_manager.engines.port import FrameImage, LabelingSpec, Prediction
from tests.shared.web.door import Door

ANN, OTHER = {"tab": "tab-of-ann"}, {"tab": "another-tab"}
BOX = [0, 0.5, 0.5, 0.2, 0.1]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data")) as opened:
        yield opened


@pytest.fixture
def ann(door: Door) -> Iterator[httpx.Client]:
    with door.client("ann") as client:
        yield client


@pytest.fixture
def task(door: Door) -> str:
    """Three frames, of which the first has a suggestion."""
    task = door.submit("ann", labeler="builtin", classes=["mouse"])
    engine = BuiltinEngine(door.platform)
    ref = engine.open(LabelingSpec(task, ("mouse",)))
    key = door.keep(f"frames/{task}/0.jpg", b"\xff\xd8 picture")
    path = door.platform.storage.local(key).parent
    frames = [FrameImage(n, path / f"{n}.jpg", key) for n in (0, 5, 9)]
    engine.push(ref, frames, {0: [Prediction(0, 0.5, 0.5, 0.2, 0.1, 0.8)]})
    with door.platform.sessions.begin() as session:
        repository.remember(session, task, "builtin", ref, 3)
    return f"/labeling/{task}"


def drawn(revision: int = 0, **more: object) -> dict[str, object]:
    return {**ANN, "revision": revision, "state": "labelled", "boxes": [BOX], **more}


def test_from_the_board_to_the_end(ann: httpx.Client, task: str):
    board = ann.get(f"{task}/board", params=ANN).json()
    assert (board["frames"], board["states"], board["classes"]) == ([0, 5, 9], "uuu", ["mouse"])
    frame = ann.post(f"{task}/frames/next", json=ANN).json()["frame"]
    assert (frame["frame"], frame["revision"], frame["taken"]) == (0, 0, False)
    assert frame["suggested"] == [[0, 0.5, 0.5, 0.2, 0.1, 0.8]]
    stored = ann.put(f"{task}/frames/0", json=drawn(seconds=3.5, release=True)).json()
    assert (stored["revision"], stored["boxes"], stored["seconds"]) == (1, [BOX], 3.5)
    ann.put(f"{task}/frames/5", json=drawn(state="skipped", boxes=[]))
    progress = ann.get(f"{task}/progress", params=OTHER).json()
    assert (progress["states"], progress["remaining"], progress["taken"]) == ("lsu", 1, [5])
    assert progress["seconds_per_frame"] == 1.75
    assert ann.post(f"{task}/finish", json=ANN).json()["open"] is False
    late = ann.put(f"{task}/frames/9", json=drawn())
    assert (late.status_code, late.json()["code"]) == (409, "LabelingEnded")


def test_leases(ann: httpx.Client, task: str):
    assert ann.post(f"{task}/frames/next", json=ANN).json()["frame"]["frame"] == 0
    assert ann.post(f"{task}/frames/next", json=OTHER).json()["frame"]["frame"] == 5
    taken = ann.put(f"{task}/frames/0/lease", json=OTHER)
    assert (taken.status_code, taken.json()["code"]) == (409, "FrameTaken")
    assert ann.get(f"{task}/frames/0", params=OTHER).json()["taken"] is True
    assert ann.delete(f"{task}/frames/0/lease", params=ANN).status_code == 204
    assert ann.put(f"{task}/frames/0/lease", json=OTHER).status_code == 200


def test_who_was_overtaken_gets_the_others_version(ann: httpx.Client, task: str):
    ann.put(f"{task}/frames/0", json=drawn(release=True))
    late = ann.put(f"{task}/frames/0", json=drawn(state="empty", boxes=[]) | OTHER)
    assert late.status_code == 409
    assert late.json()["frame"]["boxes"] == [BOX]
    assert late.json()["frame"]["revision"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"boxes": [[0, 1.4, 0.5, 0.2, 0.1]]},
        {"boxes": [[3, 0.5, 0.5, 0.2, 0.1]]},
        {"boxes": [[0, 0.5, 0.5, 0.2]]},
        {"boxes": [[0.5, 0.5, 0.5, 0.2, 0.1]]},
        {"boxes": []},
        {"state": "empty"},
        {"state": "done"},
        {"seconds": -1},
        {"tab": "../etc"},
        {"revision": -1},
        {"boxes": [BOX] * 1001},
    ],
)
def test_what_cannot_be_is_refused(ann: httpx.Client, task: str, wrong: dict[str, object]):
    assert ann.put(f"{task}/frames/0", json={**drawn(), **wrong}).status_code == 422
    assert ann.get(f"{task}/frames/0", params=ANN).json()["revision"] == 0


def test_not_a_number_is_refused(ann: httpx.Client, task: str):
    body = '{"tab": "tab-of-ann", "revision": 0, "state": "labelled", "boxes": [[0, NaN, 0.5, 0.2, 0.1]]}'
    headers = {"Content-Type": "application/json"}
    answer = ann.put(f"{task}/frames/0", content=body, headers=headers)
    assert answer.status_code in {400, 422}


def test_only_the_owner(door: Door, task: str):
    with door.client("bob") as bob:
        answers = [
            bob.get(f"{task}/board", params=ANN),
            bob.get(f"{task}/progress", params=ANN),
            bob.get(f"{task}/frames/0", params=ANN),
            bob.get(f"{task}/frames/0/image"),
            bob.post(f"{task}/frames/next", json=ANN),
            bob.put(f"{task}/frames/0", json=drawn()),
            bob.put(f"{task}/frames/0/lease", json=ANN),
            bob.delete(f"{task}/frames/0/lease", params=ANN),
            bob.post(f"{task}/finish", json=ANN),
        ]
    assert {answer.status_code for answer in answers} == {404}
    assert httpx.get(f"{door.url}{task}/board", params=ANN).status_code == 401


def test_what_is_not_there(ann: httpx.Client, task: str):
    assert ann.get(f"{task}/frames/7", params=ANN).status_code == 404
    assert ann.put(f"{task}/frames/7", json=drawn()).status_code == 404
    assert ann.put(f"{task}/frames/7/lease", json=ANN).status_code == 404
    assert ann.get(f"{task}/frames/{2**40}", params=ANN).status_code == 422
