"""Models run by OpenVINO in the calling process: where Triton's wheel has no build or cannot start.

There is no server, so what "the server" holds is what the repository says: the versions named in
`config.pbtxt`, unless the model is marked as unloaded. Every process of the mesh reads the same
folder and opens a model when it first needs it; a load in one process shows in all of them.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

from shared.errors import Invalid, NotFound, Terminal, Unavailable
from shared.serving.batches import checked_batch, checked_output
from shared.serving.openvino_network import Network
from shared.serving.port import Batch, ModelSpec, RawOutput, ServedModel
from shared.serving.repository import ModelRepository
from shared.settings import Settings

IN_FLIGHT = 2  # one run keeps the cores busy, the second fills the gaps between two runs


class OpenVinoServer:
    """The port without a server; `reason` says why not Triton, and is shown in the model list."""

    def __init__(self, repository: ModelRepository, reason: str) -> None:
        self.repository = repository
        self.reason = reason
        self._lock = threading.RLock()
        self._networks: dict[ModelSpec, Network] = {}
        self._inherited: dict[ModelSpec, Network] = {}  # a parent process's
        self._refused: dict[ModelSpec, str] = {}  # versions that could not be opened, and why
        self._workers: ThreadPoolExecutor | None = None
        self._pid = os.getpid()

    @classmethod
    def from_url(cls, url: str) -> Self:
        """From `openvino:<repository folder>?reason=<sentence>`."""
        parts = urlsplit(url)
        if parts.scheme != "openvino":
            raise Invalid(f"{url!r} is no address of this server; write openvino:triton_models.")
        reason = parse_qs(parts.query).get("reason", ["chosen in the settings"])[0]
        return cls(ModelRepository(Path(parts.path or "triton_models")), reason)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The repository of the settings; an address without a folder means theirs."""
        server = cls.from_url(settings.model_server)
        root = server.repository.root
        if not urlsplit(settings.model_server).path:
            root = settings.model.repository
        server.repository = ModelRepository(root, intra_op_threads=settings.model.threads)
        return server

    def alive(self) -> str:
        """Name and version, as in "openvino 2026.4.1 (in process: <why>)"."""
        try:
            return f"openvino {metadata.version('openvino')} (in process: {self.reason})"
        except metadata.PackageNotFoundError as error:
            raise Unavailable("OpenVINO is not installed; run setup.sh again.") from error

    def load(self, name: str) -> None:
        """Open every version that the repository serves; one that fails leaves the others in use."""
        served = self.repository.served(name)
        if not served:
            raise NotFound(f"The model repository has no model {name} to serve; deploy it first.")
        self.repository.want(name, loaded=True)
        with self._lock:
            for version in served:
                self._refused.pop(self.repository.spec(name, version), None)
            failed = []
            for version in served:
                try:
                    self._network(self.repository.spec(name, version))
                except Terminal as error:
                    failed.append(str(error))
        if failed:
            raise Terminal(" ".join(failed))

    def unload(self, name: str) -> None:
        """Close all versions, and mark the model so that other processes refuse it too."""
        self.repository.want(name, loaded=False)
        with self._lock:
            for spec in [s for s in self._networks if s.name == name]:
                del self._networks[spec]

    def models(self) -> list[ServedModel]:
        """Every version on disk; READY when it is served and nothing was found wrong with it."""
        server, found = self.alive(), []
        for name in self.repository.models():
            served = self.repository.served(name)
            for version in self.repository.versions(name):
                reason = self._refused.get(self.repository.spec(name, version), "")
                if not self.repository.wanted(name):
                    reason = "unloaded"
                elif version not in served:
                    reason = "not served"
                state = "UNAVAILABLE" if reason else "READY"
                found.append(ServedModel(name, version, state, reason, server))
        return found

    def spec(self, name: str, version: int | None = None) -> ModelSpec:
        """From the repository; a version that is not served counts as absent."""
        served = self.repository.served(name) if self.repository.wanted(name) else []
        served = [v for v in served if self.repository.spec(name, v) not in self._refused]
        if not served or (version is not None and version not in served):
            wanted = name if version is None else f"{name} version {version}"
            raise NotFound(f"Model {wanted} is not loaded; deploy it first.")
        return self.repository.spec(name, served[-1] if version is None else version)

    def infer(self, spec: ModelSpec, batch: Batch) -> RawOutput:
        """Run in the calling thread."""
        batch = checked_batch(spec, batch)
        network = self._network(self.spec(spec.name, spec.version))
        try:
            output = network.run(batch)
        except Exception as error:
            raise Terminal(
                f"OpenVINO could not run {spec.name} version {spec.version}: {error}"
            ) from error
        return checked_output(spec, len(batch), output)

    def submit(self, spec: ModelSpec, batch: Batch) -> Future[RawOutput]:
        """Run in one of a few threads; requests wait in order."""
        batch = checked_batch(spec, batch)
        with self._lock:
            self._forget_parent()
            if self._workers is None:
                self._workers = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="openvino")
            return self._workers.submit(self.infer, spec, batch)

    def close(self) -> None:
        """Finish what is in flight and let go of the models; a later call opens them again."""
        with self._lock:
            workers, self._workers = self._workers, None
            self._networks.clear()
        if workers is not None:
            workers.shutdown(wait=True)

    def _network(self, spec: ModelSpec) -> Network:
        """The opened model; raises `Terminal` with OpenVINO's reason."""
        with self._lock:
            self._forget_parent()
            if spec not in self._networks:
                try:
                    self._networks[spec] = Network(
                        self.repository.onnx(spec.name, spec.version),
                        self.repository.hardware.threads,
                    )
                except Exception as error:
                    self._refused[spec] = str(error)
                    raise Terminal(
                        f"OpenVINO refused {spec.name} version {spec.version}: {error}"
                    ) from error
            return self._networks[spec]

    def _forget_parent(self) -> None:
        """Threads do not survive a fork: a child opens its own.

        What the parent had opened is kept aside: freeing it would wait for threads that are not here.
        """
        if self._pid != os.getpid():
            self._pid, self._workers = os.getpid(), None
            self._inherited, self._networks = self._networks, {}
