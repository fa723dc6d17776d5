"""Addresses, options and tensors as Triton's gRPC interface wants them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import numpy as np

from shared.errors import Invalid, Terminal
from shared.serving.onnx_file import INPUT, OUTPUT
from shared.serving.port import Batch, RawOutput
from shared.serving.triton_memory import Region

CHANNEL = [
    ("grpc.max_send_message_length", 2**31 - 1),  # a batch of 16 at 1280 px has 300 MB
    ("grpc.max_receive_message_length", 2**31 - 1),
    # a server that comes back is found again within a second, not within gRPC's two minutes
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
]


def address_of(url: str) -> str:
    """`triton://host:8001` (or `grpc://`) to "host:8001"; raises `Invalid`."""
    parts = urlsplit(url)
    if parts.scheme not in ("triton", "grpc") or not parts.hostname or not parts.port:
        raise Invalid(
            f"{url!r} is no Triton address; write triton://host:port, with the port of gRPC (8001)."
        )
    return f"{parts.hostname}:{parts.port}"


def tensor_of(batch: Batch, region: Region | None = None) -> Any:
    """The one input of a request; with `region` it names the place to which the batch is copied."""
    from tritonclient.grpc import InferInput

    given = InferInput(INPUT, list(batch.shape), "FP32")
    if region is None:
        return given.set_data_from_numpy(batch)
    region.put(batch)
    return given.set_shared_memory(region.name, batch.nbytes)


def wanted() -> list[Any]:
    """The one output of a request."""
    from tritonclient.grpc import InferRequestedOutput

    return [InferRequestedOutput(OUTPUT)]


def array_of(result: Any) -> RawOutput:
    """The answer's body; a Python backend on numpy 2 announces a shape and sends no bytes."""
    bodies = result.get_response().raw_output_contents
    if not bodies or not bodies[0]:
        raise Terminal(
            "Triton answered with an empty body: its environment holds numpy 2 where its Python "
            "backend needs numpy below 2. Run `deploy/local/setup.sh triton`."
        )
    output: RawOutput = np.asarray(result.as_numpy(OUTPUT), dtype=np.float32)
    return output
