"""Reads from an ONNX file what a model server's configuration must say about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import Invalid

INPUT, OUTPUT = "images", "output0"  # the names that ultralytics gives the tensors of a detector
SYMBOLIC = -1  # an axis of any length, as Triton writes it


@dataclass(frozen=True)
class Signature:
    """The shapes of the one input and the one output, as the file declares them."""

    input_dims: tuple[int, ...]  # (batch, 3, height, width); SYMBOLIC where any length goes
    output_dims: tuple[int, ...]  # (batch, 4 + classes, anchors)


def read_signature(path: Path, *, classes: int, image_size: int) -> Signature:
    """The signature of `path`; raises `Invalid` when it is no detector of this shape.

    Checked here, because a server that accepts such a file answers nonsense later: fp32, square
    input of `image_size`, a batch axis that grows, 4 box rows and one score row for each class.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except (DecodeError, OSError) as error:
        raise Invalid(
            f"{path.name} is not an ONNX file ({error}); export the model again."
        ) from error
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    names = [value.name for value in (*inputs, *graph.output)]
    if names != [INPUT, OUTPUT]:
        raise Invalid(
            f"{path.name} has the tensors {', '.join(names)}; a detector has the input {INPUT} and the output {OUTPUT}."
        )
    given, answered = inputs[0], graph.output[0]
    for value in (given, answered):
        if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
            raise Invalid(f"{value.name} of {path.name} is not fp32; export without half or int8.")
    signature = Signature(_dims(given), _dims(answered))
    _fits(signature.input_dims, (SYMBOLIC, 3, image_size, image_size), INPUT, path)
    _fits(signature.output_dims, (SYMBOLIC, 4 + classes, SYMBOLIC), OUTPUT, path)
    return signature


def _dims(value: Any) -> tuple[int, ...]:
    return tuple(
        axis.dim_value if axis.HasField("dim_value") else SYMBOLIC
        for axis in value.type.tensor_type.shape.dim
    )


def _fits(dims: tuple[int, ...], wanted: tuple[int, ...], name: str, path: Path) -> None:
    """The batch axis must be symbolic; any other may be, or must be what is wanted."""
    fits = len(dims) == len(wanted) and dims[0] == SYMBOLIC
    fits = fits and all(SYMBOLIC in (d, w) or d == w for d, w in zip(dims, wanted, strict=True))
    if not fits:
        raise Invalid(
            f"{name} of {path.name} has the shape {dims} where {wanted} is needed (-1 is any length): "
            "export with a dynamic batch axis, without built-in suppression, and name the classes "
            "and the image size that the model was trained with."
        )
