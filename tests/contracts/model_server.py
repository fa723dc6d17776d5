"""What every model server must do; inherit, and give the fixtures `server` and `repository`."""

from __future__ import annotations

import threading
import time
import uuid
from pathlib import Path

import numpy as np
import pytest

from shared.errors import Invalid, NotFound, Terminal
from shared.serving.port import Batch, ModelServer, ModelSpec
from shared.serving.repository import ModelRepository

SIZE = 64
ANCHORS = 8 * 8 + 4 * 4 + 2 * 2


def pictures(count: int, seed: int = 0) -> Batch:
    return np.random.default_rng(seed).random((count, 3, SIZE, SIZE), dtype=np.float32)


def expected(onnx: Path, batch: Batch) -> np.ndarray:
    """The answer of the file itself, by a plain session."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": batch})[0]


class ModelServerContract:
    """`standing` is loaded once for the tests that only ask; `first` is a test's own to change."""

    def forget(self, server: ModelServer, name: str) -> None:
        server.unload(name)

    @pytest.fixture(scope="class")
    def standing(self, server: ModelServer, repository: ModelRepository, tiny_onnx: Path):
        spec = self.deploy(server, repository, "standing", tiny_onnx, ("mouse", "fly"))
        yield spec
        self.forget(server, spec.name)
        repository.remove(spec.name, spec.version)

    @pytest.fixture
    def name(self, server: ModelServer, repository: ModelRepository):
        name = f"model-{uuid.uuid4().hex[:8]}"
        yield name
        self.forget(server, name)
        for version in repository.versions(name):
            repository.remove(name, version)

    @pytest.fixture
    def first(self, server: ModelServer, repository: ModelRepository, name: str, tiny_onnx: Path):
        return self.deploy(server, repository, name, tiny_onnx, ("mouse", "fly"))

    def deploy(
        self, server: ModelServer, repository: ModelRepository, name: str, onnx: Path, classes
    ) -> ModelSpec:
        spec = repository.write(name, None, onnx, classes=classes, task="detect", image_size=SIZE)
        server.load(name)
        return spec

    def states(self, server: ModelServer, name: str) -> dict[int, str]:
        return {m.version: m.state for m in server.models() if m.name == name}

    def test_it_says_its_name_and_version(self, server):
        name, version = server.alive().split()[:2]
        assert name in ("triton", "openvino")
        assert version[0].isdigit()

    def test_a_loaded_model_answers_as_its_file_does(self, server, standing, tiny_onnx):
        batch = pictures(3)
        answer = server.infer(standing, batch)
        assert answer.dtype == np.float32
        assert answer.shape == (3, 6, ANCHORS)
        assert np.abs(answer).max() > 1  # boxes in pixels: neither empty nor zeros
        np.testing.assert_allclose(answer, expected(tiny_onnx, batch), atol=1e-3)

    def test_the_spec_comes_back_as_it_was_written(self, server, standing):
        assert server.spec(standing.name) == standing
        assert server.spec(standing.name, 1) == standing
        assert standing.classes == ("mouse", "fly")
        assert standing.image_size == SIZE

    def test_odd_class_names_survive(self, server, repository, name, tiny_onnx):
        classes = ('so-called "fly" \\ 1', "Mäuschen\n🐭")
        spec = self.deploy(server, repository, name, tiny_onnx, classes)
        assert server.spec(name).classes == classes
        assert server.infer(spec, pictures(1)).size

    def test_every_batch_size_up_to_sixteen(self, server, standing, tiny_onnx):
        batch = pictures(16)
        reference = expected(tiny_onnx, batch)
        for count in (1, 2, 5, 16):
            answer = server.infer(standing, batch[:count])
            np.testing.assert_allclose(answer, reference[:count], atol=1e-3)

    @pytest.mark.parametrize(
        "shape", [(17, 3, SIZE, SIZE), (0, 3, SIZE, SIZE), (1, 3, 32, 32), (3, SIZE, SIZE)]
    )
    def test_a_batch_of_a_wrong_shape_is_refused_with_a_sentence(self, server, standing, shape):
        with pytest.raises(Invalid, match="takes"):
            server.infer(standing, np.zeros(shape, np.float32))

    def test_many_requests_in_flight_each_get_their_own_answer(self, server, standing, tiny_onnx):
        batches = [pictures(1 + i % 3, seed=i) for i in range(24)]
        futures = [server.submit(standing, batch) for batch in batches]
        for batch, future in zip(batches, futures, strict=True):
            np.testing.assert_allclose(future.result(30), expected(tiny_onnx, batch), atol=1e-3)

    def test_a_second_version_answers_beside_the_first(
        self, server, repository, name, first, tiny_onnx, other_onnx
    ):
        batch = pictures(2)
        second = self.deploy(server, repository, name, other_onnx, ("cat", "dog", "fly"))
        assert (first.version, second.version) == (1, 2)
        assert server.spec(name) == second
        assert server.spec(name, 1) == first
        assert self.states(server, name) == {1: "READY", 2: "READY"}
        np.testing.assert_allclose(
            server.infer(first, batch), expected(tiny_onnx, batch), atol=1e-3
        )
        np.testing.assert_allclose(
            server.infer(second, batch), expected(other_onnx, batch), atol=1e-3
        )

    def test_the_first_version_never_stops_answering_while_a_second_is_loaded(
        self, server, repository, name, first, other_onnx
    ):
        failures, answers, stop = [], [], threading.Event()

        def ask() -> None:
            while not stop.is_set():
                try:
                    answers.append(server.infer(first, pictures(1)).shape)
                except Exception as error:  # noqa: BLE001
                    failures.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            self.deploy(server, repository, name, other_onnx, ("cat", "dog", "fly"))
            time.sleep(0.1)
        finally:
            stop.set()
            asking.join()
        assert not failures
        assert len(answers) > 2

    def test_the_third_version_lets_go_of_the_first(
        self, server, repository, name, first, other_onnx, tiny_onnx
    ):
        second = self.deploy(server, repository, name, other_onnx, ("cat", "dog", "fly"))
        third = self.deploy(server, repository, name, tiny_onnx, ("a", "b"))
        assert third.version == 3
        for kept in (second, third):
            assert server.infer(kept, pictures(1)).size
        with pytest.raises(NotFound):
            server.spec(name, 1)
        with pytest.raises(NotFound):
            server.infer(first, pictures(1))

    def test_unload_and_load_again(self, server, repository, name, first):
        server.unload(name)
        server.unload(name)  # harmless
        assert "READY" not in self.states(server, name).values()
        with pytest.raises(NotFound, match=name):
            server.infer(first, pictures(1))
        with pytest.raises(NotFound, match=name):
            server.submit(first, pictures(1)).result(30)
        with pytest.raises(NotFound, match=name):
            server.spec(name)
        server.load(name)
        assert server.infer(first, pictures(1)).size

    def test_an_unknown_model_is_not_found(self, server, standing):
        stranger = ModelSpec("nobody", 1, ("a", "b"), "detect", SIZE, "0" * 64)
        with pytest.raises(NotFound, match="nobody"):
            server.infer(stranger, pictures(1))
        with pytest.raises(NotFound, match="nobody"):
            server.spec("nobody")
        with pytest.raises(NotFound, match="nobody"):
            server.load("nobody")
        with pytest.raises(NotFound, match="loaded"):
            server.spec(standing.name, 9)
        server.unload("nobody")

    def test_a_malformed_version_is_refused_with_the_reason_and_the_older_one_answers(
        self, server, repository, name, first, other_onnx
    ):
        repository.write(
            name, None, other_onnx, classes=("cat", "dog", "fly"), task="detect", image_size=SIZE
        )
        (repository.root / name / "2" / "model.onnx").write_bytes(b"not a model")
        with pytest.raises(Terminal, match=r"(?s)version 2.*Unable to read the model"):
            server.load(name)
        assert self.states(server, name)[2] == "UNAVAILABLE"
        assert server.infer(first, pictures(1)).size
        assert server.spec(name) == first

    def test_the_wrong_class_list_is_noticed(self, server, standing):
        lying = ModelSpec(standing.name, 1, ("a", "b", "c"), "detect", SIZE, standing.sha256)
        with pytest.raises(Terminal, match="class"):
            server.infer(lying, pictures(1))

    def test_it_works_after_close(self, server, standing):
        server.close()
        assert server.infer(standing, pictures(1)).size
