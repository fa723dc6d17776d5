"""Webhooks: signed, tried again for a day, held to addresses that may be reached, never in the way."""

from __future__ import annotations

import base64
import hmac
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from services.notification import deliveries, tasks
from services.notification.deliveries import NOTICES, WEBHOOKS
from services.notification.sender import Sender
from shared.db.models import now
from shared.db.operation_models import Webhook, WebhookDelivery
from shared.errors import MediaRejected
from shared.net.signed_calls import new_secret, signature
from tests.services.notification.conftest import Desk, free_port, until
from tests.services.notification.receiver import Receiver, verified

MOMENT = "2026-03-01T12:00:00Z"
DAY_S = 24 * 3600


def hooked(desk: Desk, user: str, url: str, *events: str) -> tuple[str, str]:
    """A webhook of the user: its id, its secret."""
    with desk.door.client(user) as client:
        made = client.post("/webhooks", json={"url": url, "events": list(events)})
        assert made.status_code == 201, made.text
        return made.json()["id"], made.json()["secret"]


def test_an_event_arrives_signed_and_says_what_happened(desk: Desk, program: Receiver) -> None:
    _, secret = hooked(desk, "signer", f"{program.url}/hook?token=1")
    task_id = desk.happen("signer")
    (sent,) = desk.settled(task_id)
    (call,) = program.calls
    assert call.path == "/hook?token=1"
    assert verified(call, secret)
    assert not verified(call, new_secret())
    assert call.id == sent.event_id
    assert call.json["type"] == "EVENT_TASK_SUBMITTED"
    assert call.json["timestamp"]
    assert call.json["data"] == {
        "task_id": task_id,
        "user_id": desk.door.user_id("signer"),
        "pipeline": "vision",
        "status_url": f"https://mesh.example/status/{task_id}",
    }
    assert (sent.status, sent.tries, sent.error) == (204, 1, None)


def test_only_events_that_were_asked_for_and_only_of_ones_own_tasks(
    desk: Desk, program: Receiver
) -> None:
    hooked(desk, "chooser", f"{program.url}/failed", "EVENT_TASK_FAILED")
    hooked(desk, "other", f"{program.url}/other")
    task_id = desk.happen("chooser")
    desk.fail(task_id, MediaRejected("clip.mp4 has no video stream."))
    desk.settled(task_id, count=2)  # the log hears of it too
    (call,) = program.calls
    assert call.json["type"] == "EVENT_TASK_FAILED"
    assert call.json["data"]["message"] == "clip.mp4 has no video stream."


def test_what_happens_twice_on_the_way_is_sent_once(desk: Desk, program: Receiver) -> None:
    hooked(desk, "twice", f"{program.url}/hook")
    task_id = desk.happen("twice")
    desk.hear(task_id)
    desk.settled(task_id)
    desk.hear(task_id)
    desk.later()
    assert len(desk.deliveries(task_id)) == len(program.calls) == 1


def test_a_failing_receiver_is_tried_again_with_the_same_id_and_a_fresh_signature(
    desk: Desk, program: Receiver
) -> None:
    url = program.answers("/flaky", 500, 503, 200, body=b"try\n later " + b"x" * 5000)
    _, secret = hooked(desk, "flaky", url)
    task_id = desk.happen("flaky")
    first = desk.tried(task_id, 1)
    assert first.status == 500
    assert first.error.startswith("Answered 500. try later xxx")
    assert len(first.error) < 530
    wait_s = (first.due_at - now()).total_seconds()
    assert 2 < wait_s <= 6
    time.sleep(1.1 - time.time() % 1)  # the signature's clock counts seconds
    desk.later()
    desk.tried(task_id, 2)
    desk.later()
    (sent,) = desk.settled(task_id)
    assert (sent.tries, sent.status, sent.error) == (3, 200, None)
    calls = program.at("/flaky")
    assert all(verified(call, secret) for call in calls)
    assert len({call.id for call in calls}) == 1
    assert len({call.body for call in calls}) == 1
    assert calls[0].headers["webhook-timestamp"] < calls[-1].headers["webhook-timestamp"]


def test_after_a_day_of_refusals_it_is_given_up(desk: Desk) -> None:
    for schedule, least_s, most_s in ((WEBHOOKS, DAY_S * 0.8, DAY_S * 1.3), (NOTICES, 3600, DAY_S)):
        planned = sum(schedule.delay_s(tried) for tried in range(1, schedule.tries))
        assert least_s < planned < most_s
    delays = [WEBHOOKS.delay_s(3) for _ in range(50)]
    assert len(set(delays)) > 40
    assert WEBHOOKS.delay_s(1, 120) == 120
    assert WEBHOOKS.delay_s(1, 10**6) == WEBHOOKS.most_s
    hooked(desk, "dead", f"http://127.0.0.1:{free_port()}/nobody")
    task_id = desk.happen("dead")
    desk.tried(task_id, 1)
    with desk.platform.sessions.begin() as session:
        session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.task_id == task_id)
            .values(tries=WEBHOOKS.tries - 1)
        )
    desk.later()
    (lost,) = desk.settled(task_id, "FAILED")
    assert lost.tries == WEBHOOKS.tries
    assert "cannot be reached" in lost.error


def test_a_receiver_can_say_when_to_come_back(desk: Desk, program: Receiver) -> None:
    hooked(desk, "patient", program.answers("/later", 429, Retry_After="600"))
    row = desk.tried(desk.happen("patient"), 1)
    assert 590 < (row.due_at - now()).total_seconds() <= 601


def test_who_is_gone_is_called_no_more(desk: Desk, program: Receiver) -> None:
    webhook_id, _ = hooked(desk, "gone", program.answers("/gone", 410))
    (first,) = desk.settled(desk.happen("gone"), "FAILED")
    assert first.status == 410
    with desk.platform.reads() as session:
        assert session.get_one(Webhook, webhook_id).disabled_at is not None
    assert desk.deliveries(desk.happen("gone")) == []
    desk.later()
    assert len(program.calls) == 1
    with desk.door.client("gone") as client:
        again = client.post(f"/webhooks/{webhook_id}/deliveries/{first.id}/redeliver")
        assert (again.status_code, again.json()["code"]) == (409, "Disabled")
        assert client.post(f"/webhooks/{webhook_id}/test").status_code == 409


def test_a_redirect_is_a_failure_and_not_followed(desk: Desk, program: Receiver) -> None:
    there = f"{program.url}/inner"
    hooked(desk, "mover", program.answers("/moved", 307, Location=there))
    row = desk.tried(desk.happen("mover"), 1)
    assert row.status == 307
    assert "redirects are not followed" in row.error
    assert program.at("/inner") == []


@pytest.mark.parametrize("kind", ["black_hole", "dripping"])
def test_nobody_waits_for_ever_for_a_receiver(
    desk: Desk, request: pytest.FixtureRequest, kind: str
) -> None:
    user = f"waits-for-{kind}"
    hooked(desk, user, f"http://127.0.0.1:{request.getfixturevalue(kind)}/hook")
    row = desk.tried(desk.happen(user), 1)
    assert "within the time-out" in row.error


def test_hanging_receivers_leave_room_for_others(
    desk: Desk, program: Receiver, patience: None
) -> None:
    """Eight of one user hang: four are called, and everybody else is served meanwhile."""
    for number in range(8):
        hooked(desk, "hog", program.hangs(f"/hang/{number}"))
    task_id = desk.happen("hog")
    until(lambda: len(program.calls) == 4)
    hooked(desk, "guest", f"{program.url}/guest")
    desk.settled(desk.happen("guest"))
    assert len(program.calls) == 4 + 1
    assert {row.state for row in desk.deliveries(task_id)} == {"PENDING"}
    program.released.set()
    assert len(desk.settled(task_id, count=8)) == 8


def test_what_a_dead_sender_had_taken_is_sent_by_the_next(desk: Desk, program: Receiver) -> None:
    hooked(desk, "heir", f"{program.url}/heir")
    task_id = desk.door.submit("heir")
    body = {"task_id": task_id, "event_id": task_id, "occurred_at": MOMENT, "pipeline": "vision"}
    assert deliveries.record(desk.platform, {"name": "EVENT_TASK_SUBMITTED", **body}) == 1
    with desk.platform.sessions.begin() as session:  # taken, and its taker is killed
        heir = desk.door.user_id("heir")
        (receiver,) = [r for r in deliveries.due(session) if r.user_id == heir]
        assert deliveries.take(session, receiver, lease_s=0.5) is not None
    with desk.platform.sessions.begin() as session:
        assert deliveries.take(session, receiver, lease_s=0.5) is None
    Sender(desk.platform).kick()
    assert program.calls == []
    until(lambda: now() > desk.deliveries(task_id)[0].due_at)
    Sender(desk.platform).kick()
    (sent,) = desk.settled(task_id)
    assert (sent.tries, len(program.calls)) == (2, 1)


def test_two_senders_send_once(desk: Desk, program: Receiver) -> None:
    hooked(desk, "pair", f"{program.url}/pair")
    tasks_of_pair = [desk.door.submit("pair") for _ in range(10)]
    for task_id in tasks_of_pair:
        body = {
            "task_id": task_id,
            "event_id": task_id,
            "occurred_at": MOMENT,
            "pipeline": "vision",
        }
        deliveries.record(desk.platform, {"name": "EVENT_TASK_SUBMITTED", **body})
    for sender in (Sender(desk.platform), Sender(desk.platform)):
        sender.kick()
    for task_id in tasks_of_pair:
        desk.settled(task_id)
    assert sorted(call.id for call in program.calls) == sorted(tasks_of_pair)


def test_a_webhook_leads_only_where_the_network_settings_allow(
    desk: Desk, program: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked(desk, "inner", f"{program.url}/inner")
    monkeypatch.setattr(desk.platform.settings.network, "allow", [])
    with desk.door.client("inner") as client:
        for url, status in (
            (f"{program.url}/inner", 403),
            ("http://169.254.169.254/latest/meta-data", 403),
            ("http://[::1]:80/", 403),
            ("ftp://example.org/", 400),
            ("http://ann:secret@example.org/", 400),
            ("http:///nothing", 400),
        ):
            refused = client.post("/webhooks", json={"url": url})
            assert refused.status_code == status, url
            assert "secret" not in refused.text
    task_id = desk.happen("inner")  # checked again, by the address that is connected to
    assert "private or reserved" in desk.tried(task_id, 1).error
    assert program.calls == []


def test_old_deliveries_are_forgotten(desk: Desk, program: Receiver) -> None:
    hooked(desk, "old", f"{program.url}/old")
    old, young = desk.happen("old"), desk.happen("old")
    desk.settled(old), desk.settled(young)
    with desk.platform.sessions.begin() as session:
        session.execute(
            update(WebhookDelivery)
            .where(WebhookDelivery.task_id == old)
            .values(due_at=now() - timedelta(days=31))
        )
    tasks.forget_old.function(desk.platform)
    assert (len(desk.deliveries(old)), len(desk.deliveries(young))) == (0, 1)


def test_the_five_lines_of_the_readme_verify(desk: Desk, program: Receiver) -> None:
    readme = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
    code = next(c for c in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "hmac" in c)
    scope: dict[str, Any] = {"base64": base64, "hmac": hmac, "time": time}
    exec(code, scope)
    _, secret = hooked(desk, "copier", f"{program.url}/copy")
    desk.settled(desk.happen("copier"))
    (call,) = program.calls
    assert scope["verified"](call.headers, call.body, secret)
    assert not scope["verified"](call.headers, call.body + b" ", secret)
    stale = call.headers | {"webhook-timestamp": str(int(time.time()) - 600)}
    assert not scope["verified"](stale, call.body, secret)


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of the specification's reference libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    made = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
