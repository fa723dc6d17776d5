"""The REST door to news and webhooks."""

from __future__ import annotations

import threading

import pytest

from services.notification import trials
from services.notification.repository import MOST_WEBHOOKS
from shared.db.models import User
from tests.services.notification.conftest import Desk, Inbox, free_port, until
from tests.services.notification.receiver import Receiver, verified


def mailto(port: int) -> str:
    return f"mailto://mesh:hunter2secret@127.0.0.1:{port}/ann@lab.example?from=mesh@example.com&mode=insecure"


def test_settings_are_kept_and_shown_without_secrets(desk: Desk, program: Receiver) -> None:
    host = program.url.partition("://")[2]
    slack = "slack://TAAAAAAAA/BBBBBBBBB/" + "c" * 24
    with desk.door.client("keeper") as client:
        assert client.get("/notifications").json() == {"urls": [], "language": "en"}
        wish = {
            "urls": [f"json://{host}/tok3n", {"url": slack, "steps": ["all"]}],
            "steps": ["model_training"],
            "language": "ko",
        }
        answer = client.put("/notifications", json=wish)
        assert answer.status_code == 200, answer.text
        assert answer.json() == client.get("/notifications").json()
        assert "tok3n" not in answer.text
        assert "ccc" not in answer.text
        first, second = answer.json()["urls"]
        assert (first["url"], first["steps"]) == (f"json://{host}", ["model_training"])
        assert (second["url"], second["steps"]) == ("slack://...", ["all"])
        # an address whose secret nobody can read any more is kept by its id
        wish = {"urls": [{"id": second["id"], "steps": []}], "language": "en"}
        (kept,) = client.put("/notifications", json=wish).json()["urls"]
        assert kept == {**second, "steps": []}
        with desk.platform.reads() as session:
            user = session.get_one(User, desk.door.user_id("keeper"))
            assert user.notify_urls == [{"url": slack, "steps": []}]


@pytest.mark.parametrize(
    ("wish", "status", "said"),
    [
        ({"urls": ["dbus://"]}, 422, "these kinds"),
        ({"urls": ["json://192.168.1.1/x?verify=no"]}, 422, "verify"),
        ({"urls": ["json://h/x"] * 11}, 422, "urls"),
        ({"urls": [{"url": "json://h", "id": "x"}]}, 422, "either url or id"),
        ({"urls": [{"id": "nope"}]}, 422, "no address"),
        ({"urls": [], "steps": ["lunch"]}, 422, "no step 'lunch'"),
        ({"urls": [], "language": "tlh"}, 422, "language"),
        ({}, 422, "urls"),
    ],
)
def test_what_does_not_fit_is_refused(desk: Desk, wish: dict, status: int, said: str) -> None:
    with desk.door.client("careless") as client:
        refused = client.put("/notifications", json=wish)
        assert (refused.status_code, refused.json()["status"]) == (status, status)
        assert said in refused.json()["detail"]
        assert client.get("/notifications").json()["urls"] == []


def test_a_test_message_says_what_came_of_it(
    desk: Desk, program: Receiver, mail: tuple[Inbox, int]
) -> None:
    inbox, port = mail
    host = program.url.partition("://")[2]
    with desk.door.client("tester") as client:
        assert client.post("/notifications/test").status_code == 409
        urls = [
            f"json://{host}/ok",
            mailto(free_port()),
            mailto(port).replace("mesh:hunter2secret@", ""),
        ]
        client.put("/notifications", json={"urls": urls, "language": "ko"})
        answer = client.post("/notifications/test")
    fine, dead, mailed = answer.json()
    assert (fine["delivered"], fine["error"]) == (True, None)
    assert (dead["delivered"], mailed["delivered"]) == (False, True)
    assert "was not delivered" in dead["error"]
    assert "hunter2" not in answer.text
    assert program.calls[0].json["title"] == "Actverse 시험 메시지"
    assert len(inbox.mails) == 1


def test_a_webhook_lives_and_ends(desk: Desk, program: Receiver) -> None:
    with desk.door.client("owner") as client, desk.door.client("stranger") as stranger:
        made = client.post(
            "/webhooks",
            json={"url": f"{program.url}/h?token=s3cret", "events": ["EVENT_TASK_FAILED"]},
        )
        assert made.status_code == 201
        secret = made.json()["secret"]
        (listed,) = client.get("/webhooks").json()["items"]
        assert listed == {k: v for k, v in made.json().items() if k != "secret"}
        assert listed["url"] == f"{program.url}/h"
        assert stranger.get("/webhooks").json() == {"items": []}
        root = f"/webhooks/{listed['id']}"
        for method, path in (
            ("DELETE", root),
            ("GET", f"{root}/deliveries"),
            ("POST", f"{root}/test"),
            ("POST", f"{root}/deliveries/1/redeliver"),
        ):
            assert stranger.request(method, path).status_code == 404
        tried = client.post(f"{root}/test").json()
        assert (tried["state"], tried["status"], tried["tries"]) == ("DELIVERED", 204, 1)
        (call,) = program.calls
        assert verified(call, secret)
        assert call.json["type"] == "EVENT_WEBHOOK_TEST"
        assert client.get(f"{root}/deliveries").json()["items"] == [tried]
        assert client.delete(root).status_code == 204
        assert client.get(f"{root}/deliveries").status_code == 404
        assert client.get("/webhooks").json() == {"items": []}


def test_a_failed_test_is_not_tried_again(desk: Desk, program: Receiver) -> None:
    url = program.answers("/broken", 500, body=b"no")
    with desk.door.client("owner") as client:
        made = client.post("/webhooks", json={"url": url}).json()
        tried = client.post(f"/webhooks/{made['id']}/test").json()
        assert (tried["state"], tried["status"]) == ("FAILED", 500)
        assert tried["error"] == "Answered 500. no"
        assert tried["next_try_at"] is None
        client.delete(f"/webhooks/{made['id']}")


def test_trials_leave_the_gateway_its_threads(
    desk: Desk, program: Receiver, patience: None
) -> None:
    found: list[int] = []
    with desk.door.client("tryer") as client:
        made = client.post("/webhooks", json={"url": program.hangs("/hang")}).json()

        def send() -> None:
            found.append(client.post(f"/webhooks/{made['id']}/test").status_code)

        threads = [threading.Thread(target=send) for _ in range(trials.AT_ONCE)]
        for thread in threads:
            thread.start()
        until(lambda: len(program.calls) == trials.AT_ONCE)
        refused = client.post(f"/webhooks/{made['id']}/test")
        assert (refused.status_code, refused.json()["code"]) == (429, "TrialsUnderWay")
        assert int(refused.headers["retry-after"]) >= 1
        program.released.set()
        for thread in threads:
            thread.join()
        assert found == [200] * trials.AT_ONCE


def test_the_log_comes_in_pages_and_a_delivery_can_be_repeated(
    desk: Desk, program: Receiver
) -> None:
    url = program.answers("/log", 500, 500, 200)
    with desk.door.client("reader") as client:
        made = client.post("/webhooks", json={"url": url}).json()
        root = f"/webhooks/{made['id']}"
        first = desk.happen("reader")
        desk.tried(first, 1)
        for _ in range(4):
            client.post(f"{root}/test")
        seen, cursor = [], None
        while True:
            params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = client.get(f"{root}/deliveries", params=params).json()
            seen += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
        assert [d["id"] for d in seen] == sorted({d["id"] for d in seen}, reverse=True)
        assert len(seen) == 5
        (waiting,) = [d for d in seen if d["task_id"] == first]
        assert (waiting["state"], waiting["error"]) == ("PENDING", "Answered 500.")
        assert waiting["next_try_at"]
        for wrong in ("x", "-1", "9" * 30, "٣"):
            assert client.get(f"{root}/deliveries", params={"cursor": wrong}).status_code == 422
        again = client.post(f"{root}/deliveries/{waiting['id']}/redeliver")
        assert (again.status_code, again.json()["state"]) == (202, "PENDING")
        desk.later()
        desk.settled(first)
        ids = {call.id for call in program.at("/log") if call.json["data"]["task_id"] == first}
        assert ids == {waiting["event_id"]}
        assert client.post(f"{root}/deliveries/999999/redeliver").status_code == 404


def test_wrong_webhooks_are_refused(desk: Desk, program: Receiver) -> None:
    with desk.door.client("collector") as client:
        unknown = client.post("/webhooks", json={"url": program.url, "events": ["EVENT_LUNCH"]})
        assert unknown.status_code == 422
        assert "EVENT_TASK_COMPLETED" in unknown.json()["detail"]
        for _ in range(MOST_WEBHOOKS):
            assert client.post("/webhooks", json={"url": program.url}).status_code == 201
        full = client.post("/webhooks", json={"url": program.url})
        assert (full.status_code, full.json()["code"]) == (409, "TooManyWebhooks")
