"""What Label Studio reads and writes: the labeling interface, predictions, annotations.

Its boxes are percent of the image, from the upper left corner; ours are shares, from the centre.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from services.labeling_manager.engines.port import FrameImage, LabelingSpec, Prediction
from shared.labels.boxes import Box, FrameLabels, FrameState, checked_box
from shared.labels.errors import LabelInvalid

FROM, TO = "label", "image"
COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000")
NO_SHAPES = frozenset(
    {"choices", "textarea", "rating", "number", "datetime", "taxonomy", "pairwise", "relation"}
)
"""Results that a project may ask for beside boxes; they are not about where an animal is."""
SUGGESTED_FROM = 0.25  # fainter suggestions cost a person more time than they save
UPRIGHT = 0.01  # degrees; what tools lose by rounding

Json = dict[str, Any]


def label_config(classes: Sequence[str]) -> str:
    """The labeling interface: one image, a box for each class, in our order."""
    labels = "".join(
        f"<Label value={quoteattr(name)} background={quoteattr(COLOURS[n % len(COLOURS)])}/>"
        for n, name in enumerate(classes)
    )
    return (
        f'<View><Image name="{TO}" value="$image" zoom="true" zoomControl="true"/>'
        f'<RectangleLabels name="{FROM}" toName="{TO}">{labels}</RectangleLabels></View>'
    )


def project_wish(spec: LabelingSpec, title: str, classes: Sequence[str]) -> Json:
    """A project of our own making."""
    return {
        "title": title,
        "description": spec.title,
        "label_config": label_config(classes),
        "expert_instruction": html.escape(spec.instructions),
        "show_instruction": bool(spec.instructions),
        "show_skip_button": True,
        "enable_empty_annotation": True,  # submitting no box confirms that nothing is there
        "maximum_annotations": 1,
        "show_collab_predictions": True,
        "model_version": spec.model,
    }


def task_wish(
    frame: FrameImage,
    address: str,
    suggested: Sequence[Prediction] | None,
    classes: Sequence[str],
    model: str,
) -> Json:
    """A frame with what a model sees in it; None: no model looked."""
    data = {"image": address, "frame": frame.frame, "file": frame.file}
    if suggested is None:
        return {"data": data}
    offered = [each for each in suggested if each.confidence >= SUGGESTED_FROM]
    return {"data": data, "predictions": [prediction(offered, classes, model)]}


def prediction(found: Sequence[Prediction], classes: Sequence[str], model: str) -> Json:
    """A pre-annotation. Its score is the mean of its boxes, by which people may sort; 0 for none."""
    score = sum(each.confidence for each in found) / len(found) if found else 0.0
    return {
        "model_version": model,
        "score": round(score, 6),
        "result": [
            {**region(Box(p.class_id, p.cx, p.cy, p.w, p.h), classes, n), "score": p.confidence}
            for n, p in enumerate(found)
        ],
    }


def region(box: Box, classes: Sequence[str], number: int) -> Json:
    """A box as the tool stores it."""
    return {
        "id": f"box{number}",
        "type": "rectanglelabels",
        "from_name": FROM,
        "to_name": TO,
        "image_rotation": 0,
        "value": {
            "x": 100 * (box.cx - box.w / 2),
            "y": 100 * (box.cy - box.h / 2),
            "width": 100 * box.w,
            "height": 100 * box.h,
            "rotation": 0,
            "rectanglelabels": [classes[box.class_id]],
        },
    }


def judged(task: Mapping[str, Any], frame: int, file: str, classes: Sequence[str]) -> FrameLabels:
    """What the tool's task says of a frame: its newest annotation that was not skipped.

    A task with skipped annotations only is UNSEEN: nobody may train on it. `seconds` adds up what
    all of its annotations took. Raises `LabelInvalid` naming the frame for what is no upright box
    of one known class.
    """
    annotations = [each for each in task.get("annotations", ()) if isinstance(each, Mapping)]
    times = [float(t) for each in annotations if (t := each.get("lead_time")) is not None]
    seconds = sum(times) if times else None
    valid = [each for each in annotations if not each.get("was_cancelled")]
    if not valid:
        return FrameLabels(frame, file, FrameState.UNSEEN, seconds=seconds)
    newest = max(valid, key=lambda each: (str(each.get("updated_at", "")), int(each.get("id", 0))))
    where = f"Frame {frame} ({file}) in Label Studio"
    boxes = tuple(
        _box(result, classes, where)
        for result in newest.get("result", ())
        if result.get("type") not in NO_SHAPES
    )
    state = FrameState.LABELLED if boxes else FrameState.EMPTY
    return FrameLabels(frame, file, state, boxes, seconds)


def _box(result: Mapping[str, Any], classes: Sequence[str], where: str) -> Box:
    kind = str(result.get("type"))
    value = result.get("value") or {}
    if kind not in {"rectanglelabels", "rectangle"}:
        raise LabelInvalid(
            f"{where}: a shape of the kind {kind!r} is not a box. Draw a rectangle instead."
        )
    names = value.get("rectanglelabels") or []
    if len(names) != 1:
        raise LabelInvalid(
            f"{where}: a box has {len(names) or 'no'} class{'es' if names else ''}. Give it one."
        )
    if names[0] not in classes:
        raise LabelInvalid(
            f"{where}: a box is labelled {names[0]!r}, which is none of the task's classes "
            f"({', '.join(classes)}). Choose one of them."
        )
    turned = max(
        abs(float(value.get("rotation") or 0)), abs(float(result.get("image_rotation") or 0))
    )
    if turned > UPRIGHT:
        raise LabelInvalid(
            f"{where}: a box, or its image, is turned by {turned:g} degrees. Set the rotation to 0: "
            "a detector learns upright boxes."
        )
    try:
        x, y, w, h = (float(value[name]) / 100 for name in ("x", "y", "width", "height"))
    except (KeyError, TypeError, ValueError) as error:
        raise LabelInvalid(f"{where}: a box has no size. Draw it again.") from error
    box = Box(classes.index(names[0]), x + w / 2, y + h / 2, w, h)
    return checked_box(box, tuple(classes), where=where)
