"""Writes Triton's `config.pbtxt` and reads back the two things that we need from it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from shared.serving.onnx_file import INPUT, OUTPUT, SYMBOLIC, Signature
from shared.serving.port import ModelSpec

PLATFORMS = ("python", "onnxruntime")  # the wheel's only backend; the one of NVIDIA's container

MAX_BATCH_SIZE = 16  # images in one run; a queue of small requests is joined up to this
VERSIONS_KEY = "versions"  # the parameter that describes each version

_POLICY = re.compile(r"version_policy:\s*{\s*specific:\s*{\s*versions:\s*\[([\d,\s]*)\]")


def config_text(
    specs: Sequence[ModelSpec], signature: Signature, platform: str, intra_op_threads: int
) -> str:
    """The configuration that serves `specs` (oldest first), whose shapes `signature` gives.

    `parameters` carries `versions` (our own: every version's classes, task, image size and sha256,
    as JSON) and `metadata` (the newest version, in the form that the Triton client of ultralytics
    reads, so that `YOLO("grpc://host:port/name", task="detect")` works on our server too).
    """
    input_dims: tuple[int, ...]
    output_dims: tuple[int, ...]
    if platform == "python":
        # versions may differ in classes and image size, and the Python backend lets them
        serving, kind = 'backend: "python"', "KIND_CPU"
        input_dims, output_dims = (3, SYMBOLIC, SYMBOLIC), (SYMBOLIC, SYMBOLIC)
        threads_key = "intra_op_threads"
    else:
        # the ONNX Runtime backend wants exactly the file's own shape
        serving, kind = 'platform: "onnxruntime_onnx"', "KIND_AUTO"
        input_dims, output_dims = signature.input_dims[1:], signature.output_dims[1:]
        threads_key = "intra_op_thread_count"
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
        threads_key: str(intra_op_threads),
    }
    return "\n".join(
        [
            "# Written by model_deployer; the versions beside it are described in their spec.json.",
            f"name: {_quoted(newest.name)}",
            serving,
            f"max_batch_size: {MAX_BATCH_SIZE}",
            f"input [ {_tensor(INPUT, input_dims)} ]",
            f"output [ {_tensor(OUTPUT, output_dims)} ]",
            "dynamic_batching { }",
            f"instance_group [ {{ count: 1, kind: {kind} }} ]",
            f"version_policy: {{ specific: {{ versions: [{', '.join(str(s.version) for s in specs)}] }} }}",
            *(
                f"parameters {{ key: {_quoted(key)}, value: {{ string_value: {_quoted(value)} }} }}"
                for key, value in parameters.items()
            ),
            "",
        ]
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
