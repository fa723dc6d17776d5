"""Nothing without a key; nobody sees what is not his."""

from __future__ import annotations

import hashlib
import re
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from sqlalchemy import select

from shared import wiring
from shared.admission import callers
from shared.db import migrate
from shared.db.models import ApiKey, Task
from shared.settings import Settings
from shared.web import rate
from shared.web.gate import MAX_BODY_BYTES, OPEN, OPEN_PAGES, SIGNED
from tests.shared.web.door import VIDEO_URL, Door

NOBODY = "0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"


def routes_of(door: Door) -> list[tuple[str, str]]:
    return [
        (method, re.sub(r"\{\w+(:path)?\}", NOBODY, route.path))
        for route in iter_route_contexts(door.app.routes)
        for method in route.methods
    ]


def test_every_route_asks_for_a_key(door: Door) -> None:
    routes = routes_of(door)
    assert len(routes) > 25
    with httpx.Client(base_url=door.url) as stranger:
        for method, path in routes:
            for headers in ({}, {"Authorization": "Bearer av_wrong"}):
                answer = stranger.request(method, path, headers=headers, content=b"{broken")
                if path in OPEN or path.startswith(OPEN_PAGES):
                    assert answer.status_code != 401, path
                    continue
                if path.startswith(SIGNED):  # refused for want of a signature or a secret
                    assert answer.status_code in {401, 403, 422}, path
                    continue
                assert answer.status_code == 401, (method, path)
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert answer.headers["content-type"] == "application/problem+json"


def test_what_is_open_tells_nothing(door: Door) -> None:
    documents = {"/docs", "/docs/oauth2-redirect", "/openapi.json"}
    login = {f"/auth/{name}" for name in ("register", "login", "refresh", "logout")}
    assert {"/health/ready", *documents, *login} == OPEN
    assert httpx.get(f"{door.url}/health/ready").json() == {"ready": True}
    assert httpx.get(f"{door.url}/unknown").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        lambda key: {"Authorization": f"Bearer {key}"},
        lambda key: {"Authorization": f"bearer  {key}"},
        lambda key: {"X-API-Key": key},
    ],
)
def test_a_key_may_come_in_either_header(door: Door, headers) -> None:
    assert httpx.get(f"{door.url}/tasks/", headers=headers(door.key)).status_code == 200


def test_a_key_in_the_address_is_not_taken(door: Door) -> None:
    answer = httpx.get(f"{door.url}/tasks/", params={"api_key": door.key})
    assert answer.status_code == 401


def test_the_database_has_only_hashes(door: Door) -> None:
    with door.platform.reads() as session:
        kept = session.scalars(select(ApiKey.sha256)).all()
    assert hashlib.sha256(door.key.encode()).hexdigest() in kept
    for path in Path(door.platform.settings.data_dir).glob("actverse.db*"):
        assert door.key.encode() not in path.read_bytes()


def test_the_key_file_is_for_its_owner_only(door: Door) -> None:
    path = door.platform.settings.data_dir / callers.KEY_FILE
    assert path.read_text().strip() == door.key
    path.chmod(0o644)
    assert callers.first_key(door.platform) == door.key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_lost_or_foreign_key_file_gives_a_new_key(tmp_path: Path) -> None:
    with Door.opened(tmp_path) as door:
        path = tmp_path / callers.KEY_FILE
        path.unlink()
        second = callers.first_key(door.platform)
        path.write_text("av_of_another_mesh\n")
        path.chmod(0o666)
        third = callers.first_key(door.platform)
        assert len({door.key, second, third}) == 3
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert httpx.get(f"{door.url}/tasks/", headers={"X-API-Key": third}).status_code == 200


def test_a_revoked_key_opens_nothing_after_a_moment(door: Door) -> None:
    with door.client("leaver") as client:
        assert client.get("/tasks/").status_code == 200
        with door.platform.sessions.begin() as session:
            assert callers.revoke_keys(session, callers.user_named(session, "leaver")) == 1
        deadline = time.monotonic() + rate.SURE_FOR_S
        while (refused := client.get("/tasks/")).status_code == 200:
            assert time.monotonic() < deadline + 1.0
            time.sleep(0.05)
    assert refused.status_code == 401
    assert "revoked" in refused.json()["detail"]


# --- whose tasks ----------------------------------------------------------------------------------

OF_A_TASK = [
    ("GET", "/tasks/{}"),
    ("GET", "/status/{}"),
    ("GET", "/status/{}/events"),
    ("POST", "/tasks/{}/cancel"),
    ("POST", "/tasks/{}/retry"),
    ("GET", "/tasks/{}/outputs/results.csv"),
    ("HEAD", "/tasks/{}/outputs/results.csv"),
    ("GET", "/labeling/{}"),
    ("GET", "/training/{}"),
]


@pytest.mark.parametrize(("method", "path"), OF_A_TASK)
def test_a_foreign_task_looks_like_none(door, ann, bob, method, path) -> None:
    task_id = door.submit("ann")
    foreign = bob.request(method, path.format(task_id))
    none = bob.request(method, path.format(NOBODY))
    assert foreign.status_code == none.status_code == 404
    assert foreign.text.replace(task_id, "") == none.text.replace(NOBODY, "")


def test_the_owner_and_the_admin_see_a_task(door, ann, admin) -> None:
    task_id = door.submit("ann")
    assert ann.get(f"/tasks/{task_id}").json()["task_id"] == task_id
    assert admin.get(f"/status/{task_id}").json()["task_id"] == task_id


def test_lists_show_ones_own(door, ann, bob, admin) -> None:
    mine, his = door.submit("ann"), door.submit("bob")
    seen = {t["task_id"] for t in ann.get("/tasks/", params={"limit": 200}).json()["items"]}
    assert mine in seen
    assert his not in seen
    asked = ann.get("/tasks/", params={"user_id": door.user_id("bob")}).json()["items"]
    assert {t["user_id"] for t in asked} == {door.user_id("ann")}
    everybody = admin.get("/tasks/", params={"limit": 200}).json()["items"]
    assert {mine, his} <= {t["task_id"] for t in everybody}
    bobs = admin.get("/tasks/", params={"user_id": door.user_id("bob")}).json()["items"]
    assert {t["user_id"] for t in bobs} == {door.user_id("bob")}


def test_only_an_admin_acts_for_others(door, ann, admin) -> None:
    wish = {"file_path": VIDEO_URL, "user_id": "bob"}
    refused = ann.post("/tasks/", json=wish)
    assert refused.status_code == 403
    assert "cannot act for 'bob'" in refused.json()["detail"]
    for own in ("ann", door.user_id("ann")):
        assert ann.post("/tasks/", json=wish | {"user_id": own}).status_code == 202
    task_id = admin.post("/tasks/", json=wish).json()["task_id"]
    assert admin.get(f"/tasks/{task_id}").json()["user_id"] == door.user_id("bob")
    made = admin.post("/tasks/", json=wish | {"user_id": "newcomer"})
    assert made.status_code == 202
    assert admin.post("/tasks/", json=wish | {"user_id": ""}).status_code == 422


def test_results_of_an_admins_order_go_to_the_user(door, admin) -> None:
    options = {"upload_path": "session1"}
    sent = admin.post(
        "/tasks/", json={"file_path": VIDEO_URL, "user_id": "bob", "options": options}
    )
    task = admin.get(f"/tasks/{sent.json()['task_id']}").json()
    assert task["options"]["upload_path"] == f"files/{door.user_id('bob')}/session1"


FOREIGN_KEYS = [
    ("/video/extract-frames", lambda key: {"file_path": key}),
    ("/video/upload", lambda key: {"file_path": key, "upload_path": "mine.mp4"}),
    ("/video/download", lambda key: {"file_path": key}),
    ("/tasks/", lambda key: {"file_path": key}),
    ("/labeling", lambda key: {"folder_path": key}),
    ("/training", lambda key: {"data_path": key}),
]


@pytest.mark.parametrize(("path", "body"), FOREIGN_KEYS)
def test_foreign_files_look_like_none(door, ann, bob, path, body) -> None:
    task_id = door.submit("ann")
    key = door.keep(f"videos/{task_id}/normalised.mp4", b"x")
    assert bob.post(path, json=body(key)).status_code == 404
    upload = ann.post("/uploads/", files={"file": ("a.mp4", b"abc", "video/mp4")}).json()
    assert bob.post(path, json=body(upload["file_path"])).status_code in {400, 404}


LEAVING = ("../api_key", "/etc/passwd", "videos/../../api_key", "videos\\..\\x", "", "a//b", ".x/y")


@pytest.mark.parametrize(("path", "body"), FOREIGN_KEYS)
def test_paths_that_leave_their_root_are_refused(ann, path, body) -> None:
    for key in LEAVING:
        answer = ann.post(path, json=body(key))
        assert answer.status_code in {400, 404, 422}, key
        assert answer.headers["content-type"] == "application/problem+json"


def test_nobody_writes_outside_his_own_files(door, ann, bob) -> None:
    task_id = door.submit("ann")
    key = door.keep(f"videos/{task_id}/normalised.mp4", b"x")
    for target in ("/etc/x", "../x", "a/../../x", f"../{door.user_id('bob')}/x"):
        answer = ann.post("/video/upload", json={"file_path": key, "upload_path": target})
        assert answer.status_code == 400, target
    theirs = f"files/{door.user_id('bob')}/x.mp4"
    assert ann.post("/video/upload", json={"file_path": key, "upload_path": theirs}).is_success
    task = ann.get("/tasks/", params={"pipeline": "video_upload"}).json()["items"][0]
    assert task["options"]["upload_path"] == f"files/{door.user_id('ann')}/{theirs}"


def test_a_link_inside_the_storage_leads_nowhere(door, ann, tmp_path) -> None:
    task_id = door.submit("ann")
    outside = tmp_path / "secret.mp4"
    outside.write_bytes(b"x")
    link = door.platform.storage.local(f"videos/{task_id}/link.mp4")
    link.symlink_to(outside)
    answer = ann.post("/video/extract-frames", json={"file_path": f"videos/{task_id}/link.mp4"})
    assert answer.status_code == 400
    assert "leaves its root" in answer.json()["detail"]


def test_single_steps_are_not_reached_around_their_checks(door, ann) -> None:
    wish = {"file_path": VIDEO_URL, "pipeline": "video_download"}
    refused = ann.post("/tasks/", json=wish | {"options": {"download_path": "models/x/1/model.pt"}})
    assert refused.status_code == 400
    assert "endpoint of its own" in refused.json()["detail"]


# --- bodies, browsers, secrets --------------------------------------------------------------------


def test_a_long_body_is_cut_off(ann) -> None:
    told = ann.post("/tasks/", content=b"x" * (MAX_BODY_BYTES + 1))
    assert (told.status_code, told.json()["code"]) == (413, "TooLarge")

    def pieces():
        for _ in range(40):
            yield b" " * 64 * 1024

    chunked = ann.post("/tasks/", content=pieces(), headers={"Content-Type": "application/json"})
    assert chunked.status_code == 413
    assert "POST /uploads/" in chunked.json()["detail"]


def test_browsers_of_other_origins_are_not_let_in(door) -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Origin": "https://lab.example"}
    allowed = httpx.options(f"{door.url}/tasks/", headers=preflight)
    assert allowed.headers["access-control-allow-origin"] == "https://lab.example"
    assert allowed.headers["access-control-allow-credentials"] == "true"
    for origin in ("https://evil.example", "null", "*"):
        answer = httpx.options(f"{door.url}/tasks/", headers=preflight | {"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers
    refused = httpx.get(f"{door.url}/tasks/", headers={"Origin": "https://lab.example"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://lab.example"


def test_a_star_as_origin_is_refused_at_the_start(tmp_path) -> None:
    with (
        pytest.raises(ValueError, match="never safe"),
        Door.opened(tmp_path, gateway={"allowed_origins": ["*"]}),
    ):
        pass


def test_the_password_of_a_url_is_shown_to_nobody(door, ann, admin) -> None:
    url = "https://ann:hunter2@example.org/a.mp4?X-Amz-Signature=deadbeef&x=1"
    task_id = ann.post("/tasks/", json={"file_path": url}).json()["task_id"]
    for client in (ann, admin):
        for path in (f"/tasks/{task_id}", f"/status/{task_id}", "/tasks/"):
            text = client.get(path).text
            assert "hunter2" not in text
            assert "deadbeef" not in text
    refused = ann.post("/tasks/", json={"file_path": "ftp://ann:hunter2@example.org/a.mp4"})
    assert "hunter2" not in refused.text
    with door.platform.reads() as session:  # the worker needs it
        assert "hunter2" in session.get_one(Task, task_id).options["file_path"]


def keys(door: Door) -> int:
    with door.platform.reads() as session:
        return session.query(ApiKey).count()


def test_a_gateway_that_starts_on_another_machine_leaves_no_key_behind(tmp_path: Path) -> None:
    with Door.opened(tmp_path) as door:
        before = keys(door)
        (tmp_path / callers.KEY_FILE).unlink()
        callers.ensure_first_key(door.platform)
        assert keys(door) == before
        assert not (tmp_path / callers.KEY_FILE).exists()


def test_gateways_that_start_together_make_one_key(postgres_url: str, tmp_path: Path) -> None:
    made = [
        wiring.build(Settings(data_dir=tmp_path / str(n), database=postgres_url)) for n in range(4)
    ]
    migrate.upgrade(made[0].engine)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(callers.ensure_first_key, made))
    with made[0].reads() as session:
        assert session.query(ApiKey).count() == 1
    assert len(list(tmp_path.glob(f"*/{callers.KEY_FILE}"))) == 1
    for platform in made:
        platform.engine.dispose()
