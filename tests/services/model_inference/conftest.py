"""One detector and one video for all tests here; each test analyses into folders of its own."""

from __future__ import annotations

import pytest

from tests.services.model_inference.arena import FileServer, detector, render


@pytest.fixture(scope="session")
def onnx_file(tmp_path_factory):
    return detector(tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture
def server(onnx_file):
    server = FileServer(onnx_file, ("red", "blue"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def video(tmp_path_factory):
    """100 frames, four seconds."""
    return render(tmp_path_factory.mktemp("video") / "squares.mp4", 100)
