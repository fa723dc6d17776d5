"""Which version is current: the rule, the REST doors, and that nobody in flight notices."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest

from services.model_deployer import repository
from services.model_deployer.engines.deployment import deploy
from services.model_deployer.engines.parity import drawn_batch
from services.model_deployer.engines.promotion import judge
from services.model_inference import repository as inference
from shared.db.learning_models import Round
from shared.db.models import Deployment, Model
from shared.errors import Conflict
from shared.events.learning_settings import PromotionSettings
from tests.shared.web.door import Door

SETTINGS = PromotionSettings()
BETTER = {"better": True, "sentence": "mAP50-95 0.61 against 0.55.", "difference": 0.06}


def judged(
    metrics: dict[str, Any], settings: PromotionSettings = SETTINGS, current: str | None = "m/1"
):
    return judge(metrics, settings, version="m/2", current=current)


class TestTheRule:
    def test_the_first_version_is_promoted_with_a_warning_when_the_global_one_is_better(
        self,
    ) -> None:
        fine = judged({"leakage": 0.0}, current=None)
        assert (fine.promoted, fine.reason) == (True, "The first version has nothing to beat.")
        metrics = {"user_any_class": {"map50_95": 0.31}, "global_any_class": {"map50_95": 0.42}}
        doubtful = judged(metrics, current=None)
        assert doubtful.promoted
        assert "The global model is better" in doubtful.reason
        assert "0.420 against 0.310" in doubtful.reason

    def test_a_better_version_is_promoted(self) -> None:
        verdict = judged({"leakage": 0.0, "comparison": BETTER})
        assert verdict.promoted
        assert verdict.reason == "m/2 is better than m/1. mAP50-95 0.61 against 0.55."

    @pytest.mark.parametrize(
        ("metrics", "word"),
        [
            ({}, "was not compared"),
            ({"comparison": {**BETTER, "better": False}}, "not better than m/1 by 0.005"),
            ({"comparison": {**BETTER, "better": None}}, "not better"),
            ({"comparison": {**BETTER, "difference": 0.004}}, "not better"),
            ({"comparison": {**BETTER, "share_better": 0.8}}, "a confidence of 90%"),
            ({"comparison": {**BETTER, "figures": {"share_better": 0.8}}}, "not better"),
            ({"comparison": BETTER, "leakage": 0.2}, "20% of the validation frames"),
            ({"comparison": {**BETTER, "against": "m/3"}}, "compared with m/3"),
            ({"comparison": {**BETTER, "difference": float("nan")}}, "not better"),
        ],
    )
    def test_everything_else_waits_and_says_why(self, metrics: dict[str, Any], word: str) -> None:
        verdict = judged(metrics)
        assert not verdict.promoted
        assert word in verdict.reason

    def test_who_wants_to_decide_is_asked(self) -> None:
        verdict = judged({"comparison": BETTER}, PromotionSettings(automatic=False))
        assert not verdict.promoted
        assert "waits to be promoted by hand" in verdict.reason


class Versions:
    """A task of Ann's whose model has versions, all of them on a model server."""

    def __init__(self, door: Door, count: int) -> None:
        self.door, self.task_id = door, door.submit("ann")
        self.name = f"task-{self.task_id}"
        for number in range(1, count + 1):
            self.add(number)

    def add(self, version: int, **metrics: Any) -> None:
        with self.door.platform.sessions.begin() as session:
            who = {"task_id": self.task_id, "user_id": self.door.user_id("ann")}
            lineage = {
                "task_id": self.task_id,
                "video_sha256": "v" * 64,
                "frames": {"train": 12, "val": 4},
                "labels_sha256": "l" * 64,
                "settings": {"epochs": 3},
                "code_version": "actverse 0.1.0",
            }
            session.add(
                Model(
                    name=self.name,
                    version=version,
                    path=f"models/{self.name}/{version}",
                    weights_sha256=str(version) * 64,
                    onnx_sha256="f" * 64,
                    classes=["mouse", "fly"],
                    image_size=64,
                    metrics=metrics,
                    lineage=lineage,
                    **who,
                )
            )
            session.add(
                Deployment(model=self.name, version=version, server="onnxruntime", parity={}, **who)
            )

    def states(self) -> dict[int, str]:
        with self.door.platform.reads() as session:
            return {m.version: m.state for m in repository.versions(session, self.name)}

    def used(self) -> int:
        """What an analysis that names no version would use."""
        with self.door.platform.reads() as session:
            return inference.deployment_of(session, self.task_id).version


class Held:
    """A server that holds what a test wants it to."""

    def __init__(self) -> None:
        self.absent: set[int] = set()

    def spec(self, name: str, version: int) -> None:
        from shared.errors import NotFound

        if version in self.absent:
            raise NotFound(f"{name} version {version} is not loaded.")


@pytest.fixture(scope="module")
def held() -> Held:
    return Held()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, held: Held) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data")) as opened:
        opened.app.state.platform = replace(opened.platform, model_server=lambda: held)
        yield opened


@pytest.fixture(scope="module")
def ann(door: Door) -> Iterator[httpx.Client]:
    with door.client("ann") as client:
        yield client


def test_there_and_back_again(door: Door, ann: httpx.Client) -> None:
    model = Versions(door, 3)
    url = f"/models/{model.task_id}"
    assert model.used() == 3, "nothing was promoted yet: the newest one"
    for version, before in ((1, None), (2, 1), (3, 2)):
        told = ann.post(f"{url}/promote", json={"version": version, "reason": "It counts well."})
        assert told.status_code == 200, told.text
        assert told.json()["before"] == before
        assert model.used() == version
    assert model.states() == {1: "RETIRED", 2: "RETIRED", 3: "CURRENT"}
    back = ann.post(f"{url}/rollback", json={"reason": "It counts the bottle."}).json()
    assert (back["version"], back["before"]) == (2, 3)
    assert "It counts the bottle." in back["reason"]
    assert ann.post(f"{url}/rollback").json()["version"] == 1
    assert model.states() == {1: "CURRENT", 2: "RETIRED", 3: "RETIRED"}
    nothing = ann.post(f"{url}/rollback")
    assert nothing.status_code == 409
    assert "No version" in nothing.json()["detail"]
    told = ann.get(f"{url}/versions").json()
    assert told["current"] == 1
    newest = told["versions"][0]
    assert (newest["version"], newest["state"], newest["variant"]) == (3, "RETIRED", "fp32")
    assert newest["reason"].startswith("Rolled back to version 2.")
    assert newest["lineage"]["video_sha256"] == "v" * 64
    assert newest["lineage"]["frames"] == {"train": 12, "val": 4}
    assert newest["onnx_sha256"] == "f" * 64


def test_what_cannot_be_promoted(door: Door, ann: httpx.Client, held: Held) -> None:
    model = Versions(door, 1)
    model.add(2, leakage=0.25)
    model.add(3)
    url = f"/models/{model.task_id}/promote"
    leaking = ann.post(url, json={"version": 2})
    assert (leaking.status_code, "25%" in leaking.json()["detail"]) == (409, True)
    assert ann.post(url, json={"version": 2, "reason": "I looked at it."}).status_code == 200
    held.absent = {3}
    absent = ann.post(url, json={"version": 3})
    assert (absent.status_code, absent.json()["code"]) == (409, "NotServed")
    held.absent = set()
    assert ann.post(url, json={"version": 9}).status_code == 404
    assert ann.post(url, json={"version": 10**40}).status_code == 422
    with door.client("bob") as bob:
        for call in (
            lambda: bob.post(url, json={"version": 1}),
            lambda: bob.post(f"/models/{model.task_id}/rollback"),
            lambda: bob.get(f"/models/{model.task_id}/versions"),
        ):
            assert call().status_code == 404
    assert model.states() == {1: "CANDIDATE", 2: "CURRENT", 3: "CANDIDATE"}


def test_a_round_speaks_of_the_model_of_its_root(door: Door, ann: httpx.Client) -> None:
    model = Versions(door, 2)
    later = door.submit("ann")
    with door.platform.sessions.begin() as session:
        session.add(Round(task_id=later, root_id=model.task_id, number=2))
    assert ann.get(f"/models/{later}/versions").json()["model"] == model.name
    assert ann.post(f"/models/{later}/promote", json={"version": 1}).status_code == 200
    with door.platform.reads() as session:
        assert inference.deployment_of(session, later).version == 1
        assert inference.deployment_of(session, later, 2).version == 2


def test_many_who_promote_at_once_leave_one_current(door: Door, ann: httpx.Client) -> None:
    model = Versions(door, 6)
    url = f"{door.url}/models/{model.task_id}"
    headers = {"Authorization": ann.headers["Authorization"]}

    def promote(version: int) -> int:
        body = {"version": version, "reason": "A race."}
        return httpx.post(f"{url}/promote", json=body, headers=headers, timeout=30).status_code

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(promote, [1, 2, 3, 4, 5, 6] * 2))
    assert set(answers) <= {200, 409}
    assert sorted(model.states().values()).count("CURRENT") == 1


def test_a_decision_that_is_overtaken_changes_nothing(door: Door) -> None:
    model = Versions(door, 2)
    with door.platform.sessions.begin() as session:
        first = repository.version(session, model.name, 1)
        repository.make_current(session, first, "first", retired_because="")
    with door.platform.reads() as session:
        stale = repository.version(session, model.name, 2)
    with door.platform.sessions.begin() as session:
        second = repository.version(session, model.name, 2)
        repository.make_current(session, second, "second", retired_because="gone")
    with (
        pytest.raises(Conflict, match="no longer CANDIDATE"),
        door.platform.sessions.begin() as session,
    ):
        repository.keep_candidate(session, stale, "too late")
    assert model.states() == {1: "RETIRED", 2: "CURRENT"}


def test_a_rollback_takes_under_a_second_and_nobody_in_flight_notices(
    door: Door, triton, tiny_onnx, other_onnx
) -> None:
    """On a real Triton: requests to both versions run on, while what is current goes to and fro."""
    model = Versions(door, 2)
    given = {"classes": ("mouse", "fly"), "image_size": 64}
    deploy(triton.repository, triton.server, model.name, 1, tiny_onnx, **given)
    given["classes"] = ("cat", "dog", "fly")
    deploy(triton.repository, triton.server, model.name, 2, other_onnx, **given)
    door.app.state.platform = replace(door.platform, model_server=lambda: triton.server)
    batch = drawn_batch(64, 2)
    over, failures, answers = threading.Event(), [], []

    def stream() -> None:
        """As analyses do: the version that is current when one begins, by its number."""
        while not over.is_set():
            try:
                spec = triton.server.spec(model.name, model.used())
                answers.append(triton.server.infer(spec, batch).shape[1] - 4)
            except Exception as error:  # noqa: BLE001 - told at the end
                failures.append(repr(error))

    url, seconds = f"/models/{model.task_id}", []
    with door.client("ann") as ann, ThreadPoolExecutor(3) as pool:
        ann.post(f"{url}/promote", json={"version": 1}).raise_for_status()
        streams = [pool.submit(stream) for _ in range(3)]
        try:
            for _ in range(6):
                before = len(answers)
                ann.post(f"{url}/promote", json={"version": 2}).raise_for_status()
                begun = time.perf_counter()
                ann.post(f"{url}/rollback").raise_for_status()
                seconds.append(time.perf_counter() - begun)
                assert model.used() == 1
                deadline = time.monotonic() + 30
                while len(answers) < before + 10 and time.monotonic() < deadline:
                    time.sleep(0.01)
        finally:
            over.set()
        for each in streams:
            each.result()
    assert failures == []
    assert len(answers) >= 60
    assert statistics.median(seconds) < 1.0, seconds
    for version in (1, 2):
        triton.repository.remove(model.name, version)
    triton.server.unload(model.name)
