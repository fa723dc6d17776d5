"""Puts the model that everybody starts from on the server: the shipped one, or the operator's."""

from __future__ import annotations

import json
from pathlib import Path

from services.model_deployer.engines.port import exporter
from shared.errors import Conflict, NotFound, Terminal
from shared.serving.global_weights import operator_weights
from shared.serving.port import ModelServer, ModelSpec
from shared.serving.repository import ModelRepository, sha256_of

NAME = "global"


def install_global(
    repository: ModelRepository,
    server: ModelServer,
    models_dir: Path,
    global_weights: str | None,
    shipped: Path,
) -> ModelSpec:
    """Write the global model into the repository if it changed, load it if needed; its description.

    `shipped` is the folder with model.onnx and model.json (name, classes, task, image_size,
    onnx_sha256). `global_weights` names other weights: a path, or a file in `models_dir`; they are
    the operator's own word, so they are opened, and nothing is ever downloaded. Going back from
    them to the shipped model serves the shipped version again. May run at every start: when
    nothing changed it costs one file's digest and one question to the server.

    Raises `NotFound` or `Conflict` for files that are missing or damaged, and
    whatever the server says about the model.
    """
    if global_weights:
        spec = _write_operators(repository, models_dir, global_weights)
    else:
        spec = _write_shipped(repository, shipped)
    # the chosen version is the newest one served, also after a newer one was given up
    repository.serve(NAME, [v for v in repository.served(NAME) if v <= spec.version])
    if not _loaded(server, spec):
        server.load(NAME)
    return spec


def restore(repository: ModelRepository, server: ModelServer) -> dict[str, str]:
    """Load every model that belongs on the server and is not there: name -> "" or why it failed.

    For a production Triton that came back empty, or with all that lies in the repository; the
    embedded one loads them itself at its start. What was withdrawn is taken off again. A model that
    the server refuses does not keep the others out.
    """
    ready = {(m.name, m.version) for m in server.models() if m.state == "READY"}
    outcome: dict[str, str] = {}
    for name in {name for name, _ in ready} & set(repository.models()):
        if not repository.wanted(name):
            server.unload(name)
    for name in repository.to_load():
        if {(name, version) for version in repository.served(name)} <= ready:
            continue
        try:
            server.load(name)
            outcome[name] = ""
        except Terminal as error:
            outcome[name] = str(error)
    return outcome


def _write_shipped(repository: ModelRepository, shipped: Path) -> ModelSpec:
    onnx, about = shipped / "model.onnx", shipped / "model.json"
    if not onnx.is_file() or not about.is_file():
        raise NotFound(
            f"The shipped global model is absent ({onnx}); restore triton_models/global from the repository, "
            "or set GLOBAL_WEIGHTS to other weights."
        )
    said = json.loads(about.read_text())
    if sha256_of(onnx) != said["onnx_sha256"]:
        raise Conflict(
            f"{onnx} is not the file that model.json describes; restore both from the repository."
        )
    return repository.write(
        NAME, None, onnx, classes=said["classes"], task=said["task"], image_size=said["image_size"]
    )


def _write_operators(repository: ModelRepository, models_dir: Path, named: str) -> ModelSpec:
    weights = operator_weights(models_dir, named)
    digest = sha256_of(weights)
    # the converted file stays beside the operator's models, so that a restart does not convert again
    exported = exporter(weights.parent).export(
        weights, models_dir / ".converted" / f"{digest}.onnx", expected_sha256=digest
    )
    return repository.write(
        NAME,
        None,
        exported.onnx,
        classes=exported.classes,
        task=exported.task,
        image_size=exported.image_size,
    )


def _loaded(server: ModelServer, spec: ModelSpec) -> bool:
    try:
        return server.spec(NAME) == spec
    except NotFound:
        return False
