"""One task is one trace: from the REST call, through outbox and broker, to the last work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.flow import reviver
from shared.pipelines import atlas
from shared.telemetry import tracing
from tests.servers.worlds import settings_of
from tests.shared.flow import probe_service
from tests.shared.flow.collector import Collector, Span, collecting
from tests.shared.flow.conftest import ProbeMesh
from tests.shared.web.door import Door

SERVER, PRODUCER, CONSUMER = 2, 4, 5
WORKS = {f"probe.{name}" for name in ("first", "left", "right", "join", "last", "summarise")}
ASKED = {"EVENT_PROBE_REQUESTED", "EVENT_PROBE_SUMMARY_REQUESTED"}
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"  # as the W3C's own example


class Traced:
    """A gateway, a worker and a clock that all tell one collector."""

    def __init__(self, folder: Path, collector: Collector, world: dict[str, str]) -> None:
        self.collector = collector
        self.world = world
        self.mesh = ProbeMesh(folder, telemetry__otlp_endpoint=collector.url, **world)
        self.mesh.start_worker()

    def post(self, door: Door, plan: dict[str, object], **headers: str) -> str:
        wish = {
            "file_path": "https://example.org/openfield.mp4",
            "pipeline": "probe",
            "options": {"plan": {"marks": str(self.mesh.marks), **plan}},
        }
        with door.client() as client:
            answer = client.post("/tasks/", json=wish, headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["task_id"])

    def spans(self, task_id: str, enough: set[str]) -> list[Span]:
        def of_task(spans: list[Span]) -> list[Span]:
            return [span for span in spans if span.attributes.get("task_id") == task_id]

        def all_there(spans: list[Span]) -> bool:
            return {span.name for span in of_task(spans)} >= enough

        return of_task(self.collector.wait(all_there))


@pytest.fixture(
    scope="module", params=["embedded", pytest.param("servers", marks=pytest.mark.slow)]
)
def traced(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Traced]:
    probe_service.install()
    world = settings_of(request.param, request)
    with collecting() as collector:
        tracing.begin(collector.url, "api_gateway")
        running = Traced(tmp_path_factory.mktemp("traced"), collector, world)
        yield running
        running.mesh.stop()
        tracing.begin("", "")
    atlas.PIPELINES.pop("probe")


@pytest.fixture(scope="module")
def door(traced: Traced) -> Iterator[Door]:
    with Door.opened(traced.mesh.folder, **traced.world) as opened:
        yield opened


def test_one_task_is_one_trace_from_the_call_to_the_last_work(traced: Traced, door: Door) -> None:
    task_id = traced.post(door, {"first": {"retry": 1}})
    assert traced.mesh.wait(task_id).state == "SUCCEEDED"
    facts = {"EVENT_TASK_SUBMITTED", "EVENT_PROBED", "EVENT_PROBE_SUMMARISED"}
    published = {f"publish {name}" for name in ASKED | facts | {"EVENT_TASK_COMPLETED"}}
    handled = {f"handle {name}" for name in ASKED}
    spans = traced.spans(task_id, {"POST /tasks/"} | WORKS | handled | published)

    assert len({span.trace for span in spans}) == 1
    known = {span.id: span for span in spans}
    roots = [span for span in spans if span.parent not in known]
    assert [root.name for root in roots] == ["POST /tasks/"]
    assert not roots[0].parent
    assert (roots[0].kind, roots[0].attributes["http.response.status_code"]) == (SERVER, 202)
    for span in spans:
        parent = known.get(span.parent)
        if span.name in WORKS:
            assert span.kind == CONSUMER
            assert parent is not None and parent.name in handled
            assert span.attributes["service.name"] == span.attributes["service"] == "probe"
        if span.name in handled:
            assert parent is not None and parent.kind in {SERVER, CONSUMER}
    steps = {span.attributes["step"] for span in spans if span.name in WORKS}
    assert steps == {step.name for step in atlas.PIPELINES["probe"].steps}
    summary = next(span for span in spans if span.name == "handle EVENT_PROBE_SUMMARY_REQUESTED")
    assert known[summary.parent].name == "probe.last"  # the step before asked for it
    first = [span for span in spans if span.name == "probe.first"]
    assert sorted(span.failed for span in first) == [False, True]  # the retry, on the same trace


def test_a_failure_is_marked_and_its_words_hold_no_secret(traced: Traced, door: Door) -> None:
    why = "s3://key:hunter2@bucket cannot be read"
    task_id = traced.post(door, {"left": {"fail": why}})
    assert traced.mesh.wait(task_id).state == "FAILED"
    spans = traced.spans(task_id, {"probe.left", "publish EVENT_TASK_FAILED"})
    left = next(span for span in spans if span.name == "probe.left")
    assert left.failed
    assert "cannot be read" in left.said
    assert "hunter2" not in left.said


def test_what_the_sweeper_decides_stays_in_the_trace(traced: Traced, door: Door) -> None:
    """Nobody asked for it, so it goes on where the task was last."""
    task_id = traced.post(door, {"first": {"kill_child": 99}})
    assert traced.mesh.wait(task_id).state == "FAILED"
    spans = traced.spans(task_id, {"POST /tasks/", "publish EVENT_TASK_FAILED"})
    assert len({span.trace for span in spans}) == 1


def test_what_is_sent_again_stays_in_the_trace(traced: Traced, door: Door) -> None:
    task_id = traced.post(door, {"first": {"work_s": 1.0}})
    traced.mesh.wait(task_id, lambda task: task.state == "RUNNING")
    _, runs = traced.mesh.look(task_id)
    assert reviver._send_rest(traced.mesh.platform, runs[0].id)
    traced.mesh.wait(task_id)
    spans = traced.spans(task_id, {"POST /tasks/", "revive", "probe.summarise"})
    assert len({span.trace for span in spans}) == 1
    revived = next(span for span in spans if span.name == "revive")
    assert revived.parent in {span.id for span in spans}
    assert [s.name for s in spans if s.parent == revived.id][:1] == ["probe.first"]


def test_a_caller_s_own_trace_goes_on(traced: Traced, door: Door) -> None:
    task_id = traced.post(door, {}, traceparent=CALLER)
    traced.mesh.wait(task_id)
    spans = traced.spans(task_id, {"POST /tasks/", "probe.summarise"})
    _, trace, parent, _ = CALLER.split("-")
    assert {span.trace for span in spans} == {trace}
    assert [s.parent for s in spans if s.name == "POST /tasks/"] == [parent]


def test_a_broken_context_begins_a_trace_of_its_own(traced: Traced, door: Door) -> None:
    task_id = traced.post(door, {}, traceparent="00-not-a-context")
    traced.mesh.wait(task_id)
    spans = traced.spans(task_id, {"POST /tasks/", "probe.summarise"})
    assert len({span.trace for span in spans}) == 1


def test_a_collector_that_is_away_holds_nothing_up(door: Door, traced: Traced) -> None:
    tracing.begin("http://127.0.0.1:9", "api_gateway")
    try:
        task_id = traced.post(door, {})
        assert traced.mesh.wait(task_id).state == "SUCCEEDED"
    finally:
        tracing.begin(traced.collector.url, "api_gateway")
