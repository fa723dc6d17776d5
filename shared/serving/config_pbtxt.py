"""Writes Triton's `config.pbtxt` and reads back the two things that we need from it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.serving.onnx_file import INPUT, OUTPUT, SYMBOLIC, Signature
from shared.serving.port import ModelSpec

# the wheel's only backend; two of NVIDIA's container: any device, and processors only
PLATFORMS = ("python", "onnxruntime", "openvino")

MAX_BATCH_SIZE = 16  # images in one run; a queue of small requests is joined up to this
OPENVINO = ('backend: "openvino"', 'default_model_filename: "model.onnx"')
VERSIONS_KEY = "versions"  # the parameter that describes each version


@dataclass(frozen=True)
class Hardware:
    """What one model may use of the server's machine."""

    threads: int = 0  # processor threads of one run; 0 = one for each core
    gpu: bool = False  # the Python backend of the wheel has none
    instances: int = 1  # copies side by side, on each GPU
    tensorrt: bool = False  # half precision on the GPU
    engines: str = ""  # folder, as the server sees it, that keeps TensorRT's engines; "" = nowhere


_POLICY = re.compile(r"version_policy:\s*{\s*specific:\s*{\s*versions:\s*\[([\d,\s]*)\]")


def config_text(
    specs: Sequence[ModelSpec], signature: Signature, platform: str, hardware: Hardware
) -> str:
    """The configuration that serves `specs` (oldest first), whose shapes `signature` gives.

    `parameters` carries `versions` (our own: every version's classes, task, image size and sha256,
    as JSON) and `metadata` (the newest version, in the form that the Triton client of ultralytics
    reads, so that `YOLO("grpc://host:port/name", task="detect")` works on our server too).
    """
    input_dims: tuple[int, ...]
    output_dims: tuple[int, ...]
    serving: tuple[str, ...]
    batches: tuple[str, ...] = (f"max_batch_size: {MAX_BATCH_SIZE}", "dynamic_batching { }")
    kind = "KIND_CPU"
    if platform == "python":
        # versions may differ in classes and image size, and the Python backend lets them
        serving = ('backend: "python"',)
        input_dims, output_dims = (3, SYMBOLIC, SYMBOLIC), (SYMBOLIC, SYMBOLIC)
        own = {"intra_op_threads": str(hardware.threads)}
    elif platform == "openvino":
        # told a largest batch, this backend takes no smaller one: so the batch is an axis to it
        serving, batches = OPENVINO, ("max_batch_size: 0",)
        input_dims, output_dims = signature.input_dims, signature.output_dims
        own = _openvino(hardware)
    else:
        # the ONNX Runtime backend wants exactly the file's own shape
        serving = ('platform: "onnxruntime_onnx"',)
        kind = "KIND_GPU" if hardware.gpu else "KIND_CPU"
        input_dims, output_dims = signature.input_dims[1:], signature.output_dims[1:]
        own = {"intra_op_thread_count": str(hardware.threads)}
    newest = specs[-1]
    metadata = {
        "task": newest.task,
        "names": dict(enumerate(newest.classes)),
        "imgsz": [newest.image_size, newest.image_size],
        "stride": 32,
        "batch": 1,
        "channels": 3,
        "end2end": False,
    }
    parameters = {
        "metadata": repr(metadata),
        VERSIONS_KEY: json.dumps({str(spec.version): described(spec) for spec in specs}),
        **own,
    }
    return "\n".join(
        [
            "# Written by model_deployer; the versions beside it are described in their spec.json.",
            f"name: {_quoted(newest.name)}",
            *serving,
            *batches,
            f"input [ {_tensor(INPUT, input_dims)} ]",
            f"output [ {_tensor(OUTPUT, output_dims)} ]",
            f"instance_group [ {{ count: {hardware.instances}, kind: {kind} }} ]",
            *(_tensorrt(newest, hardware) if kind == "KIND_GPU" and hardware.tensorrt else ()),
            f"version_policy: {{ specific: {{ versions: [{', '.join(str(s.version) for s in specs)}] }} }}",
            *(
                f"parameters {{ key: {_quoted(key)}, value: {{ string_value: {_quoted(value)} }} }}"
                for key, value in parameters.items()
            ),
            "",
        ]
    )


def _openvino(hardware: Hardware) -> dict[str, str]:
    """One request has all threads, or each instance a share of them."""
    alone = hardware.instances == 1
    wanted = {
        "PERFORMANCE_HINT": "LATENCY" if alone else "THROUGHPUT",
        "NUM_STREAMS": str(hardware.instances),
    }
    if hardware.threads:
        wanted["INFERENCE_NUM_THREADS"] = str(hardware.threads)
    return wanted


def _tensorrt(spec: ModelSpec, hardware: Hardware) -> tuple[str, ...]:
    """TensorRT inside the ONNX Runtime backend.

    Its engine holds for a range of shapes. Ours are named, from one image to a full batch, so that
    it is built once while the model loads and not again for every batch size that comes along.
    """
    side = spec.image_size
    shapes = {"min": 1, "opt": MAX_BATCH_SIZE // 2, "max": MAX_BATCH_SIZE}
    options = {
        "precision_mode": "FP16",
        "max_workspace_size_bytes": str(1 << 30),
        **{f"trt_profile_{n}_shapes": f"{INPUT}:{b}x3x{side}x{side}" for n, b in shapes.items()},
    }
    if hardware.engines:
        options |= {
            "trt_engine_cache_enable": "true",
            "trt_engine_cache_path": f"{hardware.engines}/{spec.name}",
        }
    parameters = " ".join(
        f"parameters {{ key: {_quoted(key)}, value: {_quoted(value)} }}"
        for key, value in options.items()
    )
    accelerator = f'[ {{ name: "tensorrt" {parameters} }} ]'
    return (
        f"optimization {{ execution_accelerators {{ gpu_execution_accelerator {accelerator} }} }}",
    )


def policy_versions(text: str) -> tuple[int, ...]:
    """The versions that a configuration names, ascending; empty when it names none."""
    found = _POLICY.search(text)
    return tuple(sorted(int(v) for v in found[1].split(",") if v.strip())) if found else ()


def described(spec: ModelSpec) -> dict[str, object]:
    """A version as plain values, for JSON."""
    return {
        "classes": list(spec.classes),
        "task": spec.task,
        "image_size": spec.image_size,
        "sha256": spec.sha256,
    }


def spec_from(name: str, version: int, values: Mapping[str, object]) -> ModelSpec:
    """The inverse of `described`; raises KeyError or ValueError when something is missing."""
    classes = values["classes"]
    if not isinstance(classes, list):
        raise ValueError("classes is not a list")  # noqa: TRY004 - callers know one class for bad content
    return ModelSpec(
        name=name,
        version=version,
        classes=tuple(map(str, classes)),
        task=str(values["task"]),
        image_size=int(str(values["image_size"])),
        sha256=str(values["sha256"]),
    )


def _tensor(name: str, dims: Sequence[int]) -> str:
    return f"{{ name: {_quoted(name)}, data_type: TYPE_FP32, dims: [{', '.join(map(str, dims))}] }}"


def _quoted(text: str) -> str:
    """`text` as a protobuf text string: bytes outside printable ASCII become octal escapes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').encode()
    plain = (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}" for byte in escaped)
    return f'"{"".join(plain)}"'
