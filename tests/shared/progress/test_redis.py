"""News and live figures through a real Redis, and without it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import wiring
from shared.db import migrate
from shared.platform import Platform
from shared.progress import redis_client
from shared.progress.redis_live import RedisLive
from shared.progress.redis_news import RedisNews
from shared.settings import Settings
from tests.servers.redis import Redis

NOTE = {"progress": 0.5, "message": "half", "figures": {"epoch": 3}, "attempt": 1}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Platform]:
    made = wiring.build(Settings(data_dir=tmp_path))
    migrate.upgrade(made.engine)
    yield made
    made.engine.dispose()


def test_who_listens_learns_what_another_process_told(redis_url: str, database: Platform) -> None:
    ours, theirs = (RedisNews(redis_url, database.reads) for _ in range(2))
    assert ours.since(1.0) is None, "what was told before the subscription is not known"
    begun = time.monotonic()
    threading.Timer(0.2, lambda: theirs.tell(["a", "b"])).start()
    assert ours.since(10.0) == {"a", "b"}
    assert time.monotonic() - begun < 5
    assert ours.since(0.05) == set()


def test_figures_are_shown_and_announced_at_once(redis_url: str, database: Platform) -> None:
    live, news = RedisLive(redis_url), RedisNews(redis_url, database.reads)
    news.since(1.0)
    assert live.show("a", "training", NOTE)
    assert news.since(5.0) == {"a"}
    assert live.of(["a", "nobody"]) == {"a": {"training": NOTE}}


def test_an_emptied_redis_forgets_figures_and_nothing_else(
    tmp_path: Path, database: Platform
) -> None:
    with Redis(tmp_path / "redis") as server:
        live, news = RedisLive(server.url), RedisNews(server.url, database.reads)
        news.since(1.0)
        live.show("a", "training", NOTE)
        server.empty()
        assert live.of(["a"]) == {}
        assert live.show("a", "training", NOTE)


def test_while_redis_is_away_the_database_is_looked_at(
    tmp_path: Path, database: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "REST_S", 0.1)
    with Redis(tmp_path / "redis") as server:
        live, news = RedisLive(server.url), RedisNews(server.url, database.reads)
        news.since(1.0)
        server.kill()
        assert not live.show("a", "training", NOTE)
        assert live.of(["a"]) == {}
        news.tell(["a"])  # nobody is told, and nobody is hurt
        assert news.since(0.2) is None, "something may have been missed"
        news.since(0.1)
        server.start()
        deadline = time.monotonic() + 20
        while not live.show("a", "training", NOTE):
            assert time.monotonic() < deadline
        while news.since(0.2) is not None:  # subscribed again
            assert time.monotonic() < deadline
        live.show("b", "training", NOTE)
        assert "b" in (news.since(5.0) or ())


def test_a_redis_that_hangs_is_left_alone_for_a_while(tmp_path: Path) -> None:
    with Redis(tmp_path / "redis") as server:
        live = RedisLive(server.url)
        assert live.show("a", "training", NOTE)
        server.pause()
        try:
            begun = time.monotonic()
            for _ in range(50):
                assert not live.show("a", "training", NOTE)
            assert time.monotonic() - begun < 4, "only the first waits for an answer"
        finally:
            server.resume()
