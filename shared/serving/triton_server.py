"""Models served by Triton, over gRPC."""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from shared.errors import ActverseError, Invalid, NotFound, Terminal, Unavailable
from shared.serving.batches import checked_batch, checked_output
from shared.serving.config_pbtxt import VERSIONS_KEY, spec_from
from shared.serving.onnx_file import INPUT, OUTPUT
from shared.serving.port import Batch, ModelSpec, RawOutput, ServedModel

if TYPE_CHECKING:
    from tritonclient.grpc import InferenceServerClient

SHORT_S = 10.0  # for questions that need no work
BUSY_STATES = ("READY", "LOADING", "UNLOADING")
CHANNEL = [
    ("grpc.max_send_message_length", 2**31 - 1),  # a batch of 16 at 1280 px has 300 MB
    ("grpc.max_receive_message_length", 2**31 - 1),
    # a server that comes back is found again within a second, not within gRPC's two minutes
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
]


class TritonModelServer:
    """A Triton server at `triton://host:port`, the port being that of gRPC (`grpc://` is the same).

    `timeout_s` bounds one inference request, its time in the queue included; `load_timeout_s` one
    load or unload. Safe to share between threads; a forked child opens its own connection.
    """

    def __init__(self, url: str, *, timeout_s: float = 60.0, load_timeout_s: float = 300.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("triton", "grpc") or not parts.hostname or not parts.port:
            raise Invalid(
                f"{url!r} is no Triton address; write triton://host:port, with the port of gRPC (8001)."
            )
        self.address = f"{parts.hostname}:{parts.port}"
        self.timeout_s = timeout_s
        self.load_timeout_s = load_timeout_s
        self._lock = threading.Lock()
        self._client: Any = None
        self._pid = 0  # of the process that opened it
        self._dead: set[str] = set()  # models whose Python process was found dead
        self._lost: Any = None  # the connection that found nobody

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
                reason=m.reason.partition("\n\nAt:")[0],
                server=server,
            )
            for m in self._index()
        ]

    def spec(self, name: str, version: int | None = None) -> ModelSpec:
        """From the `parameters` of the loaded configuration."""
        if version is None:
            ready = [int(m.version) for m in self._index() if m.name == name and m.state == "READY"]
            if not ready:
                raise NotFound(
                    f"Model {name} is not loaded on Triton at {self.address}; deploy it first."
                )
            version = max(ready)
        answer = self._ask("get_model_config", name, str(version), client_timeout=SHORT_S)
        try:
            versions = json.loads(answer.config.parameters[VERSIONS_KEY].string_value)
            return spec_from(name, version, versions[str(version)])
        except (KeyError, ValueError) as error:
            raise Terminal(
                f"The config.pbtxt of {name} does not describe version {version} ({error!r}); "
                "it was not written by this project. Deploy the model again."
            ) from error

    def infer(self, spec: ModelSpec, batch: Batch) -> RawOutput:
        """Wait for one answer."""
        return self.submit(spec, batch).result()

    def submit(self, spec: ModelSpec, batch: Batch) -> Future[RawOutput]:
        """Errors of the request, also of its sending, come out of the future."""
        from tritonclient.grpc import InferInput, InferRequestedOutput

        batch = checked_batch(spec, batch)
        given = InferInput(INPUT, list(batch.shape), "FP32")
        given.set_data_from_numpy(batch)
        future: Future[RawOutput] = Future()
        future.set_running_or_notify_cancel()  # the answer cannot be taken back, so nobody may cancel

        try:
            self._revive(spec.name)
        except ActverseError as error:
            future.set_exception(error)
            return future
        client = self._connection()

        def answered(result: Any, error: Exception | None) -> None:
            try:
                if error is not None:
                    raise self._explained(error, spec.name, client)
                future.set_result(checked_output(spec, len(batch), _array(result)))
            except ActverseError as explained:
                future.set_exception(explained)

        try:
            client.async_infer(
                spec.name,
                [given],
                answered,
                model_version=str(spec.version),
                outputs=[InferRequestedOutput(OUTPUT)],
                client_timeout=self.timeout_s,
            )
        except Exception as error:  # noqa: BLE001 - a closed channel raises ValueError here
            future.set_exception(self._explained(error, spec.name, client))
        return future

    def close(self) -> None:
        """Requests in flight end as `Unavailable`; a later call connects again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None and self._pid == os.getpid():
            client.close()

    def _connection(self) -> InferenceServerClient:
        """The connection of this process; a new one after a fork and after the server was gone.

        gRPC would wait longer and longer before it dials a lost server again; a fresh channel
        dials at once. The old one is closed here and not where it failed, which may be a callback.
        """
        from tritonclient.grpc import InferenceServerClient

        with self._lock:
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
        """An error of Triton or gRPC as one of ours, with Triton's own words in it."""
        from tritonclient.utils import InferenceServerException

        if isinstance(error, ActverseError):
            return error
        where = f"Triton at {self.address}"
        if not isinstance(error, InferenceServerException):
            return Unavailable(f"{where} cannot be asked: {type(error).__name__}: {error}")
        status, said = str(error.status()).rpartition(".")[2], str(error.message()).strip()
        said = said.partition("\n\nAt:")[0]  # without the trace of Triton's own Python
        explained: ActverseError = Terminal(f"{where} refused {name or 'the request'}: {said}")
        if "unknown model" in said.lower():
            explained = NotFound(
                f"{where} has not loaded this version of {name} ({said}); deploy it first."
            )
        elif "tub process" in said:  # the next request starts it again
            self._dead.add(name)
            explained = Unavailable(
                f"{where} lost the process that runs {name} ({said}); it will be started again."
            )
        elif status == "DEADLINE_EXCEEDED":
            explained = Unavailable(f"{where} did not answer in time; it hangs or is overloaded.")
        elif status in ("UNAVAILABLE", "CANCELLED"):
            self._lost = client
            explained = Unavailable(f"{where} does not answer ({said}).")
        return explained


def _array(result: Any) -> RawOutput:
    """The answer's body; a Python backend on numpy 2 announces a shape and sends no bytes."""
    bodies = result.get_response().raw_output_contents
    if not bodies or not bodies[0]:
        raise Terminal(
            "Triton answered with an empty body: its environment holds numpy 2 where its Python "
            "backend needs numpy below 2. Run `deploy/local/setup.sh triton`."
        )
    output: RawOutput = np.asarray(result.as_numpy(OUTPUT), dtype=np.float32)
    return output
