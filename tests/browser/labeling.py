"""A labeling in a gateway without workers, and a person in front of a browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext, expect

from services.labeling_manager import drafts, repository
from services.labeling_manager.engines.builtin import BuiltinEngine
from services.labeling_manager.engines.port import FrameImage, LabelingSpec, Prediction
from shared.labels.boxes import Box
from tests.browser.visitor import Visitor
from tests.shared.web.door import Door

WIDTH, HEIGHT = 960, 720
CLASSES = ("mouse", "rat", "object")
Truth = list[list[tuple[float, float, float, float]]]  # by picture: centre and size of its animals


@dataclass(frozen=True)
class Lab:
    """A task that waits for labels, and the pictures of its frames."""

    door: Door
    task: str
    ref: str
    truth: Truth

    @property
    def url(self) -> str:
        return f"{self.door.url}/ui/label/{self.task}"

    def stored(self, frame: int) -> tuple[str, tuple[Box, ...]]:
        """State and boxes as the database has them."""
        with self.door.platform.reads() as session:
            draft = drafts.frame_of(session, self.task, frame)
            return draft.state, drafts.boxes_of(draft.boxes)

    def eventually(self, frame: int, wanted: Callable[[str, tuple[Box, ...]], bool]) -> None:
        until = time.monotonic() + 10
        while not wanted(*self.stored(frame)):
            assert time.monotonic() < until, self.stored(frame)
            time.sleep(0.02)

    def complete(self) -> bool:
        return BuiltinEngine(self.door.platform).status(self.ref).complete

    @classmethod
    def opened(
        cls,
        door: Door,
        pictures: Sequence[bytes],
        truth: Truth,
        count: int,
        *,
        file_path: str = "https://example.org/openfield.mp4",
    ) -> Lab:
        """`count` frames that show `pictures` in turn; the last animal of each was not suggested."""
        task = door.submit("ann", file_path=file_path, labeler="builtin", classes=list(CLASSES))
        platform = door.platform
        for n, picture in enumerate(pictures):
            door.keep(f"frames/{task}/{n:08d}.jpg", picture)
        engine = BuiltinEngine(platform)
        spec = LabelingSpec(task, CLASSES, instructions="Whole bodies with ears, without the tail.")
        folder = platform.storage.local(f"frames/{task}/x").parent
        frames = [
            FrameImage(
                10 * n,
                folder / f"{10 * n:08d}.jpg",
                f"frames/{task}/{n % len(pictures):08d}.jpg",
            )
            for n in range(count)
        ]
        suggested = {
            image.frame: [
                Prediction(0, *box, 0.93 - 0.14 * k)
                for k, box in enumerate(truth[n % len(pictures)][:-1])
            ]
            for n, image in enumerate(frames)
        }
        ref = engine.open(spec)
        engine.push(ref, frames, suggested)
        with platform.sessions.begin() as session:
            repository.remember(session, task, "builtin", ref, count)
        return cls(door, task, ref, truth)


class Person(Visitor):
    """Somebody with a mouse and a keyboard."""

    def __init__(self, context: BrowserContext, url: str, *, key: str | None = None) -> None:
        """`url` of the labeler."""
        super().__init__(context, key)
        self.url = url

    def opens(self, frame: int | None = None) -> Person:
        self.page.goto(self.url + ("" if frame is None else f"#{frame}"))
        self.page.wait_for_selector("#canvas[data-frame]")
        if frame is not None:
            self.sees(frame)
        return self

    def sees(self, frame: int) -> None:
        expect(self.page.locator("#canvas")).to_have_attribute("data-frame", str(frame))

    @property
    def frame(self) -> int:
        return int(self.page.locator("#canvas").get_attribute("data-frame") or -1)

    def saved(self) -> None:
        expect(self.page.locator("#saved")).to_have_attribute("data-state", "saved")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the picture (shares) is on the screen, while the picture fits."""
        found: Any = self.page.locator("#canvas").bounding_box()
        margin = 28
        scale = min((found["width"] - 2 * margin) / WIDTH, (found["height"] - 2 * margin) / HEIGHT)
        left = found["x"] + (found["width"] - WIDTH * scale) / 2
        top = found["y"] + (found["height"] - HEIGHT * scale) / 2
        return left + x * WIDTH * scale, top + y * HEIGHT * scale

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        mouse = self.page.mouse
        mouse.move(*self.at(*start))
        mouse.down()
        mouse.move(*self.at((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
        mouse.move(*self.at(*end))
        mouse.up()

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.at(x, y))

    def draw(self, x0: float, y0: float, x1: float, y1: float) -> None:
        self.drag((x0, y0), (x1, y1))
