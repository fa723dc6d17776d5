from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import NotFound
from shared.serving.onnx_server import OnnxRuntimeServer
from shared.serving.repository import ModelRepository
from tests.contracts.model_server import ModelServerContract, pictures


class TestOnnxRuntimeServer(ModelServerContract):
    @pytest.fixture(scope="class")
    def repository(self, tmp_path_factory):
        return ModelRepository(tmp_path_factory.mktemp("models"))

    @pytest.fixture(scope="class")
    def server(self, repository):
        server = OnnxRuntimeServer(repository, "the wheel has no build for this machine")
        yield server
        server.close()

    def test_it_says_why_it_is_not_triton(self, server, standing):
        assert server.models()[0].server.endswith(
            "(in process: the wheel has no build for this machine)"
        )

    def test_a_load_in_one_process_shows_in_the_others(self, server, repository, name, first):
        elsewhere = OnnxRuntimeServer(ModelRepository(repository.root), "another process")
        assert elsewhere.infer(first, pictures(1)).size
        server.unload(name)
        with pytest.raises(NotFound):
            elsewhere.infer(first, pictures(1))
        elsewhere.close()


def test_from_url(tmp_path):
    server = OnnxRuntimeServer.from_url(f"onnxruntime:{tmp_path}?reason=no+build")
    assert server.repository.root == tmp_path
    assert "no build" in server.alive()


def test_nobody_outside_is_told_what_runs_here(tiny_onnx: Path, tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from shared.serving.onnx_server import open_session; "
        "open_session(pathlib.Path(sys.argv[1]))"
    )
    env = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    subprocess.run(
        [sys.executable, "-c", program, str(tiny_onnx)],
        env={**env, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        cwd=Path(__file__).resolve().parents[3],
        check=True,
    )
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]
