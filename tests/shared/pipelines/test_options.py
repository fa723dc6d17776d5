"""What a user may say, and how the map is shown."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared.errors import BadInput
from shared.pipelines import atlas, render
from shared.pipelines.vision import VisionOptions

VIDEO = {"file_path": "https://example.org/a.mp4"}


def test_a_video_is_enough() -> None:
    options = VisionOptions.model_validate(VIDEO)
    assert (options.num_frames, options.labeler, options.classes) == (60, "builtin", ["animal"])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_frames": 0},
        {"num_frames": 5001},
        {"seed": -1},
        {"labeler": "crayons"},
        {"classes": []},
        {"classes": ["a/b"]},
        {"classes": [""]},
        {"classes": ["mouse", "mouse"]},
        {"training": {"epochs": 0}},
        {"training": {"min_images": 61}},
        {"training": {"imgsz": 100}},
        {"training": {"val_share": 1}},
        {"inference": {"confidence": 1.1}},
        {"inference": {"batch_size": 0}},
        {"notify": {"steps": ["knitting"]}},
        {"notify": {"urls": ["json://x"] * 11}},
        {"colour": "red"},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(options: dict[str, object]) -> None:
    given = VIDEO | options if options else {}
    with pytest.raises(ValidationError):
        VisionOptions.model_validate(given)


def test_every_step_can_be_named_for_notification() -> None:
    steps = [step.name for step in atlas.PIPELINES["vision"].steps]
    VisionOptions.model_validate(VIDEO | {"notify": {"steps": [*steps, "all"]}})


def test_one_pipeline_is_whole_the_others_are_single_steps() -> None:
    assert [p.name for p in atlas.PIPELINES.values() if not p.alone] == ["vision"]
    with pytest.raises(BadInput, match="there are: vision"):
        atlas.pipeline("knitting")


def test_the_map_is_drawn_in_three_ways() -> None:
    vision = atlas.PIPELINES["vision"]
    text, chart, data = render.as_text(vision), render.as_mermaid(vision), render.as_json(vision)
    for step, shown in zip(vision.steps, data["steps"], strict=True):
        assert step.on.name in text
        assert f"{step.name}[" in chart
        assert shown["run"] == [work.task for work in step.works()]
    assert "[write_csv | write_json | write_chunks | render_overlay] > close_results" in text
    assert chart.count("-->") == len(vision.steps) + 1
