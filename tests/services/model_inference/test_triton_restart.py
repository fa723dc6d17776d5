"""A real Triton that is killed in the middle, and comes back with none of its models loaded."""

from __future__ import annotations

import httpx
import pytest

from deploy.local.triton import TritonProcess, free_ports
from services.model_deployer.engines.global_model import restore
from services.model_inference.engines.analysis import analyse
from services.model_inference.engines.table import write_csv
from shared.errors import Unavailable
from shared.events.settings import AnalysisSettings
from shared.platform import Platform
from shared.serving.repository import ModelRepository
from shared.serving.triton_server import TritonModelServer
from tests.shared.serving.empty_start import restart_empty
from tests.shared.web.door import Door

SETTINGS = AnalysisSettings(batch_size=8)


@pytest.fixture
def process(triton_venv, tmp_path, onnx_file):
    repository = ModelRepository(tmp_path / "models", intra_op_threads=1)
    for name in ("squares", "global"):
        repository.write(
            name, None, onnx_file, classes=["red", "blue"], task="detect", image_size=128
        )
    with TritonProcess(triton_venv, repository.root) as process:
        yield process
        process.kill()


@pytest.fixture
def server(process):
    server = TritonModelServer(
        process.url, timeout_s=20, repository=ModelRepository(process.repository)
    )
    yield server
    server.close()


def test_an_analysis_goes_on_where_it_was_and_its_csv_is_the_same(process, server, video, tmp_path):
    spec = server.spec("squares")
    analyse(video, spec, server, SETTINGS, tmp_path / "quiet")
    expected = write_csv(tmp_path / "quiet", tmp_path / "a").read_bytes()
    killed = []

    def kill_once(fraction, message="", **figures):
        if figures["frames"] >= 40 and not killed:
            killed.append(figures["frames"])
            process.kill()

    with pytest.raises(Unavailable, match="does not answer"):
        analyse(video, spec, server, SETTINGS, tmp_path / "work", kill_once)
    with pytest.raises(Unavailable, match="does not answer"):
        server.spec("squares")  # how the next try of the step begins while it is away
    restart_empty(process)
    assert server.spec("squares") == spec
    analyse(video, spec, server, SETTINGS, tmp_path / "work")
    assert write_csv(tmp_path / "work", tmp_path / "b").read_bytes() == expected


def test_the_deployer_loads_everything_that_belongs_there(process, server):
    restart_empty(process)
    assert {m.state for m in server.models()} == {"UNAVAILABLE"}
    repository = ModelRepository(process.repository)
    repository.want("global", loaded=False)  # somebody withdrew it before
    assert restore(repository, server) == {"squares": ""}
    assert restore(repository, server) == {}
    assert {m.name: m.state for m in server.models()} == {
        "squares": "READY", "global": "UNAVAILABLE"
    }  # fmt: skip
    server.load("global")  # as a server does that loads all it finds when it starts
    restore(repository, server)
    assert {m.name: m.state for m in server.models()}["global"] == "UNAVAILABLE"


def test_the_door_says_that_the_model_server_is_away_and_when_to_come_back(tmp_path):
    away = TritonModelServer(f"triton://127.0.0.1:{free_ports(1)[0]}")
    with Door.opened(tmp_path) as door:
        door.app.state.platform = Platform(**{**vars(door.platform), "model_server": lambda: away})
        with door.client() as client:
            answer = client.get("/models")
            assert (answer.status_code, answer.json()["code"]) == (503, "Unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            assert "The model server is away" in answer.json()["detail"]
            # what needs it only later is accepted, and waits for it
            told = client.post("/tasks/", json={"file_path": "https://example.org/a.mp4"})
            assert told.status_code == 202
        assert httpx.get(f"{door.url}/health/ready").status_code == 200
    away.close()
