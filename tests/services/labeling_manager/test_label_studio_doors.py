"""The two doors that a labeling tool uses: frames by signed addresses, and its webhook."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from services.labeling_manager import repository
from services.labeling_manager.engines.port import FrameImage
from shared.net.signed_links import kept_secret, link_path
from tests.contracts.labeling import BOX, SPEC
from tests.servers.label_studio import ACCOUNT, FIRST_START_S, LabelStudioServer
from tests.servers.ports import free_port
from tests.services.labeling_manager.studio import Annotator, engine_of
from tests.shared.web.door import Door

# whoever comes first installs the tool and migrates its database
pytestmark = pytest.mark.timeout(FIRST_START_S)
IMAGE = b"\xff\xd8 a frame"
SECRET = {"X-Actverse-Webhook-Secret": ACCOUNT.webhook_secret}
HOOK = "/labeling/webhook/label-studio"


@pytest.fixture(scope="module")
def door(
    label_studio_server: LabelStudioServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    """A gateway on a port that the tool is told, with the labeling manager's routes."""
    port = free_port()
    labeling = {
        "label_studio_url": label_studio_server.url,
        "label_studio_token": ACCOUNT.token,
        "label_studio_webhook_secret": ACCOUNT.webhook_secret,
    }
    folder = tmp_path_factory.mktemp("door")
    with Door.opened(folder, port=port, gateway={"port": port}, labeling=labeling) as opened:
        yield opened


@pytest.fixture
def stranger(door: Door) -> Iterator[httpx.Client]:
    """A browser without a key."""
    with httpx.Client(base_url=door.url, timeout=30) as client:
        yield client


@pytest.fixture
def annotator(label_studio_server: LabelStudioServer) -> Iterator[Annotator]:
    with label_studio_server.client() as http:
        person = Annotator(http)
        person.tidy()
        yield person


def address(door: Door, key: str, expires_s: float = 60) -> str:
    return link_path(kept_secret(None, door.platform.settings.data_dir), key, expires_s)


class TestSignedFrames:
    def test_the_tool_is_told_an_address_that_its_pages_may_read(
        self,
        door: Door,
        stranger: httpx.Client,
        annotator: Annotator,
        label_studio_server: LabelStudioServer,
    ):
        task_id = door.submit()
        key = door.keep(f"frames/{task_id}/00000003.jpg", IMAGE)
        engine = engine_of(door.platform)
        ref = engine.open(replace(SPEC, task_id=task_id))
        engine.push(ref, [FrameImage(3, Path("00000003.jpg"), key)], {})
        shown = annotator.tasks()[3]["data"]["image"]
        assert shown.startswith(f"{door.url}/frames/")
        answer = stranger.get(shown, headers={"Origin": label_studio_server.url})
        assert (answer.status_code, answer.content) == (200, IMAGE)
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["access-control-allow-origin"] == label_studio_server.url
        assert answer.headers["vary"] == "Origin"
        other = stranger.get(shown, headers={"Origin": "https://elsewhere.example"})
        assert "access-control-allow-origin" not in other.headers

    def test_forged_expired_and_foreign_addresses_open_nothing(
        self, door: Door, stranger: httpx.Client
    ):
        key = door.keep("frames/other/00000003.jpg", IMAGE)
        good = address(door, key)
        assert stranger.get(good).status_code == 200
        _, _, token, task, name = good.split("/")
        refused = [
            address(door, key, expires_s=-1),
            f"/frames/{token}/{task}/00000004.jpg",
            f"/frames/{token[:-1]}{'0' if token[-1] != '0' else '1'}/{task}/{name}",
            f"/frames/{token}/",
            f"/frames/{token}/{task}/..%2f..%2fapi_key",
            f"/frames/{token}/{task}%2f..%2f..%2fapi_key",
        ]
        for path in refused:
            answer = stranger.get(path)
            assert answer.status_code == 403, path
            assert answer.json()["detail"].startswith("This address of a frame")
        for listing in ("/frames/", "/frames/other/"):
            assert stranger.get(listing).status_code in {403, 404}

    def test_one_that_is_not_stored_any_more_is_not_found(self, door: Door, stranger: httpx.Client):
        gone = stranger.get(address(door, "frames/never/00000000.jpg"))
        assert gone.status_code == 404
        assert "not stored any more" in gone.json()["detail"]


class TestWebhook:
    def test_it_asks_for_its_secret(self, door: Door, stranger: httpx.Client):
        for headers in ({}, {"X-Actverse-Webhook-Secret": "guessed"}):
            answer = stranger.post(HOOK, params={"task_id": "x"}, headers=headers)
            assert answer.status_code == 401
            assert ACCOUNT.webhook_secret not in answer.text
        assert looks(door) == 0

    def test_of_a_labeling_that_nobody_watches_it_asks_nothing(
        self, door: Door, stranger: httpx.Client
    ):
        answer = stranger.post(HOOK, params={"task_id": "unknown"}, headers=SECRET)
        assert answer.status_code == 202
        assert looks(door) == 0

    def test_an_annotation_has_the_monitor_look_at_once(self, door: Door, annotator: Annotator):
        """The tool itself calls: nobody polls here, so the only look is the one it asked for."""
        task_id = door.submit()
        engine = engine_of(door.platform)
        ref = engine.open(replace(SPEC, task_id=task_id))
        engine.open(replace(SPEC, task_id=task_id))
        engine.push(ref, [FrameImage(0, Path("0.jpg"), f"frames/{task_id}/0.jpg")], {})
        with door.platform.sessions.begin() as session:
            repository.remember(session, task_id, "label_studio", ref, 1)
        hooks = annotator.http.get("/api/webhooks/").json()
        assert len([h for h in hooks if urlsplit(h["url"]).query == f"task_id={task_id}"]) == 1
        annotator.draw(0, [BOX])
        deadline = time.monotonic() + 30
        while looks(door) == 0:
            assert time.monotonic() < deadline, "the webhook did not arrive"
            time.sleep(0.05)


def looks(door: Door) -> int:
    """Looks at labelings that the monitor has been asked for and not yet made."""
    loads = {load.name: load.pending for load in door.platform.broker.loads()}
    return loads["labeling_manager"]
