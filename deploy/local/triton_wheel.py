"""Triton's wheel in its own venv: where its parts lie, and whether they can run here."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SETUP = "deploy/local/setup.sh triton"

_PROBE = """
import importlib.metadata as m, json, sys, sysconfig
def version(name):
    try: return m.version(name)
    except m.PackageNotFoundError: return ""
print(json.dumps({"site": sysconfig.get_path("purelib"), "libdir": sysconfig.get_config_var("LIBDIR") or "",
  "python": "%d.%d" % sys.version_info[:2], **{n: version(n) for n in ("numpy", "openvino")}}))
"""


@dataclass(frozen=True)
class Wheel:
    """Where the parts of the wheel lie."""

    server: Path  # bin/tritonserver
    backends: Path
    stub: Path  # the stub process for this Python, as the wheel ships it
    libdir: str  # holds libpython
    numpy: str
    openvino: str

    def environment(self, venv: Path) -> dict[str, str]:
        """What tritonserver and its stub processes need to find python3, its packages, libpython."""
        env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        # a __pycache__ beside model.py would look like a changed model at every load
        env["PYTHONDONTWRITEBYTECODE"] = "1"
        env["PATH"] = f"{venv / 'bin'}{os.pathsep}{env.get('PATH', os.defpath)}"
        env["LD_LIBRARY_PATH"] = os.pathsep.join(
            part for part in (self.libdir, env.get("LD_LIBRARY_PATH", "")) if part
        )
        return env


def find_wheel(venv: Path) -> Wheel | None:
    """The wheel in `venv`; None when the venv's Python does not run."""
    try:
        answer = subprocess.run(
            [venv / "bin" / "python3", "-I", "-c", _PROBE],
            capture_output=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = json.loads(answer.stdout)
    home = Path(found["site"]) / "pytriton" / "tritonserver"
    return Wheel(
        server=home / "bin" / "tritonserver",
        backends=home / "backends",
        stub=home / "python_backend_stubs" / found["python"] / "triton_python_backend_stub",
        libdir=found["libdir"],
        numpy=found["numpy"],
        openvino=found["openvino"],
    )


def available(venv: Path) -> str | None:
    """None when Triton can run from `venv`, else one sentence that says why not."""
    return next(_defects(venv.absolute()), None)


def _defects(venv: Path) -> Iterator[str]:
    """What keeps Triton from running, the cause first."""
    machine = f"{platform.system()} on {platform.machine()}"
    if machine != "Linux on x86_64":
        yield f"Triton's wheel has no build for {machine}, only for Linux on x86_64."
    if not (venv / "bin" / "python3").exists():
        yield f"Triton's environment {venv} is absent; `{SETUP}` makes it."
    wheel = find_wheel(venv)
    if wheel is None:
        yield f"The Python in {venv} does not run; remove that folder and run `{SETUP}`."
        return
    missing = [p.name for p in (wheel.server, wheel.backends, wheel.stub) if not p.exists()]
    if missing:
        yield f"{venv} lacks Triton's {', '.join(missing)}; run `{SETUP}`."
    if not wheel.numpy.startswith("1."):
        yield (
            f"{venv} holds numpy {wheel.numpy or 'not at all'}; Triton's Python backend answers "
            f"with empty bodies unless it is below 2. Run `{SETUP}`."
        )
    if not wheel.openvino:
        yield f"{venv} lacks openvino; run `{SETUP}`."
    try:  # an old C library or a missing shared library shows here, in 30 ms
        tried = subprocess.run(
            [wheel.server, "--help"],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            env=wheel.environment(venv),
        )
        said = (tried.stdout + tried.stderr).strip()
    except (OSError, subprocess.SubprocessError) as error:
        said = str(error)
    if "Usage: tritonserver" not in said:
        yield f"tritonserver cannot start: {said.splitlines()[0] if said else 'no reason given'}."


def put_stub(wheel: Wheel) -> None:
    """Copy the stub beside the backend unless it is there; safe when two servers start at once."""
    target = wheel.backends / "python" / wheel.stub.name
    if target.exists() and target.stat().st_size == wheel.stub.stat().st_size:
        return
    handle, temporary = tempfile.mkstemp(dir=target.parent)
    os.close(handle)
    shutil.copyfile(wheel.stub, temporary)
    Path(temporary).chmod(0o755)
    Path(temporary).replace(target)
