"""Health: measured, asked, and said in one shape when something is away."""

from __future__ import annotations

import httpx

from shared.db.models import ApiKey
from shared.platform import Platform
from tests.shared.web.door import Door


def test_health_measures_the_machine_and_asks_the_servers(admin) -> None:
    answer = admin.get("/health")
    health = answer.json()
    assert answer.status_code == 200
    assert health["status"] == "ok"
    assert 0 < health["memory_percent"] < 100
    assert 0 < health["disk_percent"] <= 100
    assert 0 <= health["cpu_percent"] <= 100
    assert set(health["dependencies"]) == {"database", "broker", "storage", "model_server"}


def test_health_counts_what_waits_in_each_queue(door, admin) -> None:
    before = admin.get("/health").json()["queues"]["video_processor.events"]["pending"]
    door.submit("ann")
    queue = admin.get("/health").json()["queues"]["video_processor.events"]
    assert queue["pending"] == before + 1
    assert queue["running"] == 0
    assert queue["oldest_s"] >= 0


class Away:
    """A model server that cannot be reached."""

    def alive(self) -> bool:
        raise ConnectionError("triton://admin:hunter2@10.0.0.7:8001 does not answer")


def test_what_is_away_is_named_and_answered_with_503(tmp_path) -> None:
    with Door.opened(tmp_path) as door:
        door.app.state.platform = Platform(**{**vars(door.platform), "model_server": Away})
        with door.client() as client:
            answer = client.get("/health")
            problem = answer.json()
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert answer.headers["content-type"] == "application/problem+json"
            assert (problem["code"], problem["health"]["status"]) == ("Degraded", "degraded")
            assert problem["health"]["dependencies"]["database"] == "ok"
            assert "model_server" in problem["detail"]
            assert "hunter2" not in answer.text
            ready = httpx.get(f"{door.url}/health/ready")
            assert ready.status_code == 200, "whoever balances load must not take the door away"
            assert client.get("/tasks/").status_code == 200  # the rest goes on


def test_a_cache_that_is_away_is_told_and_costs_no_request(tmp_path) -> None:
    gone = "redis://:hunter2@127.0.0.1:9/0"
    with Door.opened(tmp_path, cache=gone) as door, door.client() as client:
        answer = client.get("/health")
        assert client.get("/tasks/").status_code == 200
    assert answer.status_code == 503
    assert "ConnectionError" in answer.json()["health"]["dependencies"]["cache"]
    assert "hunter2" not in answer.text


def test_a_database_that_is_away_is_told_to_be_asked_again(tmp_path) -> None:
    with Door.opened(tmp_path) as door, door.client() as client:
        with door.platform.sessions.begin() as session:
            session.execute(ApiKey.__table__.delete())
            session.connection().exec_driver_sql("DROP TABLE api_keys")
        answer = client.get("/tasks/")
        with door.platform.sessions.begin() as session:
            session.connection().exec_driver_sql("ALTER TABLE parked RENAME TO gone")
        ready = httpx.get(f"{door.url}/health/ready")
    assert (answer.status_code, answer.json()["code"]) == (503, "Unavailable")
    assert answer.headers["retry-after"]
    assert ready.status_code == 503
    assert "parked" not in ready.text
