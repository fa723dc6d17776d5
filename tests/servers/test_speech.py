"""Comparisons once more, on RabbitMQ, PostgreSQL, Redis and S3."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.learning import on_s3
from tests.servers.s3 import S3Server
from tests.servers.worlds import settings_of
from tests.services.audio_analyzer import sounds
from tests.services.audio_analyzer.speech_world import SpeechWorld
from tests.services.audio_analyzer.test_comparisons import (
    test_a_learner_hears_how_a_line_was_said,
    test_the_actor_says_it_best_and_the_same_is_not_compared_twice,
)
from tests.services.audio_analyzer.test_recordings import (
    admin,
    ann,
    test_a_comparison_that_is_tried_again_begins_anew,
    test_a_failure_says_why_in_the_readers_language,
    test_a_stream_tells_40_70_90_100_and_ends_with_the_result,
    test_watchers_see_it_live_each_in_their_language,
    token,
)
from tests.shared.web.door import Door

__all__ = [
    "admin",
    "ann",
    "test_a_comparison_that_is_tried_again_begins_anew",
    "test_a_failure_says_why_in_the_readers_language",
    "test_a_learner_hears_how_a_line_was_said",
    "test_a_stream_tells_40_70_90_100_and_ends_with_the_result",
    "test_the_actor_says_it_best_and_the_same_is_not_compared_twice",
    "test_watchers_see_it_live_each_in_their_language",
    "token",
]


@pytest.fixture(scope="module")
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server
) -> Iterator[SpeechWorld]:
    settings = {**settings_of("servers", request), **on_s3(s3_server)}
    with SpeechWorld.opened(tmp_path_factory.mktemp("speech"), **settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def door(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    """Without workers: a worker of the same mesh would compare what the tests only say of."""
    settings = settings_of("servers", request)
    with Door.opened(tmp_path_factory.mktemp("data"), **settings) as opened:
        yield opened


def test_a_recording_is_sent_by_the_storage_itself(world: SpeechWorld) -> None:
    job = world.send(sounds.sample("sea_learner"))
    answer = world.ann.get(f"/tokens/analysis-result/{job}/recording")
    assert answer.status_code == 307
    assert "Signature" in answer.headers["Location"]


def test_a_script_of_a_page_gets_a_recording_from_the_gateway(world: SpeechWorld) -> None:
    """The console may fetch from its own origin alone."""
    job = world.send(sounds.sample("sea_learner"))
    path = f"/tokens/analysis-result/{job}/recording"
    answer = world.ann.get(path, headers={"Sec-Fetch-Mode": "cors"})
    assert answer.status_code == 200
    assert answer.content == sounds.sample("sea_learner")
