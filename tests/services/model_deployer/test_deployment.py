from __future__ import annotations

import uuid

import pytest

from services.model_deployer.engines.deployment import (
    bring_back,
    deploy,
    forget,
    roll_back,
    withdraw,
)
from services.model_deployer.engines.global_model import install_global, restore
from services.model_deployer.engines.parity import Tolerance, drawn_batch
from services.model_deployer.errors import ParityFailed
from shared.errors import Conflict, Invalid, NotFound, Terminal, Unavailable
from shared.serving.openvino_server import OpenVinoServer
from shared.serving.repository import ModelRepository, sha256_of

TINY = {"classes": ("mouse", "fly"), "image_size": 64}
OTHER = {"classes": ("cat", "dog", "fly"), "image_size": 64}
IMPOSSIBLE = Tolerance(raw_box_px=-1)  # no answer passes


class DeploymentTests:
    """On both servers: what a user of the deployer sees."""

    def answers(self, server, spec):
        return server.infer(spec, drawn_batch(64, 1)).shape[1] == 4 + len(spec.classes)

    def test_a_model_goes_on_the_server_and_a_second_call_changes_nothing(
        self, on, name, tiny_onnx
    ):
        repository, server = on
        deployed = deploy(repository, server, name, 1, tiny_onnx, **TINY)
        assert deployed.spec == server.spec(name)
        assert deployed.server == server.alive()
        assert deployed.parity.frames == 8
        assert deployed.parity.detections > 0
        again = deploy(repository, server, name, 1, tiny_onnx, **TINY)
        assert again.spec == deployed.spec
        assert repository.versions(name) == [1]

    def test_a_version_that_fails_the_gate_leaves_the_older_one_in_service(
        self, on, name, tiny_onnx, other_onnx
    ):
        repository, server = on
        first = deploy(repository, server, name, 1, tiny_onnx, **TINY).spec
        with pytest.raises(ParityFailed):
            deploy(repository, server, name, 2, other_onnx, **OTHER, tolerance=IMPOSSIBLE)
        assert server.spec(name) == first
        assert self.answers(server, first)
        with pytest.raises(NotFound):
            server.spec(name, 2)
        # and the same number is free for the next attempt
        assert deploy(repository, server, name, 2, other_onnx, **OTHER).spec.version == 2

    def test_a_first_version_that_fails_leaves_nothing(self, on, name, tiny_onnx):
        repository, server = on
        with pytest.raises(ParityFailed):
            deploy(repository, server, name, 1, tiny_onnx, **TINY, tolerance=IMPOSSIBLE)
        assert repository.versions(name) == []
        with pytest.raises(NotFound):
            server.spec(name)

    def test_roll_back(self, on, name, tiny_onnx, other_onnx):
        repository, server = on
        first = deploy(repository, server, name, 1, tiny_onnx, **TINY).spec
        second = deploy(repository, server, name, 2, other_onnx, **OTHER).spec
        assert roll_back(repository, server, name) == first
        assert server.spec(name) == first
        with pytest.raises(NotFound):
            server.infer(second, drawn_batch(64, 1))
        with pytest.raises(Conflict, match="no older version"):
            roll_back(repository, server, name)

    def test_versions_are_forgotten_one_by_one(self, on, name, tiny_onnx, other_onnx):
        repository, server = on
        deploy(repository, server, name, 1, tiny_onnx, **TINY)
        deploy(repository, server, name, 2, other_onnx, **OTHER)
        forget(repository, server, name, 2)
        forget(repository, server, name, 2)
        assert (repository.versions(name), server.spec(name).version) == ([1], 1)
        assert self.answers(server, server.spec(name))
        for _ in range(2):
            forget(repository, server, name, 1)
            assert repository.versions(name) == []
            assert not (repository.root / name).exists()
            assert not [m for m in server.models() if m.name == name and m.state == "READY"]
            with pytest.raises(NotFound):
                server.spec(name)

    def test_withdraw_and_bring_back(self, on, name, tiny_onnx):
        repository, server = on
        spec = deploy(repository, server, name, 1, tiny_onnx, **TINY).spec
        withdraw(repository, server, name)
        with pytest.raises(NotFound):
            server.infer(spec, drawn_batch(64, 1))
        assert name not in restore(repository, server)
        assert bring_back(repository, server, name) == spec
        assert self.answers(server, spec)
        with pytest.raises(NotFound, match="no model nobody"):
            withdraw(repository, server, "nobody")


class TestOnOpenVino(DeploymentTests):
    @pytest.fixture
    def on(self, tmp_path):
        repository = ModelRepository(tmp_path / "models")
        server = OpenVinoServer(repository, "a test")
        yield repository, server
        server.close()

    @pytest.fixture
    def name(self):
        return "fly"

    def test_a_server_that_is_gone_leaves_the_files_for_the_next_attempt(self, on, name, tiny_onnx):
        repository, server = on

        class Gone(OpenVinoServer):
            def load(self, name: str) -> None:
                raise Unavailable("Nobody answers.")

        with pytest.raises(Unavailable):
            deploy(repository, Gone(repository, ""), name, 1, tiny_onnx, **TINY)
        assert repository.served(name) == [1]
        assert deploy(repository, server, name, 1, tiny_onnx, **TINY).spec.version == 1


class TestOnTriton(DeploymentTests):
    @pytest.fixture
    def on(self, triton):
        return triton.repository, triton.server

    @pytest.fixture
    def name(self, triton):
        name = f"task-{uuid.uuid4()}"
        yield name
        triton.server._connection().unload_model(name)
        for version in triton.repository.versions(name):
            triton.repository.remove(name, version)

    def test_restore_loads_what_a_server_came_back_without(self, on, name, tiny_onnx):
        repository, server = on
        spec = deploy(repository, server, name, 1, tiny_onnx, **TINY).spec
        assert name not in restore(repository, server)
        server.unload(name)
        broken = repository.write(f"a-{name}", None, tiny_onnx, task="detect", **TINY).name
        (repository.root / broken / "1" / "model.onnx").write_bytes(b"junk")
        try:
            outcome = restore(repository, server)
        finally:
            repository.remove(broken, 1)
        assert outcome[name] == ""
        assert "Unable to read the model" in outcome[broken]
        assert self.answers(server, spec)

    def test_a_file_that_the_server_refuses_is_given_up(self, on, name, tiny_onnx, tmp_path):
        """Well-formed for every check of ours, but with an operator that does not exist."""
        import onnx

        model = onnx.load(str(tiny_onnx))
        model.graph.node[0].op_type = "Konv"
        onnx.save(model, str(tmp_path / "strange.onnx"))
        repository, server = on
        with pytest.raises(Terminal, match="Konv"):
            deploy(repository, server, name, 1, tmp_path / "strange.onnx", **TINY)
        assert repository.versions(name) == []


class TestGlobalModel:
    @pytest.fixture
    def repository(self, tmp_path):
        return ModelRepository(tmp_path / "triton_models")

    @pytest.fixture
    def shipped(self, repository, tiny_onnx):
        """In the same folder as the repository's own files, as in the embedded mesh."""
        folder = repository.root / "global"
        folder.mkdir(parents=True)
        self.ship(folder, tiny_onnx, ["mouse", "fly"])
        return folder

    def ship(self, folder, onnx, classes):
        import json
        import shutil

        shutil.copy(onnx, folder / "model.onnx")
        about = {"name": "global", "classes": classes, "task": "detect", "image_size": 64}
        (folder / "model.json").write_text(json.dumps({**about, "onnx_sha256": sha256_of(onnx)}))

    @pytest.fixture
    def server(self, repository):
        class Counting(OpenVinoServer):
            loads = 0

            def load(self, name: str) -> None:
                self.loads += 1
                super().load(name)

        server = Counting(repository, "a test")
        yield server
        server.close()

    def test_the_shipped_model_is_installed_once(self, repository, server, shipped, tmp_path):
        spec = install_global(repository, server, tmp_path, None, shipped)
        assert (spec.name, spec.version, spec.classes) == ("global", 1, ("mouse", "fly"))
        assert server.infer(spec, drawn_batch(64, 2)).shape[0] == 2
        names = ["1", "config.pbtxt", "model.json", "model.onnx"]
        assert sorted(p.name for p in shipped.iterdir()) == names
        written = (shipped / "config.pbtxt").stat().st_mtime_ns
        loads = server.loads
        assert install_global(repository, server, tmp_path, None, shipped) == spec
        assert (shipped / "config.pbtxt").stat().st_mtime_ns == written
        assert server.loads == loads

    def test_a_new_release_ships_the_next_version(
        self, repository, server, shipped, tmp_path, other_onnx
    ):
        install_global(repository, server, tmp_path, None, shipped)
        self.ship(shipped, other_onnx, ["cat", "dog", "fly"])
        assert install_global(repository, server, tmp_path, None, shipped).version == 2
        assert repository.served("global") == [1, 2]

    def test_the_operators_weights_and_back(
        self, repository, server, shipped, tmp_path, make_weights
    ):
        models = tmp_path / "models"
        models.mkdir()
        weights = make_weights(models / "own.pt", seed=3, classes=("bee",))
        first = install_global(repository, server, models, None, shipped)
        own = install_global(repository, server, models, "own.pt", shipped)
        assert (own.version, own.classes, own.image_size) == (2, ("bee",), 64)
        assert server.spec("global") == own
        converted = next((models / ".converted").iterdir()).stat().st_mtime_ns
        assert install_global(repository, server, models, str(weights), shipped) == own
        assert next((models / ".converted").iterdir()).stat().st_mtime_ns == converted
        assert install_global(repository, server, models, None, shipped) == first
        assert server.spec("global") == first
        assert install_global(repository, server, models, "own.pt", shipped) == own
        assert server.spec("global") == own

    def test_what_is_missing_is_said(self, repository, server, shipped, tmp_path):
        with pytest.raises(NotFound, match=r"GLOBAL_WEIGHTS=yolo11n\.pt .*nothing is downloaded"):
            install_global(repository, server, tmp_path, "yolo11n.pt", shipped)
        (shipped / "model.onnx").write_bytes(b"damaged")
        with pytest.raises(Conflict, match=r"model\.json"):
            install_global(repository, server, tmp_path, None, shipped)
        (shipped / "model.onnx").unlink()
        with pytest.raises(NotFound, match="GLOBAL_WEIGHTS"):
            install_global(repository, server, tmp_path, None, shipped)


def test_a_name_that_leaves_the_repository_is_refused(tmp_path, tiny_onnx):
    repository = ModelRepository(tmp_path / "models")
    with pytest.raises(Invalid):
        deploy(repository, OpenVinoServer(repository, ""), "../x", 1, tiny_onnx, **TINY)
