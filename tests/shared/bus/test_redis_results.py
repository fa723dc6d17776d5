"""Celery's results in Redis: what a worker does with them must not fail because Redis is away."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from celery import chord, group

from shared import wiring
from shared.settings import Settings
from tests.servers.redis import Redis
from tests.servers.worlds import settings_of


def part() -> None:
    """Work that does nothing."""


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    given = settings_of("servers", request) | {"cache": "redis://127.0.0.1:1/0"}
    made = Settings(data_dir=tmp_path, **given)
    wiring.build(made).broker.apply()
    return made


def test_a_part_that_failed_is_given_back_although_nobody_can_be_told(settings: Settings) -> None:
    app = wiring.celery_app(settings, "model_trainer")
    task = app.task(name="model_trainer.part")(part)
    task.push_request(id="t-1", chord={"task": "x"}, group="g-1", group_index=0)
    begun = time.monotonic()
    app.backend.mark_as_failure("t-1", LookupError("no"), request=task.request)
    assert time.monotonic() - begun < 10


def test_work_is_sent_without_asking_redis(settings: Settings) -> None:
    app = wiring.celery_app(settings, "model_trainer")
    sent = app.signature("model_trainer.part", queue="model_trainer").apply_async()
    assert sent.id
    loads = {load.name: load.pending for load in wiring.build(settings).broker.loads()}
    assert loads["model_trainer"] == 1


def test_nobody_subscribes_to_results(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with Redis(tmp_path / "redis") as server:
        given = settings_of("servers", request) | {"cache": server.url}
        settings = Settings(data_dir=tmp_path, **given)
        wiring.build(settings).broker.apply()
        app = wiring.celery_app(settings, "model_trainer")
        parts = [app.signature("model_trainer.part", queue="model_trainer") for _ in range(3)]
        then = app.signature("model_trainer.then", queue="model_trainer")
        held = [chord(group(parts), then).apply_async() for _ in range(3)]
        assert app.backend.client.pubsub_channels() == []
        del held
