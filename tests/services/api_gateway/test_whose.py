"""Every reading route of the whole description, asked for what belongs to somebody else.

Nobody has to remember a new route here: it is in the description, so it is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from shared.db.models import Deployment, Labeling, Output, Task
from shared.db.operation_models import Webhook
from shared.db.speech_models import Actor, AnalysisResult, Token
from shared.flow import wishes
from shared.flow.states import State
from shared.pipelines.speech import ANALYSIS_SERVICE, ServiceOptions
from shared.web.gate import OPEN, OPEN_PAGES, SIGNED
from tests.services.api_gateway.people import QUICK, Person, person
from tests.shared.web.door import Door

NOBODY = "0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"
SHARED = {"token_id", "script_id", "actor_id"}
"""The catalogue is for everybody: reading a line is allowed, whoever asks."""


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data"), accounts=QUICK) as opened:
        yield opened


@pytest.fixture(scope="module")
def mine(door: Door) -> Person:
    return person(door, "ann")


@pytest.fixture(scope="module")
def theirs(door: Door) -> Person:
    return person(door, "bob")


@pytest.fixture(scope="module")
def owned(door: Door, mine: Person) -> dict[str, str]:
    """What Ann owns, by the name of the parameter of a path that would name it."""
    sent = mine.ask("POST", "/uploads/", files={"file": ("a.mp4", b"\x00" * 64, "video/mp4")})
    upload = sent.json()["file_path"].removeprefix("upload://").partition("/")[0]
    task_id = door.submit("ann")
    found = {
        "task_id": task_id,
        "job_id": task_id,
        "upload_id": upload,
        "webhook_id": "ann-9f3-webhook",
        "key_id": mine.ask("POST", "/auth/keys", json={}).json()["id"],
        "user_id": mine.id,
        "name": "ann-9f3.csv",
        "sha256": "0" * 64,
        "frame": "ann-9f3.jpg",
        "deployment_id": "ann-9f3-deployment",
        "delivery_id": "987654321",
        "key": "ann-9f3-comparison",
    }
    served(door, mine.id, found["key"])
    door.keep(f"outputs/{task_id}/ann-9f3.csv", b"a,b")
    door.keep(f"inputs/{task_id}/recording.wav", b"sound")
    with door.platform.sessions.begin() as session:
        session.get_one(Task, task_id).state = State.SUCCEEDED
        session.add_all(
            [
                Labeling(task_id=task_id, engine="builtin", ref=f"labels/{task_id}"),
                Output(
                    task_id=task_id,
                    name="ann-9f3.csv",
                    key=f"outputs/{task_id}/ann-9f3.csv",
                    uri="u",
                    bytes=3,
                    sha256="0",
                    content_type="text/csv",
                ),
                Deployment(
                    id="ann-9f3-deployment",
                    task_id=task_id,
                    user_id=mine.id,
                    model=f"task-{task_id}",
                    version=1,
                    server="s",
                    parity={},
                ),
                Webhook(
                    id="ann-9f3-webhook",
                    user_id=mine.id,
                    url="https://x.org/",
                    secret="s",
                    events=[],
                ),
                Actor(id="actor", name="An actor", searched="an actor"),
            ]
        )
        session.flush()
        session.add(
            Token(id="token", actor_id="actor", film="A film", text="A line", searched="a line")
        )
        session.flush()
        session.add(
            AnalysisResult(
                job_id=task_id,
                user_id=mine.id,
                token_id="token",
                recording_key=f"inputs/{task_id}/recording.wav",
                recording_sha256="0",
                status="completed",
                result={"RecognitionStatus": "Success"},
            )
        )
    return found


def served(door: Door, user_id: str, key: str) -> None:
    """A comparison that this mesh makes for another, which asked as a user of ours."""
    address = "https://x.org/a"
    options = ServiceOptions(
        subject="token",
        audio_url=address,
        reference_url=address,
        text="A line",
        webhook_url=address,
        webhook_secret="s",
    )
    wishes.submit_alone(
        door.platform.sessions,
        door.platform.bus,
        ANALYSIS_SERVICE,
        options,
        user_id=user_id,
        idempotency_key=key,
        request_sha256="0" * 64,
    )


def routes(door: Door) -> Iterator[tuple[str, list[str]]]:
    """The paths that can be read, and the names of their parameters."""
    document: dict[str, Any] = httpx.get(f"{door.url}/openapi.json", timeout=60).json()
    for path, operations in document["paths"].items():
        if "get" in operations and path not in OPEN and not path.startswith((OPEN_PAGES, *SIGNED)):
            yield path, re.findall(r"{(\w+)}", path)


def filled(path: str, names: list[str], values: dict[str, str]) -> str:
    for name in names:
        path = path.replace(f"{{{name}}}", values[name])
    return path


def test_what_is_somebody_elses_looks_like_what_is_not_there(
    door: Door, mine: Person, theirs: Person, owned: dict[str, str]
) -> None:
    asked, opened = 0, 0
    for path, names in routes(door):
        if not names or set(names) <= SHARED:
            continue
        assert set(names) <= set(owned) | SHARED, f"{path}: say in `owned` what Ann has of it"
        own = filled(path, names, owned)
        none = filled(path, names, dict.fromkeys(names, NOBODY))
        foreign, unknown = theirs.get(own), theirs.get(none)
        assert foreign.status_code == unknown.status_code, path
        assert foreign.status_code in {404, 422}, path
        assert without(foreign.text, *owned.values()) == without(unknown.text, NOBODY), path
        asked += 1
        if "events" not in path and "progress" not in path:  # those go on and on
            opened += mine.get(own).status_code < 400
    assert asked >= 12
    assert opened >= 6, "Ann herself is let in, or this proves nothing"


def without(text: str, *values: str) -> str:
    for value in values:
        text = text.replace(value, "")
    return text


def test_no_list_tells_of_others(
    door: Door, mine: Person, theirs: Person, owned: dict[str, str]
) -> None:
    seen = 0
    needles = [owned[name] for name in ("task_id", "upload_id", "webhook_id", "key_id", "user_id")]
    for path, names in routes(door):
        if names:
            continue
        answer = theirs.get(path)
        assert answer.status_code in {200, 403, 503}, path
        told = answer.text
        assert [needle for needle in needles if needle in told] == [], path
        seen += any(needle in mine.get(path).text for needle in needles)
    assert seen >= 4, "Ann's own lists have hers"
