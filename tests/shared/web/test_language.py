"""Problems are said in the language of `Accept-Language`, and everything else about them stays."""

from __future__ import annotations

from http import HTTPStatus

import httpx
import pytest
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from shared.errors import Conflict, NotFound
from shared.fields import Unfit
from shared.messages import MESSAGES, Sentence, spoken
from shared.web.language import language_of, spoken_in
from shared.web.openapi import SAID
from shared.web.problems import title
from tests.shared.web.door import VIDEO_URL, Door

KOREAN = {"Accept-Language": "ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7"}


def in_korean(text: str) -> bool:
    return any("가" <= letter <= "힣" for letter in text)


def request(*said: str) -> Request:
    headers = [(b"accept-language", each.encode("latin-1")) for each in said]
    return Request({"type": "http", "headers": headers})


LIKED = {
    (): "en",
    ("",): "en",
    ("ko",): "ko",
    ("KO-kr",): "ko",
    ("en",): "en",
    ("fr, de;q=0.9",): "en",
    ("fr, ko;q=0.3",): "ko",
    ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7",): "ko",
    ("en-US,en;q=0.9,ko;q=0.8",): "en",
    ("en;q=0.2,ko;q=0.25",): "ko",
    ("en-GB;q=0.1, en;q=0.9, ko;q=0.5",): "en",
    ("ko;q=0",): "en",
    ("ko;q=0.000, en;q=0",): "en",
    ("*",): "en",
    ("en;q=0, *",): "ko",
    ("ko;q=0.5, *;q=0.8",): "en",
    ("ko , en",): "ko",
    ("en , ko",): "en",
    ("fr", "ko;q=0.5"): "ko",
    ("ko; q = 0.9 ,en;q=0.1",): "ko",
    ("ko;q=2, en;q=0.1",): "en",
    ("ko;q=nan, ;;;, -, =",): "en",
    ("x," * 5000 + "ko",): "en",
}


@pytest.mark.parametrize("said", LIKED, ids=lambda said: "+".join(said)[:40])
def test_the_language_that_is_liked_best(said: tuple[str, ...]) -> None:
    assert language_of(request(*said)) == LIKED[said]


@pytest.fixture(scope="module")
def more(door: Door) -> None:
    """Routes that say what the real ones cannot be brought to say here."""
    router = APIRouter()

    @router.get("/language/untold")
    def untold() -> None:
        raise NotFound("A sentence that nobody has translated.")

    @router.get("/language/code")
    def code() -> None:
        raise RuntimeError("the password is hunter2")

    @router.get("/language/nested")
    def nested() -> None:
        why = Sentence("error.nothing_stored", key="a/b {x}")
        raise Conflict(Sentence("error.files_of_your_machine", why=why))

    @router.get("/language/own")
    def own(request: Request) -> JSONResponse:
        language = language_of(request)
        said = spoken(Sentence("error.frame_gone"), language)
        return JSONResponse({"said": said}, headers=spoken_in(language))

    door.app.include_router(router)


def form(name: str, content: bytes, kind: str) -> dict[str, object]:
    return {"files": {"file": (name, content, kind)}}


CASES = [
    ("GET", "/nothing/here", {}, 404),
    ("DELETE", "/tasks/", {}, 405),
    ("GET", "/tasks/none", {}, 404),
    ("GET", "/tasks/?cursor=x", {}, 422),
    ("GET", "/tasks/", {"headers": {"Authorization": "Bearer x"}}, 401),
    ("GET", "/tasks/", {"headers": {"Authorization": ""}}, 401),
    ("POST", "/tasks/", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
    ("POST", "/tasks/", {"content": b" " * 2**21}, 413),
    ("POST", "/tasks/", {"json": {"pipeline": "no", "file_path": VIDEO_URL}}, 400),
    ("POST", "/tasks/", {"json": {"file_path": "ftp://example.org/a.mp4"}}, 400),
    ("POST", "/tasks/", {"json": {"file_path": "/etc/passwd"}}, 400),
    ("POST", "/tasks/", {"json": {}}, 422),
    ("POST", "/uploads/", form("a.mp4", b"0" * 3 * 1024**2, "video/mp4"), 413),
    ("POST", "/uploads/", form("a.pdf", b"%PDF-1.7", "video/mp4"), 415),
    ("POST", "/uploads/", form("a.txt", b"a", "text/plain"), 415),
    ("POST", "/uploads/", form("a.mp4", b"", "video/mp4"), 400),
    ("POST", "/uploads/direct/none/complete", {}, 404),
    ("GET", "/language/code", {}, 500),
    ("GET", "/language/nested", {}, 409),
]


@pytest.mark.usefixtures("more")
@pytest.mark.parametrize(("method", "path", "given", "status"), CASES)
def test_a_problem_speaks_the_language_of_its_reader(
    admin: httpx.Client, method: str, path: str, given: dict, status: int
) -> None:
    named = given.get("headers", {})
    english = admin.request(method, path, **given)
    korean = admin.request(method, path, **{**given, "headers": {**KOREAN, **named}})
    assert english.status_code == korean.status_code == status
    assert english.headers["content-language"] == "en"
    assert korean.headers["content-language"] == "ko"
    assert "Accept-Language" in english.headers["vary"]
    assert "Accept-Language" in korean.headers["vary"]
    said, told = english.json(), korean.json()
    assert not in_korean(said["title"] + said["detail"])
    assert in_korean(told["title"])
    assert in_korean(told["detail"])
    assert {k: said[k] for k in ("type", "status", "code", "instance")} == {
        k: told[k] for k in ("type", "status", "code", "instance")
    }
    assert korean.headers.get("allow") == english.headers.get("allow")


@pytest.mark.usefixtures("more")
def test_sentences_within_a_sentence_are_said_in_its_language(admin: httpx.Client) -> None:
    told = admin.get("/language/nested", headers=KOREAN).json()["detail"]
    assert told == (
        "저장된 것이 없습니다: 'a/b {x}'. 내 컴퓨터의 파일은 POST /uploads/로 보내 주세요."
    )


@pytest.mark.usefixtures("more")
def test_what_nobody_has_translated_is_said_in_english_and_says_so(admin: httpx.Client) -> None:
    answer = admin.get("/language/untold", headers=KOREAN)
    assert answer.json()["title"] == "찾을 수 없음"
    assert answer.json()["detail"] == "A sentence that nobody has translated."
    assert answer.headers["content-language"] == "ko, en"


@pytest.mark.usefixtures("more")
def test_a_route_may_say_sentences_of_its_own(admin: httpx.Client) -> None:
    answer = admin.get("/language/own", headers=KOREAN)
    assert in_korean(answer.json()["said"])
    assert answer.headers["content-language"] == "ko"
    assert "Accept-Language" in answer.headers["vary"]


def test_a_console_elsewhere_gets_both_reasons_to_vary(admin: httpx.Client) -> None:
    answer = admin.get("/tasks/none", headers={**KOREAN, "Origin": "https://lab.example"})
    assert {"Accept-Language", "Origin"} <= set(answer.headers["vary"].split(", "))


def test_every_field_that_does_not_fit_is_told_in_the_language(admin: httpx.Client) -> None:
    options = {"num_frames": 0, "labeler": "pencil", "classes": ["", "x" * 65], "more": 1}
    body = {"file_path": VIDEO_URL, "options": options}
    answer = admin.post("/tasks/", json=body, headers=KOREAN)
    assert (answer.status_code, answer.json()["code"]) == (422, "Invalid")
    told = {each["where"]: each["what"] for each in answer.json()["errors"]}
    assert told == {
        "options.num_frames": "값이 너무 작습니다. 최솟값: 1",
        "options.labeler": "다음 중 하나여야 합니다: 'builtin', 'folder', 'auto', 'label_studio', 'cvat'",
        "options.classes.0": "너무 짧습니다. 최소 글자 수: 1",
        "options.classes.1": "너무 깁니다. 최대 글자 수: 64",
        "options.more": "알 수 없는 항목입니다. 이름을 확인하거나 빼 주세요",
    }
    assert answer.json()["detail"] == "; ".join(f"{k}: {v}" for k, v in told.items())
    assert answer.headers["content-language"] == "ko"


def test_what_our_own_validators_say_is_told_in_the_language(admin: httpx.Client) -> None:
    body = {"file_path": VIDEO_URL, "options": {"classes": ["rat", "rat"]}}
    told = admin.post("/tasks/", json=body, headers=KOREAN).json()["errors"]
    assert told == [{"where": "options.classes", "what": "값 오류: 두 번 나옵니다: 'rat'"}]
    said = admin.post("/tasks/", json=body).json()["errors"]
    assert said == [{"where": "options.classes", "what": "Value error, 'rat' is there twice"}]


def test_fields_of_a_body_and_of_a_query(admin: httpx.Client) -> None:
    told = admin.get("/tasks/?limit=many&state=SLEEPY", headers=KOREAN).json()["errors"]
    assert {each["where"] for each in told} == {"query.limit", "query.state"}
    assert all(in_korean(each["what"]) for each in told)
    told = admin.post("/tasks/", json={"file_path": 7}, headers=KOREAN).json()["errors"]
    assert told == [{"where": "body.file_path", "what": "문자열이어야 합니다"}]


def test_an_error_that_the_table_does_not_have_keeps_its_own_words() -> None:
    found = Unfit([{"type": "of_tomorrow", "loc": ("a",), "msg": "Say please", "ctx": {"x": 1}}])
    assert found.told("ko") == str(found) == "a: Say please"
    other = Unfit([{"type": "too_short", "loc": ("a", 0), "msg": "Too short", "ctx": {"n": 1}}])
    assert other.told("ko") == "a.0: Too short"


def test_every_status_of_ours_has_a_title_in_the_table() -> None:
    for status in (*SAID, HTTPStatus.METHOD_NOT_ALLOWED):
        assert title(status) == MESSAGES[f"title.{int(status)}"]["en"] == HTTPStatus(status).phrase
