"""The gate before a model is served: its forms must answer alike on the user's own frames.

The weights against the ONNX file, then the ONNX file against the model server's answer. Conversion
and serving can go wrong silently: a fused operator, a wrong opset, a class list of another version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.model_deployer.engines.weights import open_detector, verified
from services.model_deployer.errors import ParityFailed
from shared.errors import NotFound
from shared.serving.openvino_network import Network
from shared.serving.port import Batch, ModelServer, ModelSpec, RawOutput
from shared.vision.boxes import Detections, Letterbox
from shared.vision.geometry import letterbox, non_max_suppression, to_batch

FRAMES = 8
CONFIDENCE = 0.25
SUPPRESSION_IOU = 0.7
UNMATCHED_BOX_PX = 8  # farther than so many times the tolerance it is not the same box at all

RawImage = NDArray[np.float32]  # (4 + classes, anchors), one image of a RawOutput


@dataclass(frozen=True)
class Tolerance:
    """How far two forms may differ. fp32 on one processor differs by 1e-3 px; TF32 on a GPU by more."""

    box_px: float = 1.0  # after thresholding, any edge, pixels of the square input
    score: float = 0.01  # after thresholding
    raw_box_px: float = 4.0  # any anchor, thresholded or not
    raw_score: float = 0.02


@dataclass(frozen=True)
class ParityReport:
    """How alike two forms of a model answered."""

    left: str
    right: str
    frames: int
    detections: int  # of `left`, over all frames, after thresholding
    unmatched: int  # detections of either side that the other has nowhere
    box_px: float  # largest difference of an edge among matched detections
    score: float  # largest difference of a confidence among matched detections
    raw_box_px: float  # largest absolute difference of a raw box value
    raw_score: float  # largest absolute difference of a raw score

    def figures(self) -> dict[str, Any]:
        """Plain values, for an event."""
        return asdict(self)


def frames_batch(frames: Sequence[Path], image_size: int, count: int = FRAMES) -> Batch:
    """`count` of `frames`, evenly spread, letterboxed; all of them when there are fewer."""
    if not frames:
        raise NotFound("There are no frames to compare the model's forms on; extract frames first.")
    ordered = sorted(frames)
    chosen = np.unique(np.linspace(0, len(ordered) - 1, count).round().astype(int))
    canvases = []
    for index in chosen:
        image = cv2.imread(str(ordered[index]), cv2.IMREAD_COLOR)
        if image is None:
            raise NotFound(
                f"The frame {ordered[index].name} is missing or no image; extract the frames again."
            )
        rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)
        canvases.append(letterbox(rgb, image_size)[0])
    return to_batch(canvases)


def drawn_batch(image_size: int, count: int = FRAMES) -> Batch:
    """Pictures for a model that comes without frames: textured ground with a few ellipses, seeded."""
    random = np.random.default_rng(8)
    canvases: list[NDArray[np.uint8]] = []
    for _ in range(count):
        coarse = random.integers(90, 190, (8, 8, 3), dtype=np.uint8)
        canvas = cv2.resize(coarse, (image_size, image_size), interpolation=cv2.INTER_CUBIC)
        for _ in range(4):
            centre = random.integers(image_size // 8, image_size * 7 // 8, 2)
            axes = random.integers(image_size // 24, image_size // 8, 2)
            tone = random.integers(0, 255, 3)
            angle = float(random.uniform(0, 180))
            cv2.ellipse(
                canvas,
                (int(centre[0]), int(centre[1])),
                (int(axes[0]), int(axes[1])),
                angle,
                0,
                360,
                tuple(map(int, tone)),
                -1,
                cv2.LINE_AA,
            )
        canvases.append(np.asarray(canvas, dtype=np.uint8))
    return to_batch(canvases)


def weights_against_onnx(
    weights: Path,
    onnx: Path,
    batch: Batch,
    *,
    registry: Path,
    expected_sha256: str,
    tolerance: Tolerance | None = None,
) -> ParityReport:
    """Compare the weights in torch with the ONNX file in OpenVINO; raises `ParityFailed`."""
    with verified(weights, registry, expected_sha256) as copy:
        left = _torch_answer(open_detector(copy), batch)
    return compare(
        "the weights", left, "the ONNX file", _onnx_answer(onnx, batch), batch.shape[-1], tolerance
    )


def onnx_against_server(
    onnx: Path,
    server: ModelServer,
    spec: ModelSpec,
    batch: Batch,
    tolerance: Tolerance | None = None,
) -> ParityReport:
    """Compare the ONNX file with what the model server answers for `spec`; raises `ParityFailed`.

    The server is asked once for all images and once for a single one: a batch must not change the
    answer for an image in it.
    """
    left = _onnx_answer(onnx, batch)
    alone = server.submit(spec, batch[:1])
    together = server.infer(spec, batch)
    compare("the ONNX file", left[:1], server.alive(), alone.result(), batch.shape[-1], tolerance)
    return compare("the ONNX file", left, server.alive(), together, batch.shape[-1], tolerance)


def compare(
    left_name: str,
    left: RawOutput,
    right_name: str,
    right: RawOutput,
    image_size: int,
    tolerance: Tolerance | None = None,
) -> ParityReport:
    """The report, or `ParityFailed` with its figures."""
    limit = tolerance or Tolerance()
    if left.shape != right.shape or not left.size:
        raise ParityFailed(
            left_name, right_name, "the answers have other shapes", f"{left.shape}, {right.shape}"
        )
    found = [
        _matched(one, other, image_size, limit) for one, other in zip(left, right, strict=True)
    ]
    difference = np.abs(left - right)
    report = ParityReport(
        left=left_name,
        right=right_name,
        frames=len(left),
        detections=sum(each[0] for each in found),
        unmatched=sum(each[1] for each in found),
        box_px=max(each[2] for each in found),
        score=max(each[3] for each in found),
        raw_box_px=float(difference[:, :4].max()),
        raw_score=float(difference[:, 4:].max()),
    )
    figures = ", ".join(
        f"{name} {getattr(report, name):.3g} of at most {most:g}"
        for name, most in asdict(limit).items()
    )
    # written so that a NaN on either side fails
    beyond = [name for name, most in asdict(limit).items() if not getattr(report, name) <= most]
    if report.unmatched:
        raise ParityFailed(
            left_name,
            right_name,
            f"{report.unmatched} of {report.detections} detections differ",
            figures,
        )
    if beyond:
        raise ParityFailed(left_name, right_name, f"{', '.join(beyond)} beyond the limit", figures)
    return report


def _matched(
    left: RawImage, right: RawImage, image_size: int, limit: Tolerance
) -> tuple[int, int, float, float]:
    """Detections of `left`, unmatched ones, largest edge and score difference of the others.

    Every detection of one side must be among the raw anchors of the other. Not among its
    detections: of two anchors with nearly equal scores, or of two boxes at the very limit of
    suppression, each side may rightly keep another one.
    """
    found, others = _detections(left, image_size), _detections(right, image_size)
    box_px, score, unmatched = 0.0, 0.0, 0
    for detections, other in ((found, right), (others, left)):
        edges = np.concatenate([other[:2] - other[2:4] / 2, other[:2] + other[2:4] / 2]).T
        edges = np.clip(edges, 0, image_size)  # as suppression clips the detections
        rows = zip(detections.xyxy, detections.confidence, detections.class_id, strict=True)
        for xyxy, confidence, class_id in rows:
            far = np.abs(edges - xyxy).max(axis=1)
            off = np.abs(other[4 + class_id] - confidence)
            worse = np.maximum(far / limit.box_px, off / limit.score)
            same = int(np.where(np.isnan(worse), np.inf, worse).argmin())
            if not far[same] <= UNMATCHED_BOX_PX * limit.box_px:
                unmatched += 1
                continue
            box_px, score = max(box_px, float(far[same])), max(score, float(off[same]))
    return len(found), unmatched, box_px, score


def _detections(output: RawImage, image_size: int) -> Detections:
    whole = Letterbox(scale=1.0, pad_x=0.0, pad_y=0.0, width=image_size, height=image_size)
    return non_max_suppression(output, whole, CONFIDENCE, SUPPRESSION_IOU)


def _torch_answer(detector: Any, batch: Batch) -> RawOutput:
    import torch

    network = detector.model.float().eval()
    with torch.inference_mode():
        answer = network(torch.from_numpy(np.ascontiguousarray(batch)))
    raw = answer[0] if isinstance(answer, list | tuple) else answer
    output: RawOutput = raw.cpu().numpy()
    return output


def _onnx_answer(onnx: Path, batch: Batch) -> RawOutput:
    output: RawOutput = Network(onnx).run(batch)
    return output
