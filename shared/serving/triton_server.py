"""Models served by Triton, over gRPC."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import Future
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import structlog

from shared.errors import ActverseError, NotFound, Terminal, Unavailable
from shared.serving.batches import checked_batch, checked_output
from shared.serving.config_pbtxt import VERSIONS_KEY, spec_from
from shared.serving.port import Batch, ModelSpec, RawOutput, ServedModel
from shared.serving.repository import ModelRepository
from shared.serving.triton_errors import Lost, explained, without_trace
from shared.serving.triton_memory import Loan, SharedRegions
from shared.serving.triton_wire import CHANNEL, address_of, array_of, tensor_of, wanted
from shared.settings import Settings

if TYPE_CHECKING:
    from tritonclient.grpc import InferenceServerClient

SHORT_S = 10.0  # for questions that need no work
LOAD_S = 300.0  # one load or unload
ENGINE_S = 1800.0  # the same where TensorRT builds its engine while loading
BUSY_STATES = ("READY", "LOADING", "UNLOADING")

log = structlog.get_logger()


class TritonModelServer:
    """A Triton server at `triton://host:port`, the port being that of gRPC (`grpc://` is the same).

    `timeout_s` bounds one inference request, its time in the queue included; `load_timeout_s` one
    load or unload. Safe to share between threads; a forked child opens its own connection.

    `repository`, where this machine can read it, says which models belong on the server. A server
    under explicit control that comes back has loaded none: it gets each of them again when
    somebody asks for it. What was unloaded by `unload` stays off.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 60.0,
        load_timeout_s: float = LOAD_S,
        repository: ModelRepository | None = None,
    ) -> None:
        self.address = address_of(url)
        self.timeout_s = timeout_s
        self.load_timeout_s = load_timeout_s
        self.repository = repository
        self._lock = Lock()
        self._healing = Lock()  # one load for all who wait for it
        self._client: Any = None
        self._pid = 0  # of the process that opened it
        self._dead: set[str] = set()  # models whose Python process was found dead
        self._lost: Any = None  # the connection that found nobody
        self._regions = SharedRegions(self.address)

    @classmethod
    def from_settings(cls, settings: Settings) -> TritonModelServer:
        """The server and the repository of the settings."""
        return cls(
            settings.model_server,
            load_timeout_s=ENGINE_S if settings.model.tensorrt else LOAD_S,
            repository=ModelRepository.from_settings(settings.model),
        )

    def alive(self) -> str:
        """Name and version, as in "triton 2.51.0"."""
        about = self._ask("get_server_metadata", client_timeout=SHORT_S)
        return f"{about.name} {about.version}"

    def load(self, name: str) -> None:
        """Read the model again; its versions answer until the new ones do."""
        try:
            self._ask("load_model", name, client_timeout=self.load_timeout_s)
        except Terminal as error:
            if "failed to poll from model repository" not in str(error):
                raise
            if any(m.name == name for m in self._index()):
                raise Terminal(
                    f"Triton at {self.address} cannot read the config.pbtxt of {name}; its log says which line."
                ) from error
            raise NotFound(
                f"Triton at {self.address} finds no model {name} in its repository; deploy it first."
            ) from error

    def unload(self, name: str) -> None:
        """Return when the last version is off the server."""
        self._ask("unload_model", name, client_timeout=self.load_timeout_s)
        deadline = time.monotonic() + self.load_timeout_s
        while any(m.state in BUSY_STATES for m in self._index() if m.name == name):
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"Triton at {self.address} did not unload {name} within {self.load_timeout_s:.0f} s; requests may still run."
                )
            time.sleep(0.02)

    def models(self) -> list[ServedModel]:
        """As Triton's index lists them; version 0 stands for a model that was never loaded."""
        server = self.alive()
        return [
            ServedModel(
                name=m.name,
                version=int(m.version or 0),
                state=m.state or "UNAVAILABLE",
                reason=without_trace(m.reason),
                server=server,
            )
            for m in self._index()
        ]

    def spec(self, name: str, version: int | None = None) -> ModelSpec:
        """From the `parameters` of the loaded configuration."""
        try:
            version, answer = self._configuration(name, version)
        except NotFound:
            if not self._brought_back(name):
                raise
            version, answer = self._configuration(name, version)
        try:
            versions = json.loads(answer.config.parameters[VERSIONS_KEY].string_value)
            return spec_from(name, version, versions[str(version)])
        except (KeyError, ValueError) as error:
            raise Terminal(
                f"The config.pbtxt of {name} does not describe version {version} ({error!r}); "
                "it was not written by this project. Deploy the model again."
            ) from error

    def _configuration(self, name: str, version: int | None) -> tuple[int, Any]:
        if version is None:
            ready = [int(m.version) for m in self._index() if m.name == name and m.state == "READY"]
            if not ready:
                raise NotFound(
                    f"Model {name} is not loaded on Triton at {self.address}; deploy it first."
                )
            version = max(ready)
        return version, self._ask("get_model_config", name, str(version), client_timeout=SHORT_S)

    def infer(self, spec: ModelSpec, batch: Batch) -> RawOutput:
        """Wait for one answer."""
        return self.submit(spec, batch).result()

    def submit(self, spec: ModelSpec, batch: Batch) -> Future[RawOutput]:
        """Errors of the request, also of its sending, come out of the future."""
        future: Future[RawOutput] = Future()
        future.set_running_or_notify_cancel()  # the answer cannot be taken back, so nobody may cancel
        self._send(spec, checked_batch(spec, batch), future, self.repository is not None)
        return future

    def _send(
        self,
        spec: ModelSpec,
        batch: Batch,
        future: Future[RawOutput],
        again: bool,
        shared: bool = True,
    ) -> None:
        """`again`: a model that the server does not know may be loaded. `shared`: memory may be."""
        try:
            self._revive(spec.name)
        except ActverseError as error:
            future.set_exception(error)
            return
        client = self._connection()
        loan = self._regions.lend(client, batch.nbytes) if shared else Loan()

        asked = (spec, batch, future)

        def answered(result: Any, error: Exception | None) -> None:
            # sending again may wait for the server, which the thread of its answers must not do
            if loan.over(error):
                Thread(target=self._send, args=(*asked, again, False), daemon=True).start()
                return
            try:
                if error is not None:
                    raise self._explained(error, spec.name, client)
                future.set_result(checked_output(spec, len(batch), array_of(result)))
            except NotFound as absent:
                if again:
                    Thread(target=self._send_again, args=(*asked, absent), daemon=True).start()
                else:
                    future.set_exception(absent)
            except ActverseError as told:
                future.set_exception(told)

        try:
            client.async_infer(
                spec.name,
                [tensor_of(batch, loan.region)],
                answered,
                model_version=str(spec.version),
                outputs=wanted(),
                client_timeout=self.timeout_s,
            )
        except Exception as error:  # noqa: BLE001 - a closed channel raises ValueError here
            loan.over(error)
            future.set_exception(self._explained(error, spec.name, client))

    def _send_again(
        self, spec: ModelSpec, batch: Batch, future: Future[RawOutput], absent: NotFound
    ) -> None:
        try:
            if not self._brought_back(spec.name):
                raise absent
            self._send(spec, batch, future, False)
        except ActverseError as error:
            future.set_exception(error)

    def _brought_back(self, name: str) -> bool:
        """Load a model that the server has forgotten; whether it is there now."""
        if self.repository is None:
            return False
        with self._healing:
            listed = [m for m in self._index() if m.name == name]
            if any(m.state == "READY" for m in listed):
                return True  # somebody else was quicker
            # one that was taken off has that as its reason; one never loaded has no state at all
            if not listed or any(m.state or m.reason for m in listed):
                return False
            if not self.repository.wanted(name):
                return False
            self.load(name)
            log.info("serving.model.brought_back", model=name, server=self.address)
            return True

    def close(self) -> None:
        """Requests in flight end as `Unavailable`; a later call connects again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            self._regions.close()
            client.close()

    def _connection(self) -> InferenceServerClient:
        """The connection of this process; a new one after a fork and after the server was gone.

        gRPC would wait longer and longer before it dials a lost server again; a fresh channel
        dials at once. The old one is closed here and not where it failed, which may be a callback.
        """
        from tritonclient.grpc import InferenceServerClient

        with self._lock:
            if self._pid not in (0, os.getpid()):
                self._regions = SharedRegions(self.address)  # the others are a parent process's
            client = self._client if self._pid == os.getpid() else None
            if client is not None and self._lost is client:
                client.close()
                client = None
            if client is None:
                client = InferenceServerClient(self.address, channel_args=CHANNEL)
            self._client, self._pid, self._lost = client, os.getpid(), None
            return client

    def _revive(self, name: str) -> None:
        """Start the Python process of a model again after it died; Triton itself does not.

        A plain load would find nothing changed. Loading the same configuration with one more
        parameter makes Triton replace the model, and nobody sees it absent meanwhile.
        """
        with self._lock:
            if name not in self._dead:
                return
            self._dead.discard(name)
        answer = self._ask("get_model_config", name, client_timeout=SHORT_S, as_json=True)
        answer["config"]["parameters"]["revived"] = {"string_value": str(time.time_ns())}
        config = json.dumps(answer["config"])
        self._ask("load_model", name, client_timeout=self.load_timeout_s, config=config)

    def _index(self) -> list[Any]:
        return list(self._ask("get_model_repository_index", client_timeout=SHORT_S).models)

    def _ask(self, verb: str, *args: str, client_timeout: float, **named: Any) -> Any:
        client = self._connection()
        try:
            return getattr(client, verb)(*args, client_timeout=client_timeout, **named)
        except Exception as error:
            raise self._explained(error, args[0] if args else "", client) from error

    def _explained(
        self, error: Exception, name: str, client: InferenceServerClient
    ) -> ActverseError:
        """One of our errors; what was lost is remembered for the next request."""
        told, lost = explained(error, f"Triton at {self.address}", name)
        if lost is Lost.CONNECTION:
            self._lost = client
        elif lost is Lost.PROCESS:
            self._dead.add(name)
        return told
