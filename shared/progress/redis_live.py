"""Live figures in Redis: a hash a task, announced to those who watch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import redis

from shared.progress.live import Notes
from shared.progress.redis_client import Redis
from shared.progress.redis_news import CHANNEL

KEPT_S = 3600


class RedisLive:
    """Figures that outlive neither Redis nor an hour of silence."""

    def __init__(self, url: str) -> None:
        self._redis = Redis(url)

    def show(self, task_id: str, step: str, note: dict[str, Any]) -> bool:
        """Write and announce it, in one round trip."""

        def write(client: redis.Redis) -> bool:
            with client.pipeline(transaction=False) as pipe:
                pipe.hset(_key(task_id), step, json.dumps(note))
                pipe.expire(_key(task_id), KEPT_S)
                pipe.publish(CHANNEL, task_id)
                pipe.execute()
            return True

        return self._redis.ask(write, otherwise=False)

    def of(self, task_ids: Sequence[str]) -> dict[str, Notes]:
        """All of them in one round trip."""

        def read(client: redis.Redis) -> list[dict[str, str]]:
            with client.pipeline(transaction=False) as pipe:
                for task_id in task_ids:
                    pipe.hgetall(_key(task_id))
                return list(pipe.execute())

        nothing: list[dict[str, str]] = []
        found = zip(task_ids, self._redis.ask(read, nothing), strict=False)
        return {
            task_id: {step: json.loads(note) for step, note in notes.items()}
            for task_id, notes in found
            if notes
        }


def _key(task_id: str) -> str:
    return f"actverse:progress:{task_id}"
