"""The tasks around promotion, on a real database and storage: comparison, decision, choice of form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.model_deployer import repository, tasks
from services.model_deployer.schemas import ConversionJob, PromotionJob
from shared.db.learning_models import Round
from shared.db.models import Model
from shared.flow.claims import WorkRef
from shared.flow.work import Run
from shared.progress.report import silent
from tests.services.model_deployer.test_shadow import table
from tests.shared.web.door import Door

BETTER = {"comparison": {"better": True, "sentence": "0.61 against 0.55."}, "leakage": 0.0}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data")) as opened:
        yield opened


class Rounds:
    """A root task, and a further round of it whose model is version 2."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.root, self.later = door.submit("ann"), door.submit("ann")
        self.name = f"task-{self.root}"
        with door.platform.sessions.begin() as session:
            session.add(Round(task_id=self.later, root_id=self.root, number=2))
            for version in (1, 2):
                session.add(
                    Model(
                        name=self.name,
                        version=version,
                        task_id=self.root,
                        user_id=door.user_id("ann"),
                        path=f"models/{self.name}/{version}",
                        weights_sha256="0" * 64,
                        classes=["mouse", "fly"],
                        image_size=64,
                        metrics={"user": {"map50": 0.9}},
                        lineage={},
                    )
                )

    def run(self, task_id: str) -> Run:
        ref = WorkRef(
            task_id=task_id,
            user_id=self.door.user_id("ann"),
            pipeline="vision",
            step="model_promotion",
            step_run_id=1,
            attempt=1,
            token="t",
        )
        return Run(self.door.platform, ref, silent, 1)

    def results(self, task_id: str, shift: int, folder: Path, place: str = "") -> str:
        """An analysis of 20 frames with one mouse, `shift` pixels to the right."""
        rows = [(frame, "1", "mouse", 10 + shift) for frame in range(20)]
        prefix = f"inference_results/{task_id}{place}"
        text = table(folder, "results", rows).read_bytes()
        self.door.keep(f"{prefix}/results.csv", text)
        return prefix

    def decide(self, task_id: str, version: int, metrics: dict[str, Any], **more: Any):
        job = PromotionJob(
            task_id=task_id,
            user_id=self.door.user_id("ann"),
            model=self.name,
            version=version,
            metrics=metrics,
            inference_result_path=f"inference_results/{task_id}",
            **more,
        )
        run = self.run(task_id)
        return tasks.decide_promotion.function(tasks.compare_runs.function(job, run), run)

    def states(self) -> dict[int, str]:
        with self.door.platform.reads() as session:
            return {m.version: m.state for m in repository.versions(session, self.name)}


def test_round_one_and_a_better_round_two(door: Door, tmp_path: Path) -> None:
    rounds = Rounds(door)
    rounds.results(rounds.root, 0, tmp_path)
    rounds.results(rounds.root, 0, tmp_path, "/global")
    first = rounds.decide(rounds.root, 1, {"leakage": 0.0})
    assert (first.decision, first.shadow["matched"]) == ("CURRENT", 20)
    assert rounds.states() == {1: "CURRENT", 2: "CANDIDATE"}
    last = rounds.results(rounds.root, 0, tmp_path)
    rounds.results(rounds.later, 15, tmp_path)
    second = rounds.decide(rounds.later, 2, BETTER, last_results=last)
    assert second.decision == "CURRENT"
    assert second.reason == f"{rounds.name}/2 is better than {rounds.name}/1. 0.61 against 0.55."
    assert (second.shadow["matched"], second.shadow["only_after"]) == (0, 20)
    assert rounds.states() == {1: "RETIRED", 2: "CURRENT"}
    with door.platform.reads() as session:
        row = session.get_one(Round, rounds.later)
        assert (row.decision, row.reason) == ("CURRENT", second.reason)
        model = repository.version(session, rounds.name, 2)
        assert model.metrics["shadow"]["only_before"] == 20
        assert model.metrics["user"] == {"map50": 0.9}
    stored = door.platform.storage
    told = json.loads(stored.fetch(f"inference_results/{rounds.later}/shadow.json").read_text())
    assert told["timeline"]["before"]["mouse"]
    assert stored.fetch(f"inference_results/{rounds.later}/shadow.png").stat().st_size > 500
    again = rounds.decide(rounds.later, 2, BETTER, last_results=last)
    assert (again.decision, again.reason) == (second.decision, second.reason)
    assert rounds.states() == {1: "RETIRED", 2: "CURRENT"}


def test_a_round_that_is_not_better_leaves_the_current_one(door: Door, tmp_path: Path) -> None:
    rounds = Rounds(door)
    rounds.results(rounds.root, 0, tmp_path)
    rounds.decide(rounds.root, 1, {"leakage": 0.0})
    rounds.results(rounds.later, 0, tmp_path)
    worse = {"comparison": {"better": False, "sentence": "0.50 against 0.55."}}
    waits = rounds.decide(rounds.later, 2, worse)
    assert waits.decision == "CANDIDATE"
    assert "0.50 against 0.55." in waits.reason
    assert waits.shadow == {}, "nothing was named to compare with"
    assert rounds.states() == {1: "CURRENT", 2: "CANDIDATE"}
    with door.platform.reads() as session:
        assert repository.to_keep_served(session, rounds.name) == [1]


def conversion(door: Door, rounds: Rounds, version: int, onnx: Path) -> ConversionJob:
    path = f"models/{rounds.name}/{version}"
    door.keep(f"{path}/model.onnx", onnx.read_bytes())
    return ConversionJob(
        task_id=rounds.root,
        user_id=door.user_id("ann"),
        model_path=path,
        onnx_path=f"{path}/model.onnx",
        onnx_sha256="a" * 64,
        classes=["mouse", "fly"],
        image_size=64,
    )


def test_integers_are_made_only_where_openvino_serves(
    door: Door, tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = Rounds(door)
    settings = door.platform.settings
    other = settings.model.model_copy(update={"platform": "onnxruntime"})
    monkeypatch.setattr(settings, "model", other)
    monkeypatch.setattr(settings, "model_server", "triton://elsewhere:8001")
    job = conversion(door, rounds, 2, tiny_onnx)
    tasks.choose_variant.function(job, rounds.run(rounds.root))
    with door.platform.reads() as session:
        told = repository.registered(session, job.model_path).metrics["variants"]
    assert told["served"] == "fp32"
    assert "it is not OpenVINO that serves" in told["reason"]


def test_the_form_that_was_chosen_stays(door: Door, tiny_onnx: Path) -> None:
    rounds = Rounds(door)
    job = conversion(door, rounds, 1, tiny_onnx)
    path = job.model_path
    run = rounds.run(rounds.root)
    done = tasks.choose_variant.function(job, run)
    assert (done.onnx_path, done.onnx_sha256) == (job.onnx_path, job.onnx_sha256)
    with door.platform.reads() as session:
        model = repository.registered(session, path)
        assert (model.variant, model.onnx_sha256) == ("fp32", "a" * 64)
        assert model.metrics["variants"]["reason"].startswith("Served in 32 bits.")
    with door.platform.sessions.begin() as session:
        repository.remember_variant(session, path, "int8", "b" * 64)
    again = tasks.choose_variant.function(job, run)
    assert (again.onnx_path, again.onnx_sha256) == (f"{path}/model.int8.onnx", "b" * 64)
