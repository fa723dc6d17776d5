"""The model server: whether it answers, and whether it can run the model that all start from."""

from __future__ import annotations

import json
import platform as machine
from collections.abc import Iterator

from deploy.cli.doctor.finding import Finding, fine, wrong
from deploy.local.state import STATE_FILE
from shared import wiring
from shared.errors import NotFound, Unavailable
from shared.platform import Platform
from shared.serving.port import ModelServer

INSTALL = "python -m services.model_deployer.install  (model_deployer does it at its start)"


def server(platform: Platform) -> Iterator[Finding]:
    """The one of the settings, or that of the mesh which runs here."""
    if "model_server" not in platform.settings.model_fields_set and not _triton_port(platform):
        yield _embedded_choice()
        return
    found = _server(platform) or platform.model_server()
    try:
        yield fine("model server", found.alive())
    except Unavailable as error:
        yield wrong(
            "model server", str(error), "start it; work that needs it waits and tries again"
        )
    finally:
        found.close()


def _server(platform: Platform) -> ModelServer | None:
    """None where the launcher of an embedded mesh will choose one."""
    settings = platform.settings
    if "model_server" in settings.model_fields_set:
        return platform.model_server()
    if not (settings.data_dir / STATE_FILE).exists():
        return None
    port = _triton_port(platform)
    url = f"triton://127.0.0.1:{port}" if port else f"openvino:{settings.model.repository}"
    return wiring.build(settings.model_copy(update={"model_server": url})).model_server()


def _triton_port(platform: Platform) -> int | None:
    """Port of gRPC of the Triton that the launcher runs on this machine."""
    state = platform.settings.data_dir / STATE_FILE
    if not state.exists():
        return None
    port: int | None = json.loads(state.read_text(encoding="utf-8")).get("triton_port")
    return port


def _embedded_choice() -> Finding:
    """What the launcher chooses; OpenVINO is right where Triton's wheel has no build."""
    from deploy.local import triton
    from deploy.local.mesh import TRITON_VENV

    reason = triton.available(TRITON_VENV)
    if reason is None:
        return fine("model server", "Triton from the wheel, once `make up` runs")
    text = f"OpenVINO in the process, because: {reason}"
    if (machine.system(), machine.machine()) != ("Linux", "x86_64"):
        return fine("model server", text)
    return wrong("model server", text, "deploy/local/setup.sh triton")


def global_model(platform: Platform) -> Iterator[Finding]:
    """Run it once, on a black picture."""
    found = _server(platform)
    if found is None:
        yield fine("global model", platform.settings.global_weights or "the shipped one")
        return
    import numpy as np

    try:
        spec = found.spec("global")
        batch = np.zeros((1, 3, spec.image_size, spec.image_size), dtype=np.float32)
        shape = "x".join(str(n) for n in found.infer(spec, batch).shape)
        text = f"version {spec.version}, {spec.image_size} px, answers {shape}"
        yield fine("global model", text)
    except NotFound as error:
        yield wrong("global model", str(error), INSTALL)
    finally:
        found.close()
