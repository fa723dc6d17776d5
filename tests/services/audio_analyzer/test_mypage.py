"""What a learner has said: history, trends, best scores, bookmarks; never anybody else's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.services.audio_analyzer.shelf import Shelf


@pytest.fixture
def learner(shelf: Shelf, request: pytest.FixtureRequest) -> Any:
    name = f"learner of {request.node.name}"
    with shelf.door.client(name) as client:
        yield name, client


def items(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def test_history_and_best(shelf: Shelf, learner: tuple[str, httpx.Client]) -> None:
    name, client = learner
    one, two = shelf.token("first line"), shelf.token("second line")
    jobs = [shelf.said(name, one, score) for score in (50.0, 80.0, 70.0)]
    jobs += [shelf.said(name, two, 90.5), shelf.said(name, two, None)]
    shelf.said("somebody else", one, 99.0)
    first = client.get("/mypage/history?limit=3").json()
    assert [item["job_id"] for item in first["items"]] == jobs[:1:-1]
    rest = client.get("/mypage/history", params={"cursor": first["next"]}).json()
    assert [item["job_id"] for item in rest["items"]] == jobs[1::-1]
    newest = first["items"][0]
    assert (newest["recognition"], newest["pron_score"]) == ("NoMatch", None)
    assert (newest["line"]["text"], newest["line"]["subject"]) == ("second line", "token")
    assert newest["result_url"] == f"/tokens/analysis-result/{jobs[4]}"
    of_one = items(client.get("/mypage/history", params={"token_id": one}))
    assert [item["job_id"] for item in of_one] == jobs[2::-1]
    best = items(client.get("/mypage/best"))
    assert [(b["line"]["id"], b["pron_score"], b["recordings"]) for b in best] == [
        (two, 90.5, 1),
        (one, 80.0, 3),
    ]
    page = client.get("/mypage/best?limit=1").json()
    following = client.get("/mypage/best", params={"limit": 1, "cursor": page["next"]}).json()
    assert [page["items"][0], following["items"][0]] == best
    assert client.get(f"/tokens/{one}").json()["best_score"] == 80.0
    assert shelf.admin.get(f"/tokens/{one}").json()["best_score"] is None


def test_trends_compare_means(shelf: Shelf, learner: tuple[str, httpx.Client]) -> None:
    name, client = learner
    token = shelf.token()
    nothing = client.get("/mypage/trends").json()
    assert (nothing["points"], nothing["gain"]["pron_score"]) == ([], None)
    for score in (40, 50, 60, 50, 50, 60, 70, None, 80, 90):
        shelf.said(name, token, score)
    found = client.get("/mypage/trends", params={"token_id": token}).json()
    assert [p["pron_score"] for p in found["points"]] == [40, 50, 60, 50, 50, 60, 70, 80, 90]
    assert (found["first"]["prosody"], found["latest"]["prosody"]) == (50.0, 70.0)
    assert found["gain"]["pron_score"] == 20.0
    newest = client.get("/mypage/trends?limit=2").json()
    assert [p["pron_score"] for p in newest["points"]] == [80, 90]
    assert client.get("/mypage/trends", params={"script_id": token}).json()["points"] == []


def test_bookmarks(shelf: Shelf, learner: tuple[str, httpx.Client]) -> None:
    name, client = learner
    token, script = shelf.token(), shelf.script()
    shelf.said(name, token, 61.0)
    paths = [f"/mypage/bookmarks/tokens/{token}", f"/mypage/bookmarks/scripts/{script}"]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(client.put, paths[0]) for _ in range(4)]
        assert {each.result().status_code for each in asked} == {204}
    assert client.put(paths[1]).status_code == 204
    found = items(client.get("/mypage/bookmarks"))
    assert [(b["line"]["id"], b["best_score"], b["state"]) for b in found] == [
        (script, None, "NO_AUDIO"),
        (token, 61.0, "NO_AUDIO"),
    ]
    assert client.get(f"/tokens/{token}").json()["bookmarked"] is True
    assert shelf.admin.get(f"/tokens/{token}").json()["bookmarked"] is False
    assert client.put("/mypage/bookmarks/tokens/none").status_code == 404
    for _ in range(2):
        assert client.delete(paths[0]).status_code == 204
    assert [b["line"]["id"] for b in items(client.get("/mypage/bookmarks"))] == [script]
    assert shelf.admin.delete(f"/scripts/{script}").status_code == 204
    assert items(client.get("/mypage/bookmarks")) == []


def test_a_page_costs_the_same_however_long_it_is(
    shelf: Shelf, learner: tuple[str, httpx.Client]
) -> None:
    name, client = learner
    for n in range(6):
        token = shelf.token(f"line {n}")
        shelf.said(name, token, 50.0 + n)
        client.put(f"/mypage/bookmarks/tokens/{token}")
    for path in ("history", "best", "bookmarks"):
        asked: dict[int, int] = {}
        for limit in (1, 6):
            with shelf.statements() as statements:
                assert len(items(client.get(f"/mypage/{path}?limit={limit}"))) == limit
            asked[limit] = len(statements)
        assert asked[1] == asked[6] <= 3, path
