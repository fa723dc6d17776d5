"""One browser, one gateway, and pictures of the rendered arena for all tests of the pages."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from deploy.simulator.arena import arena_frames
from tests.browser.chromium import chromium
from tests.browser.labeling import HEIGHT, WIDTH, Lab, Person, Truth
from tests.shared.web.door import Door

PICTURES = 8
SHOTS = os.environ.get("ACTVERSE_TEST_SCREENSHOTS", "")  # a folder: the pictures of the docs
expect.set_options(timeout=10_000)


@pytest.fixture(scope="module")  # it runs an event loop, which nobody else could then begin
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data")) as opened:
        yield opened


@pytest.fixture(scope="session")
def arena() -> tuple[list[bytes], Truth]:
    """Pictures as JPEG, and where the animals are in each."""
    from PIL import Image

    pictures, truth = [], []
    for frame in arena_frames(PICTURES, 1, WIDTH, HEIGHT, 3, seed=34):
        file = io.BytesIO()
        Image.fromarray(frame.picture).save(file, "JPEG", quality=88)
        pictures.append(file.getvalue())
        truth.append(
            [
                ((x + w / 2) / WIDTH, (y + h / 2) / HEIGHT, w / WIDTH, h / HEIGHT)
                for x, y, w, h in frame.boxes.values()
            ]
        )
    return pictures, truth


@pytest.fixture
def lab(door: Door, arena: tuple[list[bytes], Truth]) -> Lab:
    """Eight frames: 0, 10 ... 70."""
    return Lab.opened(door, *arena, PICTURES)


Hire = Callable[..., Person]


@pytest.fixture
def hire(browser: Browser, lab: Lab) -> Iterator[Hire]:
    """Brings people; at the end, none of their pages has broken or met the content policy."""
    people: list[Person] = []
    contexts = []

    def one(user: str | None = "ann", locale: str = "en-GB", of: Lab = lab) -> Person:
        context = browser.new_context(
            viewport={"width": 1440, "height": 860}, locale=locale, color_scheme="dark"
        )
        contexts.append(context)
        key = of.door.key_of(user) if user else None
        people.append(Person(context, of.url, key=key))
        return people[-1]

    yield one
    for context in contexts:
        context.close()
    assert [person.errors for person in people] == [[]] * len(people)


@pytest.fixture
def shots() -> Callable[[str], str | None]:
    """Where the picture of that name is written; None: nobody wants pictures."""
    return lambda name: str(Path(SHOTS) / name) if SHOTS else None
