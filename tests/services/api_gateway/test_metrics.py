"""What the gateway tells Prometheus, and whom it tells."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.db.models import Outgoing
from shared.telemetry import exporter
from tests.shared.web.door import Door

TOKEN = "scrape-me-if-you-know-this"


@pytest.fixture
def watched(tmp_path) -> Iterator[Door]:
    exporter.unbind()
    with Door.opened(tmp_path, metrics={"token": TOKEN}) as door:
        yield door
    exporter.unbind()


def read(door: Door, **headers: str) -> dict[tuple[str, frozenset], float]:
    answer = httpx.get(f"{door.url}/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def requests(found, method: str, route: str, status: int) -> float:
    labels = {"method": method, "route": route, "status": str(status)}
    return found.get(("actverse_http_seconds_count", frozenset(labels.items())), 0.0)


def test_figures_are_for_admins_and_for_who_has_the_token(watched) -> None:
    def status(**headers: str) -> int:
        return httpx.get(f"{watched.url}/metrics", headers=headers).status_code

    assert status() == 401
    assert status(authorization="Bearer something else") == 401
    assert status(authorization=f"Bearer {watched.key_of('ann')}") == 403
    assert status(authorization=f"Bearer {TOKEN}") == 200
    assert status(authorization=f"Bearer {watched.key}") == 200
    other = httpx.get(f"{watched.url}/tasks/", headers={"authorization": f"Bearer {TOKEN}"})
    assert other.status_code == 401  # the token opens nothing else


def test_no_token_is_no_way_in(tmp_path) -> None:
    with Door.opened(tmp_path) as door:
        for given in ("", "Bearer", "Bearer x", "Basic Og=="):
            answer = httpx.get(f"{door.url}/metrics", headers={"authorization": given})
            assert answer.status_code == 401


def test_requests_are_counted_by_template_never_by_path(watched) -> None:
    read(watched, authorization=f"Bearer {TOKEN}")
    with watched.client("ann") as ann:
        task_id = watched.submit("ann")
        ann.get(f"/status/{task_id}")
        ann.get("/status/none-of-this-name")
        ann.get("/no/such/page")
        ann.request("BREW", "/tasks/")
        with ann.stream("GET", f"/status/{task_id}/events") as stream:
            lines = stream.iter_lines()
            next(lines)
            streaming = read(watched, authorization=f"Bearer {TOKEN}")
    httpx.get(f"{watched.url}/tasks/")
    found = read(watched, authorization=f"Bearer {TOKEN}")
    assert requests(found, "GET", "/status/{task_id}", 200) == 1
    assert requests(found, "GET", "/status/{task_id}", 404) == 1
    assert requests(found, "GET", "unmatched", 404) == 1
    assert requests(found, "GET", "unmatched", 401) == 1
    assert streaming["actverse_sse_streams", frozenset()] == 1
    assert not any(task_id in str(name) or "BREW" in str(name) for name in found)


def test_the_state_of_the_mesh_is_read_from_the_database_and_the_broker(watched) -> None:
    task_id = watched.submit("ann")
    with watched.platform.sessions.begin() as session:
        for row in session.query(Outgoing).filter_by(task_id=task_id):
            row.published_at = None
    watched.begin(watched.submit("ann"))
    found = read(watched, authorization=f"Bearer {TOKEN}")

    def state(name: str, **labels: str) -> float:
        return found[f"actverse_{name}", frozenset(labels.items())]

    assert state("tasks", state="QUEUED") == 1
    assert state("tasks", state="RUNNING") == 1
    assert state("tasks", state="FAILED") == 0
    assert state("steps_open", step="video_processing", state="RUNNING") == 1
    assert state("queue_messages", queue="video_processor.events", status="pending") == 2
    assert state("queue_oldest_seconds", queue="video_processor.events") >= 0
    assert state("outbox_waiting") == 2
    assert state("outbox_oldest_seconds") > 0
    assert state("dependency_up", dependency="database") == 1
    assert state("dependency_up", dependency="broker") == 1
    assert 0 < state("disk_free_bytes") <= state("disk_size_bytes")


def test_what_is_away_is_zero_and_the_rest_is_told(watched) -> None:
    class Away:
        def loads(self) -> None:
            raise ConnectionError("amqp://user:hunter2@rabbitmq is away")

    vars(watched.platform)["broker"] = Away()
    found = read(watched, authorization=f"Bearer {TOKEN}")
    up = {
        dict(labels)["dependency"]: v
        for (n, labels), v in found.items()
        if n == "actverse_dependency_up"
    }
    assert up.pop("broker") == 0
    assert set(up.values()) == {1}
    assert ("actverse_tasks", frozenset({("state", "FAILED")})) in found
