"""How often somebody may ask: through the door, over several gateways, with and without Redis."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx
import pytest

from shared.errors import BadInput
from shared.settings import Settings
from shared.web import rate
from shared.web.rate import Limits, LocalBuckets, Rate, RedisBuckets, TooOften, buckets
from tests.servers.redis import Redis
from tests.shared.web.door import Door

SLOW = Rate.of(6)  # ten at once, then one in ten seconds


@pytest.fixture(params=["local", "redis"])
def kept(request: pytest.FixtureRequest) -> rate.Buckets:
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    return buckets(url)


def test_a_bucket_holds_a_burst_and_fills_again(kept: rate.Buckets) -> None:
    fast = Rate(per_minute=300, burst=10)  # five a second
    begun, taken = time.monotonic(), 0
    while not (wait_s := kept.take("a", 1, fast)):
        taken += 1
    assert 10 <= taken <= 11 + 5 * (time.monotonic() - begun)
    assert 0 < wait_s <= 0.2
    assert kept.take("b", 1, fast) == 0.0, "everybody has a bucket of his own"
    time.sleep(wait_s + 0.01)
    assert kept.take("a", 1, fast) == 0.0


def test_many_tokens_are_taken_together_or_not_at_all(kept: rate.Buckets) -> None:
    assert kept.take("a", 8, SLOW) == 0.0
    assert kept.take("a", 3, SLOW) == pytest.approx(10, abs=3)
    assert kept.take("a", 2, SLOW) == 0.0
    kept.take("a", -4, SLOW)
    assert kept.take("a", 4, SLOW) == 0.0
    kept.take("empty", -5, SLOW)
    assert kept.take("empty", 11, SLOW) > 0, "nobody saves more than a bucket holds"


def test_two_gateways_share_what_a_user_may(redis_url: str) -> None:
    here, there = RedisBuckets(redis_url), RedisBuckets(redis_url)
    taken = [(here, there)[n % 2].take("ann", 1, SLOW) == 0.0 for n in range(20)]
    assert sum(taken) == 10
    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda b: found.append(b.take("bob", 1, SLOW) == 0.0), args=(b,))
        for b in (here, there) * 15
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == 10


def test_a_user_has_one_bucket_at_all_doors(redis_url: str, tmp_path: Path) -> None:
    """Two gateways over one database and one Redis."""
    more = {
        "database": f"sqlite:///{tmp_path / 'both.db'}",
        "cache": redis_url,
        "gateway": {"requests_per_minute": 6},
    }
    with Door.opened(tmp_path / "a", **more) as here, Door.opened(tmp_path / "b", **more) as there:
        headers = {"X-API-Key": here.key_of("ann")}
        with httpx.Client(headers=headers) as ann:
            doors = [here.url, there.url] * 6
            statuses = [ann.get(f"{url}/notifications").status_code for url in doors]
    assert statuses[:10] == [200] * 10
    assert statuses[-1] == 429


def test_what_redis_keeps_ends_by_itself(redis_server: Redis, redis_url: str) -> None:
    import redis

    RedisBuckets(redis_url).take("ann", 5, SLOW)
    client = redis.Redis.from_url(redis_url)
    (key,) = client.keys("*")
    assert 0 < client.pttl(key) <= 50_000


def test_redis_is_missed_by_nobody(tmp_path: Path) -> None:
    with Redis(tmp_path) as server:
        shared = RedisBuckets(server.fresh(1))
        assert shared.take("ann", 1, SLOW) == 0.0
        server.kill()
        begun = time.monotonic()
        assert [shared.take("ann", 1, SLOW) for _ in range(10)] == [0.0] * 10
        assert shared.take("ann", 1, SLOW) > 0, "the process counts alone meanwhile"
        assert time.monotonic() - begun < 5


def test_an_unknown_cache_is_named() -> None:
    with pytest.raises(BadInput, match="memcached"):
        buckets("memcached://host")


def test_a_user_who_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    with (
        Door.opened(tmp_path, gateway={"requests_per_minute": 6}) as door,
        door.client("ann") as ann,
        door.client("bob") as bob,
    ):
        answers = [ann.get("/health/ready") for _ in range(3)]
        assert {a.status_code for a in answers} == {200}, "what needs no key is not counted"
        answers = [ann.get("/notifications") for _ in range(12)]
        assert [a.status_code for a in answers[:10]] == [200] * 10
        refused = answers[-1]
        assert refused.json()["code"] == "TooOften"
        assert 1 <= int(refused.headers["retry-after"]) <= 20
        assert refused.headers["content-type"] == "application/problem+json"
        assert bob.get("/notifications").status_code == 200


def test_wrong_keys_from_one_address_are_slowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate, "WRONG_KEYS_PER_MINUTE", 10)
    with Door.opened(tmp_path) as door, door.client("ann") as ann:
        assert ann.get("/notifications").status_code == 200
        stranger = httpx.Client(base_url=door.url)
        late = door.key_of("late")
        with stranger:
            answers = [
                stranger.get("/notifications", headers={"X-API-Key": f"av_{n}"}) for n in range(13)
            ]
            assert [a.status_code for a in answers[:10]] == [401] * 10
            assert (answers[-1].status_code, answers[-1].json()["code"]) == (
                429,
                "TooManyWrongKeys",
            )
            assert int(answers[-1].headers["retry-after"]) >= 1
            assert stranger.get("/notifications", headers={"X-API-Key": late}).status_code == 429
            assert stranger.get("/notifications").status_code == 401, "no key is no guess"
        assert ann.get("/notifications").status_code == 200, "who was known before is not held"


def test_right_keys_are_no_guesses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "WRONG_KEYS_PER_MINUTE", 10)
    with Door.opened(tmp_path) as door:
        keys = [door.key_of(f"user {number}") for number in range(25)]
        with httpx.Client(base_url=door.url) as client:
            for key in keys:
                answer = client.get("/notifications", headers={"X-API-Key": key})
                assert answer.status_code == 200


def test_redis_is_asked_for_many_tokens_at_once(redis_url: str) -> None:
    asked: list[int] = []

    class Counting(LocalBuckets):
        def take(self, key: str, tokens: int, rate: Rate) -> float:
            asked.append(tokens)
            return super().take(key, tokens, rate)

    settings = Settings(cache=redis_url, gateway={"requests_per_minute": 6000})
    limits = Limits(settings, Counting())
    for _ in range(100):
        limits._spend("ann")
    assert asked == [10] * 10
    with pytest.raises(TooOften):
        for _ in range(2000):
            limits._spend("ann")
