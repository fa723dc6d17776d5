"""News on their way to people: who hears what, in which words, once, and nobody waits for another."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest
from apprise.plugins.slack import NotifySlack
from sqlalchemy import select

from services.notification import deliveries
from services.notification.repository import addresses_of
from shared.admission.callers import user_named
from shared.db.models import User
from shared.db.operation_models import NoticeDelivery
from shared.errors import MediaRejected
from tests.services.notification.conftest import Desk, Inbox, until
from tests.services.notification.receiver import Receiver

SLACK = "slack://TAAAAAAAA/BBBBBBBBB/" + "c" * 24


def json_url(program: Receiver, path: str) -> str:
    return f"json://{program.url.partition('://')[2]}{path}"


def reads(desk: Desk, user: str, *urls: object, language: str = "en") -> None:
    """The user wants to be told there."""
    with desk.door.client(user) as client:
        answer = client.put("/notifications", json={"urls": [*urls], "language": language})
        assert answer.status_code == 200, answer.text


def refuse(desk: Desk, user: str, **options: object) -> str:
    """A task of the user that fails at its first step."""
    task_id = desk.door.submit(user, **options)
    desk.fail(task_id, MediaRejected("clip.mp4 has no video stream."))
    return task_id


def test_a_mail_says_what_happened_in_the_language_of_its_reader_and_links_to_it(
    desk: Desk, mail: tuple[Inbox, int]
) -> None:
    inbox, port = mail
    url = f"mailto://127.0.0.1:{port}/ann@lab.example?from=mesh@example.com&mode=insecure"
    reads(desk, "korean", url, language="ko")
    task_id = refuse(desk, "korean")
    desk.settled(task_id)
    (envelope,) = inbox.mails
    assert envelope.rcpt_tos == ["ann@lab.example"]
    parsed = message_from_bytes(envelope.content, policy=policy.default)
    assert parsed["Subject"] == f"작업 {task_id}: 실패"
    body = parsed.get_content()
    assert "clip.mp4 has no video stream." in body
    assert f"확인하기: https://mesh.example/status/{task_id}" in body


def test_slack_gets_what_slack_expects(
    desk: Desk, program: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apprise knows only Slack's own address; here it is that of a server of ours."""
    monkeypatch.setattr(NotifySlack, "webhook_url", f"{program.url}/services")
    program.answers("/services/TAAAAAAAA/BBBBBBBBB/" + "c" * 24, 200, body=b"ok")
    reads(desk, "slacker", f"{SLACK}/#lab")
    task_id = refuse(desk, "slacker")
    desk.settled(task_id)
    (call,) = program.calls
    assert call.path == "/services/TAAAAAAAA/BBBBBBBBB/" + "c" * 24
    assert call.json["channel"] == "#lab"
    (attachment,) = call.json["attachments"]
    assert attachment["title"] == f"Task {task_id}: failed"
    assert "clip.mp4 has no video stream." in attachment["text"]
    assert f"https://mesh.example/status/{task_id}" in attachment["text"]
    assert attachment["color"]


def test_each_address_hears_about_its_steps(desk: Desk, program: Receiver) -> None:
    reads(
        desk,
        "stepper",
        {"url": json_url(program, "/all"), "steps": ["all"]},
        {"url": json_url(program, "/one"), "steps": ["video_processing"]},
        {"url": json_url(program, "/other"), "steps": ["model_training"]},
    )
    task_id = refuse(desk, "stepper")
    desk.settled(task_id, count=6)
    titles = {
        path: [call.json["title"].partition(": ")[2] for call in program.at(path)]
        for path in ("/all", "/one", "/other")
    }
    assert sorted(titles["/all"]) == ["accepted", "failed", "preparing the video failed"]
    assert sorted(titles["/one"]) == ["failed", "preparing the video failed"]
    assert titles["/other"] == ["failed"]


def test_what_a_task_asks_for_comes_before_what_its_user_does(
    desk: Desk, program: Receiver
) -> None:
    reads(desk, "asker", json_url(program, "/user"))
    wish = {"urls": [json_url(program, "/task")], "steps": ["video_processing"]}
    desk.settled(refuse(desk, "asker", notify=wish), count=2)
    assert (len(program.at("/task")), len(program.at("/user"))) == (2, 0)
    desk.settled(refuse(desk, "asker", notify={"steps": ["all"]}), count=3)
    assert len(program.at("/user")) == 3


def test_addresses_of_before_are_understood(desk: Desk, program: Receiver) -> None:
    with desk.platform.sessions.begin() as session:
        user = user_named(session, "early")
        user.notify_urls = [json_url(program, "/plain")]
        assert [a.steps for a in addresses_of(user)] == [frozenset()]
    desk.settled(refuse(desk, "early"))
    assert len(program.at("/plain")) == 1


def test_a_message_is_sent_once_however_often_its_event_comes(
    desk: Desk, program: Receiver
) -> None:
    reads(desk, "once", json_url(program, "/once"))
    task_id = refuse(desk, "once")
    desk.hear(task_id)
    desk.settled(task_id)
    desk.hear(task_id)
    desk.later()
    assert len(program.calls) == 1


def test_a_refused_message_is_tried_again(desk: Desk, program: Receiver) -> None:
    program.answers("/grumpy", 500, 200)
    reads(desk, "stubborn", json_url(program, "/grumpy"))
    task_id = refuse(desk, "stubborn")
    row = desk.tried(task_id, 1)
    assert "500" in row.error
    desk.later()
    (sent,) = desk.settled(task_id)
    assert (sent.tries, len(program.calls)) == (2, 2)


def test_addresses_that_hang_delay_nobody(desk: Desk, program: Receiver, patience: None) -> None:
    """More of them than Apprise has threads of its own."""
    urls = [json_url(program, f"/hang/{number}") for number in range(6)]
    for number in range(6):
        program.hangs(f"/hang/{number}")
    for user in ("unlucky", "luckless", "hapless"):
        reads(desk, user, *urls)
    dead = [refuse(desk, user) for user in ("unlucky", "luckless", "hapless")]
    until(lambda: len(program.calls) == 12)
    reads(desk, "lucky", json_url(program, "/lucky"))
    desk.settled(refuse(desk, "lucky"))
    assert len(program.calls) == 12 + 1
    program.released.set()
    for task_id in dead:
        desk.settled(task_id, count=6)


def test_a_dead_address_is_said_to_be_one(desk: Desk, black_hole: int) -> None:
    reads(desk, "unheard", f"json://127.0.0.1:{black_hole}/hook")
    row = desk.tried(refuse(desk, "unheard"), 1)
    assert "no answer within 1 seconds" in row.error


def test_nothing_is_sent_to_an_address_that_was_withdrawn(desk: Desk, program: Receiver) -> None:
    program.answers("/fickle", 500)
    reads(desk, "fickle", json_url(program, "/fickle"))
    task_id = refuse(desk, "fickle")
    desk.tried(task_id, 1)
    reads(desk, "fickle")
    desk.later()
    (row,) = desk.settled(task_id, "FAILED")
    assert row.error == "The address was withdrawn."
    assert len(program.calls) == 1


def test_no_secret_of_an_address_is_stored_on_the_way(desk: Desk, program: Receiver) -> None:
    program.answers("/tok3ntok3n", 500, body=b"no")
    reads(desk, "secretive", json_url(program, "/tok3ntok3n"))
    task_id = refuse(desk, "secretive")
    desk.tried(task_id, 1)
    with desk.platform.reads() as session:
        rows = session.scalars(select(NoticeDelivery).where(NoticeDelivery.task_id == task_id))
        assert "tok3n" not in str([vars(row) for row in rows])
        assert session.get_one(User, desk.door.user_id("secretive")).notify_urls


def test_people_without_addresses_are_told_by_the_log(desk: Desk) -> None:
    task_id = refuse(desk, "quiet")
    (row,) = desk.settled(task_id)
    assert row.name == "EVENT_TASK_FAILED"
    assert deliveries.record(desk.platform, {"name": row.name, **row.body}) == 0
