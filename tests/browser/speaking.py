"""A line of an actor in a mesh with one worker, and a learner in front of a browser with a microphone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import BrowserContext, expect

from tests.bench.worlds import ROOT, running
from tests.browser.visitor import Visitor
from tests.services.audio_analyzer import sounds
from tests.shared.web.door import Door

LINE = "sea"
BEFORE_S, AFTER_S = 0.6, 3.0  # silence around what the microphone hears: it starts over at its end
WITHIN_S = 60

HEARD = """(() => {
  window.heard = [];
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (when, from, length) {
    window.heard.push([from, length, this.buffer.duration]);
    return start.call(this, when, from, length);
  };
})()"""


@dataclass
class Booth:
    """A gateway, a worker that compares, and one line that is ready."""

    door: Door
    actor: str
    token: str

    @property
    def page(self) -> str:
        return f"{self.door.url}/ui/say"

    @property
    def line(self) -> str:
        return f"{self.page}#/tokens/{self.token}"

    def add(self, kind: str, line: str, take: bytes, **more: str) -> str:
        """The id of another line, whose take is being prepared."""
        with self.door.client() as admin:
            wish = {"actor_id": self.actor, "text": sounds.line(line), **more}
            made: str = admin.post(f"/{kind}", json=wish).json()["id"]
            file = {"file": ("take.ogg", take)}
            admin.put(f"/{kind}/{made}/audio", files=file).raise_for_status()
            return made

    def ready(self, token: str) -> None:
        """Waits until the quote can be said."""
        until = time.monotonic() + WITHIN_S
        with self.door.client() as admin:
            while (found := admin.get(f"/tokens/{token}").json())["state"] == "PREPARING":
                assert time.monotonic() < until, found
                time.sleep(0.1)
        assert found["state"] == "READY", found

    def result(self, user: str, job: str) -> dict[str, Any]:
        """A comparison as the API has it."""
        with self.door.client(user) as client:
            found: dict[str, Any] = client.get(f"/tokens/analysis-result/{job}").json()
            return found

    @classmethod
    @contextlib.contextmanager
    def opened(cls, folder: Path) -> Iterator[Self]:
        with Door.opened(folder) as door, _worker(folder), door.client() as admin:
            actor = admin.post("/actors", json={"name": "Bea Marlow"}).json()["id"]
            wish = {"actor_id": actor, "film": "Night Train", "text": sounds.line("train")}
            admin.post("/tokens", json=wish).raise_for_status()
            booth = cls(door, actor, "")
            take = sounds.sample(f"{LINE}_actor")
            token = booth.token = booth.add("tokens", LINE, take, film="The Lighthouse")
            booth.ready(token)
            yield booth


@contextlib.contextmanager
def _worker(folder: Path) -> Iterator[None]:
    env = {
        "ACTVERSE_DATA_DIR": str(folder),
        "ACTVERSE_WORKER__CONCURRENCY": '{"audio_analyzer": 1}',
        "PYTHONPATH": str(ROOT),
    }
    with running(["-m", "shared.flow.worker", "audio_analyzer"], env, folder / "log") as worker:
        yield
        worker.kill()  # nobody waits for what it may still do


def microphone(folder: Path) -> Path:
    """What the fake microphone hears: the learner, with silence around."""
    rate = 48_000
    spoken = sounds.heard(f"{LINE}_learner", rate)
    parts = (sounds.silence(BEFORE_S, rate), spoken, sounds.silence(AFTER_S, rate))
    file = folder / "microphone.wav"
    file.write_bytes(sounds.encoded(sounds.np.concatenate(parts), rate=rate, given_rate=rate))
    return file


class Learner(Visitor):
    """Somebody who says lines."""

    def __init__(self, context: BrowserContext, booth: Booth, *, key: str | None = None) -> None:
        super().__init__(context, key)
        self.booth = booth
        self.page.add_init_script(HEARD)

    def opens(self) -> Self:
        self.page.goto(self.booth.line)
        expect(self.page.locator("blockquote")).to_have_text(sounds.line(LINE))
        return self

    def uploads(self, name: str, content: bytes) -> None:
        """As Firefox on Linux declares it; what a file is decides its content."""
        file = {"name": name, "mimeType": "application/ogg", "buffer": content}
        self.page.set_input_files("#file", file)  # type: ignore[arg-type]

    def gets_result(self) -> str:
        """Its job."""
        expect(self.page.locator("#compared > .result")).to_be_visible(timeout=WITHIN_S * 1000)
        return self.page.url.rpartition("/")[2]

    def heard(self) -> list[list[float]]:
        """Where each sound began and how long it was, in seconds, and how long all of its take is."""
        found: list[list[float]] = self.page.evaluate("window.heard")
        return found
