"""A new version goes on the server only when it answers rightly; else everything stays as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.model_deployer.engines.parity import (
    ParityReport,
    Tolerance,
    drawn_batch,
    frames_batch,
    onnx_against_server,
)
from shared.errors import Conflict, NotFound, Terminal
from shared.progress.report import Report, silent
from shared.serving.port import ModelServer, ModelSpec
from shared.serving.repository import ModelRepository


@dataclass(frozen=True)
class Deployed:
    """A version that the server holds and that answers as its file does."""

    spec: ModelSpec
    server: str  # its name and version
    parity: ParityReport


def deploy(
    repository: ModelRepository,
    server: ModelServer,
    name: str,
    version: int | None,
    onnx: Path,
    *,
    classes: Sequence[str],
    image_size: int,
    frames: Sequence[Path] = (),
    task: str = "detect",
    kept_versions: int = 2,
    pinned: Sequence[int] = (),
    tolerance: Tolerance | None = None,
    report: Report = silent,
) -> Deployed:
    """Write the version, load it, compare it with its file on `frames` (drawn pictures without any).

    When the server refuses it or it answers wrongly, the version is removed, the older ones stay
    served, and the reason is raised; versions in `pinned` stay served however old they are; when the server does not answer, everything is left for the
    next attempt. A repeated call with the same file changes nothing.
    """
    before = repository.served(name)
    report(0.0, "writing the model repository")
    spec = repository.write(
        name,
        version,
        onnx,
        classes=classes,
        task=task,
        image_size=image_size,
        kept_versions=kept_versions,
        pinned=pinned,
    )
    try:
        report(0.3, "loading")
        server.load(name)
        report(0.7, "comparing answers")
        batch = frames_batch(frames, image_size) if frames else drawn_batch(image_size)
        parity = onnx_against_server(onnx, server, spec, batch, tolerance)
    except Terminal:
        if spec.version not in before:
            _give_up(repository, server, spec, before)
        raise
    report(1.0, "deployed")
    return Deployed(spec, server.alive(), parity)


def roll_back(repository: ModelRepository, server: ModelServer, name: str) -> ModelSpec:
    """Serve the version before the newest one served; its files stay, so `serve` can bring it back."""
    served = repository.served(name)
    older = [v for v in repository.versions(name) if served and v < served[-1]]
    if not older:
        raise Conflict(f"Model {name} has no older version to go back to.")
    repository.serve(name, served[:-1] or older[-1:])
    server.load(name)
    return server.spec(name)


def withdraw(repository: ModelRepository, server: ModelServer, name: str) -> None:
    """Take a model off the server, also for the server's next start; its files stay."""
    if not repository.served(name):
        raise NotFound(f"There is no model {name} to unload; GET /models lists what there is.")
    repository.want(name, loaded=False)
    server.unload(name)


def forget(repository: ModelRepository, server: ModelServer, name: str, version: int) -> None:
    """Take one version off the server and remove its files for good; harmless when it is absent."""
    left = [other for other in repository.versions(name) if other != version]
    if left:
        repository.remove(name, version)
        if repository.wanted(name):
            server.load(name)
        return
    repository.want(name, loaded=False)  # or whoever looks after the server brings it back
    server.unload(name)
    repository.remove(name, version)


def bring_back(repository: ModelRepository, server: ModelServer, name: str) -> ModelSpec:
    """Load a model that was withdrawn."""
    repository.want(name, loaded=True)
    server.load(name)
    return server.spec(name)


def _give_up(
    repository: ModelRepository, server: ModelServer, spec: ModelSpec, before: list[int]
) -> None:
    """Remove the refused version, then serve what was served before it."""
    repository.remove(spec.name, spec.version)
    if before:
        repository.serve(spec.name, before)
        server.load(spec.name)
    else:
        server.unload(spec.name)
