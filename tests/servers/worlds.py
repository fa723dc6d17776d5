"""The two worlds that the same code runs in, as settings."""

from __future__ import annotations

import pytest

WORLDS = ("embedded", "servers")


def settings_of(world: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """Nothing for the embedded world; else RabbitMQ, PostgreSQL and Redis, each an empty place."""
    if world == "embedded":
        return {}
    return {
        "broker": request.getfixturevalue("rabbitmq").fresh(),
        "database": request.getfixturevalue("postgres").fresh(),
        "cache": request.getfixturevalue("redis_server").fresh(1),
    }
