"""Links that lead nowhere, to a standstill, or into the inner network."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

import pytest

from tests.services.video_processor.films import film
from tests.stack.person import Person, state_of
from tests.stack.web_server import Server, web_server

pytestmark = pytest.mark.usefixtures("still_serves")
STEP = "video_download"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = film(tmp_path_factory.mktemp("web") / "film.mp4", frames=60)
    with web_server(path.read_bytes()) as server:
        yield server


DEAD = [
    ("/status/404", 404, ("/status/404 does not exist (HTTP 404)", "Check the address")),
    ("/status/410", 404, ("does not exist (HTTP 410)", "link has expired")),
    ("/status/403", 403, ("does not let us in (HTTP 403)", "signed link")),
    ("/status/418", 400, ("answered HTTP 418", "Check the address in a browser")),
    ("/page", 415, ("leads to a web page (text/html)", "direct link")),
    ("/empty.mp4", 415, ("empty.mp4 is empty (0 bytes)", "send it again")),
    ("/loop", 409, ("redirects in a circle or too often", "final address")),
    ("/to/file:%2F%2F%2Fetc%2Fpasswd", 400, ("'file'", "http:// or https://")),
]


@pytest.mark.parametrize(("path", "status", "words"), DEAD, ids=[path for path, *_ in DEAD])
def test_a_link_without_a_video_says_what_it_leads_to(
    person: Person, web: Server, path: str, status: int, words: tuple[str, ...]
) -> None:
    wish = {"file_path": web.url + path}
    person.post("/video/download", wish, wait_s=30).refused(status, *words)


INNER = [
    "127.0.0.2",
    "10.1.2.3",
    "192.168.1.1",
    "172.16.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "[::1]",
    "[fe80::1]",
    "[fd00::1]",
    "[::ffff:127.0.0.2]",
    "[64:ff9b::a01:203]",
    "2130706434",  # 127.0.0.2 as one number
    "0x7f.2",
]


@pytest.mark.parametrize("host", INNER)
def test_an_inner_address_is_refused_first_hand_and_after_a_redirect(
    person: Person, web: Server, host: str
) -> None:
    inner = f"http://{host}:{web.server_port}/film.mp4"
    for link in (inner, f"{web.url}/to/{inner}"):
        answer = person.post("/video/download", {"file_path": link}, wait_s=30)
        answer.refused(403, "private or reserved network", "ACTVERSE_NETWORK__ALLOW")
    assert web.asked == []


def inner_name() -> str:
    """A name of this machine that leads to an address which the mesh may not fetch from."""
    for name in (socket.gethostname(), "ip6-localhost", "localhost6", "ip6-loopback"):
        try:
            found = {str(answer[4][0]).split("%")[0] for answer in socket.getaddrinfo(name, 80)}
        except socket.gaierror:
            continue
        if found != {"127.0.0.1"} and not any(ipaddress.ip_address(a).is_global for a in found):
            return name
    pytest.skip("no name of this machine leads to an inner address besides 127.0.0.1")


def test_a_name_of_an_inner_address_is_refused_too(person: Person, web: Server) -> None:
    name = inner_name()
    inner = f"http://{name}:{web.server_port}/film.mp4"
    for link in (inner, f"{web.url}/to/{inner}"):
        answer = person.post("/video/download", {"file_path": link}, wait_s=30)
        answer.refused(403, f"{name} leads into a private or reserved network")


NOT_FETCHED = [
    ("ftp://example.org/film.mp4", 400, ("ftp://", "https://")),
    ("file:///etc/passwd", 400, ("file://", "https://")),
    ("http:///film.mp4", 400, ("names no host",)),
    ("upload://none/film.mp4", 404, ("There is no upload none",)),
]


@pytest.mark.parametrize(("link", "status", "words"), NOT_FETCHED)
def test_what_can_never_be_fetched_is_refused_at_the_door(
    person: Person, link: str, status: int, words: tuple[str, ...]
) -> None:
    for path in ("/tasks/", "/video/download"):
        person.post(path, {"file_path": link}).refused(status, *words)


def test_what_only_the_operator_can_open_says_so(person: Person, web: Server) -> None:
    bucket = {"file_path": "s3://somebody/film.mp4"}
    answer = person.post("/video/download", bucket, wait_s=30)
    answer.refused(403, "bucket somebody is not open", "operator")
    secret = {"file_path": f"http://ann:s3cret@127.0.0.1:{web.server_port}/film.mp4"}
    answer = person.post("/video/download", secret, wait_s=30)
    answer.refused(400, "carries a user name or password")
    assert "s3cret" not in answer.told


def test_a_link_that_stalls_is_taken_up_where_it_stopped(person: Person, web: Server) -> None:
    web.asked.clear()
    web.stalls = 1
    wish = {"file_path": f"{web.url}/stalling.mp4"}
    task_id = person.post("/video/download", wish).given(202)["task_id"]
    told = "stalling.mp4 stopped answering: no byte arrived within the time-out. Next try in 1 s (1 of 6)."
    person.until(task_id, lambda s: told in str(state_of(s, STEP)["message"]))
    assert person.ended(task_id)["state"] == "SUCCEEDED"
    assert web.asked == ["", "bytes=1000-"]
    task = person.get(f"/tasks/{task_id}").given()
    assert task["results"]["mb"] == round(len(web.film) / 1e6, 3)
    web.asked.clear()


def test_a_link_that_stalls_for_ever_can_be_cancelled(person: Person, web: Server) -> None:
    web.stalls = 99
    wish = {"file_path": f"{web.url}/stalling.mp4"}
    task_id = person.post("/video/download", wish).given(202)["task_id"]
    person.until(task_id, lambda s: "stopped answering" in str(state_of(s, STEP)["message"]))
    person.post(f"/tasks/{task_id}/cancel").given(202)
    assert person.ended(task_id, within_s=5)["state"] == "CANCELLED"
    web.stalls = 0
    person.until(task_id, lambda s: state_of(s, STEP)["state"] == "CANCELLED", within_s=5)
    web.asked.clear()
