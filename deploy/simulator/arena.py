"""A video of an open field seen from above, with the exact box of every visible animal."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deploy.simulator.compositing import extent, window
from deploy.simulator.motion import Pose, walk
from deploy.simulator.resting import cage_rests, lights, rests_of, with_rests
from deploy.simulator.rodents import rodent_from_above
from deploy.simulator.sprites import Coat, Sprite, draw
from deploy.simulator.stage import Stage, build
from shared.errors import Invalid
from shared.progress.report import Report, silent

HEADER = ("frame", "track", "x", "y", "w", "h", "class")
ANIMAL_CLASS = "mouse"
BODY_LENGTH = 0.125  # of the picture's width
MIN_VISIBLE = 0.35  # share of the body; below it an annotator would not draw a box
NOISE_FRAMES = 6
# One thread, and no macroblock tree: with it x264 chose other quantisers from run to run on
# processors with AVX-512 (same input, same options, other bytes).
X264 = {"crf": "25", "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"}
SENSOR_NOISE = 3.5  # grey levels, standard deviation


@dataclass(frozen=True)
class Frame:
    """One picture of the arena and what is truly in it."""

    picture: NDArray[np.uint8]  # (h, w, 3) RGB
    boxes: dict[int, tuple[int, int, int, int]]  # track -> x, y, w, h in pixels, visible bodies


def render_arena(
    path: Path,
    truth_csv: Path,
    *,
    seconds: float = 20,
    fps: int = 30,
    width: int = 640,
    height: int = 480,
    animals: int = 3,
    seed: int = 0,
    body: float = BODY_LENGTH,
    resting: bool = False,
    report: Report = silent,
) -> None:
    """Write an H.264 video (yuv420p, constant frame rate) and `frame,track,x,y,w,h,class` rows.

    The same arguments give the same frames. `body` is the length of an animal as a share of the width:
    0.125 in an open field, 0.2 and more in a cage. `resting` makes it a long recording: animals that sleep
    most of the time, in the light and in the dark. A box holds the visible part of the body with ears and
    paws but without the tail; an animal of which less than 35 % shows has none. Both files appear
    under their names only when they are complete. `Invalid` for a size that H.264 cannot carry.
    """
    import av

    if width % 2 or height % 2 or min(width, height) < 64:
        raise Invalid(
            f"An arena of {width}x{height} cannot be encoded: give even sides of at least 64 pixels."
        )
    frames = round(seconds * fps)
    if frames < 1 or animals < 0:
        raise Invalid(f"{seconds} s at {fps} fps with {animals} animals is no video. Ask for more.")
    half_video, half_truth = (
        path.with_name(f".{path.name}.part"),
        truth_csv.with_name(f".{truth_csv.name}.part"),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    truth_csv.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            av.open(str(half_video), "w", format="mp4") as video,
            half_truth.open("w", newline="") as truth,
        ):
            rows = csv.writer(truth, lineterminator="\n")
            rows.writerow(HEADER)
            stream = video.add_stream("libx264", rate=fps)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.time_base = Fraction(1, fps)
            stream.options = X264
            for i, frame in enumerate(
                arena_frames(frames, fps, width, height, animals, seed, body=body, resting=resting)
            ):
                picture = av.VideoFrame.from_ndarray(frame.picture, format="rgb24")
                picture.pts, picture.time_base = i, Fraction(1, fps)
                video.mux(stream.encode(picture))
                for track, box in sorted(frame.boxes.items()):
                    rows.writerow((i, track, *box, ANIMAL_CLASS))
                report((i + 1) / frames, f"frame {i + 1} of {frames}")
            video.mux(stream.encode())
        half_video.replace(path)
        half_truth.replace(truth_csv)
    finally:
        half_video.unlink(missing_ok=True)
        half_truth.unlink(missing_ok=True)


def arena_frames(
    frames: int,
    fps: float,
    width: int,
    height: int,
    animals: int,
    seed: int,
    *,
    body: float = BODY_LENGTH,
    resting: bool = False,
) -> Iterator[Frame]:
    """The pictures and boxes of an arena, one at a time, before compression."""
    stage = build(np.random.default_rng((seed, 1)), width, height)
    length = body * width
    walks = [
        walk(
            np.random.default_rng((seed, 2, i)), stage.field, length=length, frames=frames, fps=fps
        )
        for i in range(animals)
    ]
    light = np.ones(frames, np.float32)
    if resting:
        about = {"length": length, "fps": fps}
        nights = cage_rests(np.random.default_rng((seed, 6)), frames, fps)
        for i, path in enumerate(walks):
            rng = np.random.default_rng((seed, 7, i))
            sleeps = rests_of(rng, nights, stage.field, frames=frames, **about)
            walks[i] = with_rests(path, sleeps, **about)
        light = lights(np.random.default_rng((seed, 8)), frames, fps)
    coats = [_coat(np.random.default_rng((seed, 3, i)), stage.tone, i) for i in range(animals)]
    noise_rng = np.random.default_rng((seed, 4))
    grain = [
        np.rint(noise_rng.standard_normal((height, width, 1)) * SENSOR_NOISE).astype(np.int16)
        for _ in range(NOISE_FRAMES)
    ]
    lit_floor = stage.floor * stage.lamp[..., None] * 255
    for n in range(frames):
        sprites = [
            _animal(
                np.random.default_rng((seed, 5, i)),
                coats[i],
                walks[i][n],
                length * (1 + 0.05 * (i % 3 - 1)),
            )
            for i in range(animals)
        ]
        picture = _expose(stage, lit_floor, sprites, _roll(grain, n), float(light[n]))
        yield Frame(picture, _visible(stage, sprites))


def _coat(rng: np.random.Generator, tone: float, index: int) -> Coat:
    """Close to the floor in brightness: agouti, sandy, or a little paler than the bedding."""
    base = tone * (0.72, 1.3, 0.82)[index % 3] * float(rng.uniform(0.95, 1.05))
    body = (base * 1.04, base, base * 0.92)
    skin = tuple(0.75 * c + 0.25 * s for c, s in zip(body, (0.7, 0.52, 0.48), strict=True))
    back = tuple(0.8 * c for c in body)
    return Coat(body, back, skin, (0.08, 0.07, 0.07), body, "plain", 0.14)


def _animal(rng: np.random.Generator, coat: Coat, pose: Pose, length: float) -> Sprite:
    figure = rodent_from_above(rng, bend=pose.bend, stride=pose.stride)
    return draw(figure, coat, rng, centre=(pose.x, pose.y), length=length, angle=pose.heading)


def _roll(grain: list[NDArray[np.int16]], n: int) -> NDArray[np.int16]:
    """Another look at a few noise fields: rolled by rows, so that it does not repeat in a second."""
    return np.roll(grain[n % len(grain)], (n * 37) % grain[0].shape[0], axis=0)


def _expose(
    stage: Stage,
    lit_floor: NDArray[np.float32],
    sprites: list[Sprite],
    grain: NDArray[np.int16],
    brightness: float,
) -> NDArray[np.uint8]:
    picture = lit_floor.copy()
    height, width = stage.lamp.shape
    for sprite in sprites:
        _reflect(picture, stage, sprite)
    for sprite in sprites:
        _shade(picture, sprite)
        y, x, v, u = window(sprite, height, width)
        cover = sprite.alpha[v, u][..., None]
        light = stage.lamp[y, x][..., None] * 255
        picture[y, x] = picture[y, x] * (1 - cover) + sprite.colour[v, u] * light
    solid = stage.cover_mask[..., None]
    picture = picture * (1 - solid) + stage.cover * (stage.lamp * 255)[..., None]
    picture = cv2.GaussianBlur(picture, (3, 3), 0.7)
    return np.clip(picture * brightness + grain, 0, 255).astype(np.uint8)


def _shade(picture: NDArray[np.float32], sprite: Sprite) -> None:
    """A soft shadow to the lower right of the body."""
    soft, shift = 4.0, 5
    pad = 12
    ground = cv2.GaussianBlur(np.pad(sprite.alpha, pad), (0, 0), soft)
    moved = Sprite(sprite.colour, ground, ground, sprite.x - pad + shift, sprite.y - pad + shift)
    y, x, v, u = window(moved, *picture.shape[:2])
    picture[y, x] *= (1 - 0.35 * ground[v, u])[..., None]


def _reflect(picture: NDArray[np.float32], stage: Stage, sprite: Sprite) -> None:
    """A faint mirror image in the glass behind the nearest of the upper and lower walls."""
    height, width = stage.lamp.shape
    field, middle = stage.field, sprite.y + sprite.alpha.shape[0] / 2
    wall = field.top if middle < height / 2 else field.bottom
    mirrored_y = int(2 * wall - (sprite.y + sprite.alpha.shape[0]))
    image = Sprite(sprite.colour[::-1], sprite.alpha[::-1], sprite.body[::-1], sprite.x, mirrored_y)
    y, x, v, u = window(image, height, width)
    rows = np.arange(y.start, y.stop)
    in_glass = (rows < field.top) if middle < height / 2 else (rows >= field.bottom)
    cover = 0.45 * image.alpha[v, u] * in_glass[:, None]
    light = 0.45 * in_glass[:, None, None] * stage.lamp[y, x][..., None] * 255
    picture[y, x] = picture[y, x] * (1 - cover[..., None]) + image.colour[v, u] * light


def _visible(stage: Stage, sprites: list[Sprite]) -> dict[int, tuple[int, int, int, int]]:
    """The box about the visible pixels of each body; later animals and furniture lie on top."""
    height, width = stage.lamp.shape
    hidden = stage.cover_mask > 0.5
    boxes = {}
    for track in range(len(sprites) - 1, -1, -1):
        sprite = sprites[track]
        y, x, v, u = window(sprite, height, width)
        seen = (sprite.body[v, u] > 0.5) & ~hidden[y, x]
        if seen.sum() >= MIN_VISIBLE * (sprite.body > 0.5).sum() and seen.any():
            whole = np.zeros_like(hidden)
            whole[y, x] = seen
            left, top, right, bottom = extent(whole) or (0, 0, 0, 0)
            boxes[track] = (int(left), int(top), int(right - left), int(bottom - top))
        hidden[y, x] |= sprite.alpha[v, u] > 0.5
    return boxes
