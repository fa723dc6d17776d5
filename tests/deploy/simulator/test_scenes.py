"""Rendered scenes: valid labels, tight boxes, the same every time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from deploy.simulator import backgrounds, scenes
from deploy.simulator.__main__ import main
from deploy.simulator.compositing import extent, paste
from deploy.simulator.dataset import write_scenes
from deploy.simulator.scenes import HELD_OUT_SHAPES, TRAINING_SHAPES, render_scene
from deploy.simulator.sprites import Coat, draw
from shared.errors import Invalid

WHITE = (1.0, 1.0, 1.0)
PLAIN = Coat(WHITE, WHITE, WHITE, WHITE, WHITE, "plain", 0.0)


def test_a_data_set_has_a_valid_label_for_every_picture(tmp_path):
    pictures = write_scenes(tmp_path, images=30, seed=4)
    sides, counts = [], []
    for picture in sorted(pictures.iterdir()):
        assert cv2.imread(str(picture)) is not None
        lines = (tmp_path / "labels" / f"{picture.stem}.txt").read_text().splitlines()
        counts.append(len(lines))
        for line in lines:
            name, x, y, w, h = line.split()
            x, y, w, h = float(x), float(y), float(w), float(h)
            assert name == "0"
            assert min(x - w / 2, y - h / 2) > -1e-5
            assert max(x + w / 2, y + h / 2) < 1 + 1e-5
            sides.append(max(w, h))
    assert len(counts) == 30
    assert max(counts) <= 12
    assert min(sides) < 0.12
    assert max(sides) > 0.4


def test_a_scene_does_not_depend_on_how_many_are_asked_for(tmp_path):
    few, many = (
        write_scenes(tmp_path / "few", images=2, seed=9),
        write_scenes(tmp_path / "many", images=4, seed=9),
    )
    for picture in few.iterdir():
        assert picture.read_bytes() == (many / picture.name).read_bytes()
    other = write_scenes(tmp_path / "other", images=1, seed=10)
    assert next(other.iterdir()).read_bytes() != min(few.iterdir()).read_bytes()


def test_a_second_call_draws_only_what_is_missing(tmp_path):
    pictures = write_scenes(tmp_path, images=3, seed=1)
    first, second, _ = sorted(pictures.iterdir())
    kept, whole = first.stat().st_mtime_ns, second.read_bytes()
    second.unlink()
    (tmp_path / "labels" / f"{second.stem}.txt").unlink()
    write_scenes(tmp_path, images=3, seed=1)
    assert first.stat().st_mtime_ns == kept
    assert second.read_bytes() == whole


@pytest.mark.parametrize("shape", [shape for shape, _ in (*TRAINING_SHAPES, *HELD_OUT_SHAPES)])
def test_a_box_is_tight_about_what_is_drawn(shape):
    rng = np.random.default_rng(2)
    figure = shape(rng)
    bare = type(figure)(tuple(part for part in figure.parts if part.in_box), figure.top_down)
    sprite = draw(bare, PLAIN, rng, centre=(100.0, 100.0), length=70.0, angle=0.4)
    picture = paste(np.zeros((200, 200, 3), np.float32), sprite)
    shown = np.array(extent(picture.sum(axis=2) > 0.4))
    whole = np.zeros((200, 200), bool)
    rows, cols = sprite.body.shape
    whole[sprite.y : sprite.y + rows, sprite.x : sprite.x + cols] = sprite.body > 0.5
    assert np.abs(shown - np.array(extent(whole))).max() <= 2


def test_every_box_of_a_scene_lies_in_the_picture_and_empty_scenes_exist():
    empty = 0
    for i in range(40):
        scene = render_scene(np.random.default_rng((77, i)))
        height, width = scene.picture.shape[:2]
        assert scene.picture.dtype == np.uint8
        assert max(width, height) == 320
        empty += not len(scene.xyxy)
        if len(scene.xyxy):
            assert (scene.xyxy[:, :2] >= 0).all()
            assert (scene.xyxy[:, 2:] <= (width, height)).all()
            assert (scene.xyxy[:, 2:] > scene.xyxy[:, :2]).all()
    assert 0 < empty < 30


def test_held_out_families_are_never_trained_on():
    def names(families):
        return {family.__name__ for family, _ in families}

    assert not names(scenes.TRAINING_SHAPES) & names(scenes.HELD_OUT_SHAPES)
    assert not names(backgrounds.TRAINING) & names(backgrounds.HELD_OUT)


def test_the_command_line_writes_a_data_set_and_refuses_none(tmp_path, capsys):
    assert main(["scenes", str(tmp_path), "--images", "2", "--seed", "3", "--held-out"]) == 0
    assert len(list((tmp_path / "images").iterdir())) == 2
    assert "animal" in (tmp_path / "data.yaml").read_text()
    assert main(["scenes", str(tmp_path), "--images", "0"]) == 1
    assert "cannot be rendered" in capsys.readouterr().err
    with pytest.raises(Invalid):
        write_scenes(tmp_path, images=0)
