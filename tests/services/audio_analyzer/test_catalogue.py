"""Actors, tokens and scripts through the door: made, found, changed, removed."""

from __future__ import annotations

import base64
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.services.audio_analyzer.shelf import TEXT, Shelf, made


def found(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def problem(answer: httpx.Response, status: int) -> str:
    assert (answer.status_code, answer.json()["status"]) == (status, status), answer.text
    return str(answer.json()["detail"])


# --- who may write --------------------------------------------------------------------------------


def test_only_admins_write_and_everybody_reads(shelf: Shelf) -> None:
    actor = shelf.actor()
    token = shelf.token(actor_id=actor)
    wish = {"actor_id": actor, "film": "F", "text": "one two"}
    refused = [
        shelf.ann.post("/actors", json={"name": "Ann"}),
        shelf.ann.put(f"/actors/{actor}", json={"name": "Ann"}),
        shelf.ann.delete(f"/actors/{actor}"),
        shelf.ann.post("/tokens", json=wish),
        shelf.ann.put(f"/tokens/{token}", json=wish),
        shelf.ann.delete(f"/tokens/{token}"),
        shelf.ann.put(f"/tokens/{token}/audio", files={"file": b"RIFF"}),
        shelf.ann.post("/scripts", json={"title": "T", "text": "one"}),
    ]
    assert {answer.status_code for answer in refused} == {403}
    assert "admins" in problem(refused[0], 403)
    assert shelf.ann.get(f"/tokens/{token}").json() == shelf.admin.get(f"/tokens/{token}").json()
    assert httpx.get(f"{shelf.door.url}/tokens").status_code == 401


# --- actors ---------------------------------------------------------------------------------------


def test_an_actor_counts_lines_and_goes_only_without_them(shelf: Shelf) -> None:
    made_ = made(
        shelf.admin.post("/actors", json={"name": " Clark\u00a0 Gable ", "about": "Rhett"})
    )
    assert (made_["name"], made_["tokens"]) == ("Clark Gable", 0)
    token = shelf.token(actor_id=made_["id"])
    path = f"/actors/{made_['id']}"
    assert shelf.ann.get(path).json()["tokens"] == 1
    told = problem(shelf.admin.delete(path), 409)
    assert "'Clark Gable'" in told
    assert "1 tokens and 0 scripts" in told
    assert shelf.admin.delete(f"/tokens/{token}").status_code == 204
    assert shelf.admin.delete(path).status_code == 204
    korean = shelf.admin.get(path, headers={"Accept-Language": "ko"})
    assert "배우를 찾을 수 없습니다" in problem(korean, 404)


def test_two_actors_have_two_names(shelf: Shelf) -> None:
    shelf.actor("Song Kang-ho 송강호")
    decomposed = unicodedata.normalize("NFD", "SONG  KANG-HO 송강호")
    assert "already" in problem(shelf.admin.post("/actors", json={"name": decomposed}), 409)
    other = shelf.actor("Somebody else")
    problem(shelf.admin.put(f"/actors/{other}", json={"name": "song kang-ho 송강호"}), 409)
    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(shelf.admin.post, "/actors", json={"name": "The one and only"})
            for _ in range(4)
        ]
        assert sorted(each.result().status_code for each in asked) == [201, 409, 409, 409]


def test_actors_are_listed_by_name(shelf: Shelf) -> None:
    ids = [shelf.actor(f"Zz {letter}") for letter in "CABED"]
    by_name = [ids[n] for n in (1, 2, 0, 4, 3)]
    first = shelf.ann.get("/actors?q=zz&limit=2").json()
    second = shelf.ann.get("/actors", params={"q": "zz", "limit": 2, "cursor": first["next"]})
    rest = shelf.ann.get("/actors", params={"q": "zz", "cursor": second.json()["next"]}).json()
    pages = [first, second.json(), rest]
    assert [item["id"] for page in pages for item in page["items"]] == by_name
    assert rest["next"] is None


# --- lines ----------------------------------------------------------------------------------------


def test_a_token_is_made_and_changed(shelf: Shelf) -> None:
    actor, other = shelf.actor(), shelf.actor()
    token = shelf.token(actor_id=actor)
    view = shelf.ann.get(f"/tokens/{token}").json()
    assert (view["state"], view["text"], view["actor"]["id"]) == ("NO_AUDIO", TEXT, actor)
    assert (view["audio_url"], view["best_score"], view["bookmarked"]) == (None, None, False)
    wish = {"actor_id": other, "film": "Another", "text": "one two"}
    changed = shelf.admin.put(f"/tokens/{token}", json=wish).json()
    assert changed == shelf.admin.get(f"/tokens/{token}").json()
    assert (changed["actor"]["id"], changed["film"], changed["state"]) == (
        other,
        "Another",
        "NO_AUDIO",
    )
    assert "no audio" in problem(shelf.ann.get(f"/tokens/{token}/audio"), 404)


def test_a_script_needs_no_actor(shelf: Shelf) -> None:
    script = shelf.script(title="  To be\tor not ")
    view = shelf.ann.get(f"/scripts/{script}").json()
    assert (view["actor"], view["title"], view["words"]) == (None, "To be or not", [])
    assert "words" not in shelf.ann.get("/scripts?q=be or not").json()["items"][0]


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"film": "F", "text": "one"}, 422),
        ({"actor_id": "nobody", "film": "F", "text": "one"}, 404),
        ({"actor_id": "a", "film": "F", "text": " \n "}, 422),
        ({"actor_id": "a", "film": "F", "text": "one\u0000two"}, 422),
        ({"actor_id": "a", "film": "F" * 201, "text": "one"}, 422),
        ({"actor_id": "a", "film": "F", "text": "o" * 2001}, 422),
        ({"actor_id": "a", "film": "F", "text": "one", "state": "READY"}, 422),
    ],
)
def test_what_does_not_fit_is_refused(shelf: Shelf, wish: dict[str, Any], status: int) -> None:
    problem(shelf.admin.post("/tokens", json=wish), status)


def test_a_text_that_grows_where_it_is_kept_is_refused_with_its_sentence(shelf: Shelf) -> None:
    """One letter is a phrase where searches compare it, another three letters where it is kept."""
    phrase, three = "\ufdfa", "\U0001d160"
    actor = shelf.actor()
    wishes = {
        "/actors": ({"name": phrase * 20}, {"name": three * 100}),
        "/tokens": ({"actor_id": actor, "film": three * 100, "text": "Frankly"},),
        "/scripts": ({"title": three * 100, "text": "Frankly"},),
    }
    for path, given in wishes.items():
        for wish in given:
            answer = shelf.admin.post(path, json=wish, headers={"Accept-Language": "ko"})
            assert (answer.status_code, answer.json()["code"]) == (422, "Invalid"), answer.text
            (misfit,) = answer.json()["errors"]
            assert "풀어 쓰는 글자" in misfit["what"]
    for path, wish in (
        ("/actors", {"name": phrase * 14}),
        ("/scripts", {"title": phrase * 200, "text": phrase * 2000}),
    ):
        assert shelf.admin.post(path, json=wish).status_code == 201


def test_a_zero_character_in_an_address_finds_nothing(shelf: Shelf) -> None:
    for path in ("/tokens/%00", "/tokens?q=%00", "/actors/%00", "/scripts?actor_id=%00"):
        assert shelf.ann.get(path).status_code in {200, 404, 422}


# --- found again ----------------------------------------------------------------------------------


def test_search_knows_no_case_and_takes_no_letter_for_a_pattern(shelf: Shelf) -> None:
    actor = shelf.actor("Élodie 박서준")
    token = shelf.token("Ça alors, 100%_sûr! 사랑해요", film="Été", actor_id=actor)
    words = ("ÇA ALORS", "100%_", "élodie", "ÉTÉ sûr", unicodedata.normalize("NFD", "박서준 사랑"))
    for q in words:
        assert found(shelf.ann.get("/tokens", params={"q": q})) == [token], q
    for q in ("1_0", "%%_", "alors 없음"):
        assert found(shelf.ann.get("/tokens", params={"q": q})) == [], q


def test_filters(shelf: Shelf) -> None:
    actor = shelf.actor()
    one, two = (shelf.token(film=film, actor_id=actor) for film in ("Une", "Deux"))
    mine = {"actor_id": actor}
    assert found(shelf.ann.get("/tokens", params=mine)) == [two, one]
    assert found(shelf.ann.get("/tokens", params=mine | {"film": "Une"})) == [one]
    assert found(shelf.ann.get("/tokens", params=mine | {"state": "NO_AUDIO"})) == [two, one]
    assert found(shelf.ann.get("/tokens", params=mine | {"state": "READY"})) == []
    problem(shelf.ann.get("/tokens", params={"state": "DONE"}), 422)


def test_pages_stay_as_they_are_while_lines_are_added(shelf: Shelf) -> None:
    actor = shelf.actor()
    ids = [shelf.token(f"line {n}", actor_id=actor) for n in range(5)][::-1]
    params: dict[str, Any] = {"actor_id": actor, "limit": 2}
    seen: list[str] = []
    for n in range(3):
        page = shelf.ann.get("/tokens", params=params).json()
        seen += [item["id"] for item in page["items"]]
        shelf.token(f"newer {n}", actor_id=actor)
        params["cursor"] = page["next"]
    assert seen == ids
    assert page["next"] is None


@pytest.mark.parametrize(
    "inside",
    ["", "elsewhere", "[]", '["2026-01-01T00:00:00", "x"]', "[1, 2]", '["\\ud800", "x"]', "{}"],
)
def test_a_cursor_that_no_page_gave_is_refused(shelf: Shelf, inside: str) -> None:
    cursor = base64.urlsafe_b64encode(inside.encode()).decode().rstrip("=") or "="
    for path in ("tokens", "mypage/history", "tasks/"):
        problem(shelf.ann.get(f"/{path}", params={"cursor": cursor}), 422)


def test_half_a_character_is_refused(shelf: Shelf) -> None:
    half = shelf.admin.post(
        "/actors", content=b'{"name": "\\ud800"}', headers={"Content-Type": "application/json"}
    )
    assert half.status_code in {400, 422}


def test_a_list_costs_the_same_however_long_it_is(shelf: Shelf) -> None:
    few, many = shelf.actor(), shelf.actor()
    shelf.token(actor_id=few)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: shelf.token(f"line {n}", actor_id=many), range(50)))
    asked = {}
    for actor, length in ((few, 1), (many, 50)):
        shelf.ann.get("/tokens?limit=1")  # who asks is known from here on
        with shelf.statements() as asked[length]:
            answer = shelf.ann.get("/tokens", params={"actor_id": actor, "limit": 100})
        assert len(answer.json()["items"]) == length
    assert len(asked[1]) == len(asked[50]) == 3, asked[50]
    with shelf.statements() as of_actors:
        shelf.ann.get("/actors?limit=100")
    assert len(of_actors) == 3


# --- kept by the reader ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/tokens?actor_id={actor}", "/tokens/{token}", "/actors/{actor}"])
def test_what_has_not_changed_is_not_sent_again(shelf: Shelf, path: str) -> None:
    actor = shelf.actor()
    token = shelf.token(actor_id=actor)
    path = path.format(actor=actor, token=token)
    first = shelf.ann.get(path)
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Accept-Language"} <= set(first.headers["Vary"].split(", "))
    for told in (tag, f'"other", W/{tag}', "*"):
        again = shelf.ann.get(path, headers={"If-None-Match": told})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert again.headers["Vary"] == first.headers["Vary"]
    shelf.token("another line", actor_id=actor)
    wish = {"actor_id": actor, "film": "New", "text": TEXT}
    assert shelf.admin.put(f"/tokens/{token}", json=wish).status_code == 200
    changed = shelf.ann.get(path, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.headers["ETag"] == tag) == (200, False)


def test_a_change_is_refused_that_is_based_on_what_is_no_more(shelf: Shelf) -> None:
    actor = shelf.actor()
    path = f"/tokens/{shelf.token(actor_id=actor)}"
    tag = shelf.admin.get(path).headers["ETag"]
    wish = {"actor_id": actor, "film": "Mine", "text": TEXT}
    weak = shelf.admin.put(path, json=wish, headers={"If-Match": f"W/{tag}"})
    assert weak.status_code == 412
    assert shelf.admin.put(path, json=wish, headers={"If-Match": tag}).status_code == 200
    late = shelf.admin.put(path, json=wish | {"film": "Theirs"}, headers={"If-Match": tag})
    assert "after you read it" in problem(late, 412)
    assert shelf.admin.get(path).json()["film"] == "Mine"
    assert shelf.admin.delete(path, headers={"If-Match": tag}).status_code == 412
    assert shelf.admin.put(path, json=wish, headers={"If-Match": "*"}).status_code == 200
    tag = shelf.admin.get(f"/actors/{actor}").headers["ETag"]
    named = f"Renamed {actor}"
    assert shelf.admin.put(
        f"/actors/{actor}", json={"name": named}, headers={"If-Match": '"x"'}
    ).status_code == 412  # fmt: skip
    assert shelf.admin.put(
        f"/actors/{actor}", json={"name": named}, headers={"If-Match": tag}
    ).status_code == 200  # fmt: skip
    assert shelf.admin.get(path).json()["actor"]["name"] == named
