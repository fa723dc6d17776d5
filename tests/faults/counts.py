"""Counts what a storm has left: lost tasks, second outcomes, rows, files and messages."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import redis
from sqlalchemy import func, select

from shared.db.models import Outgoing, StepRun, Task, TaskEvent, WorkRun
from shared.events import lifecycle
from shared.flow import parking
from shared.flow.states import ENDED, State
from tests.faults import small_service
from tests.faults.mesh import SmallMesh
from tests.servers.rabbitmq import RabbitMQ

# A copy that nobody needs any more still waits for its next look: 19 s at most, when it found the
# database away (`flow.execution.BOOKKEEPING`). On its way through the delays of RabbitMQ it may expire
# while a killed broker starts, before that knows its bindings again: then it stays where it is for the
# ten seconds of deploy/rabbitmq/advanced.config, at each of its up to three stops. What rabbitmqctl
# tells of a quorum queue is five seconds old. All that is 54 s; a worker may be slow.
QUIET_S = 60.0
ON_ITS_WAY = "on their way out of it"
STUCK_S = 20.0  # on its way longer than those ten seconds, and five for the news of it
PARTS = {
    small_service.MAKE: {"fetch", "left", "right", "join"},
    small_service.SEAL: {"count", "weigh", "seal"},
}
EVENTS = {
    *(small_service.SmallMakeRequested.name, small_service.SmallMade.name),
    *(small_service.SmallSealRequested.name, small_service.SmallSealed.name),
    *(lifecycle.TaskSubmitted.name, lifecycle.TaskCompleted.name),
}
REASONS = {"failing": "Terminal", "poison": "Parked"}  # kind of the task: code of its error


@dataclass
class Counts:
    """What was found; `problems` has one sentence for each thing that should not be."""

    accepted: int = 0
    succeeded: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # by code
    works: int = 0
    ran_again: int = 0
    parked: Counter[str] = field(default_factory=Counter)  # by name of the message
    second_outcomes: int = 0
    left_over: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def count(mesh: SmallMesh, accepted: Sequence[str]) -> Counts:
    """Look at everything, once all tasks have ended."""
    counts = Counts(accepted=len(accepted), left_over=leftovers(mesh))
    _count_tasks(mesh, set(accepted), counts)
    _count_runs(mesh, counts)
    _count_files(mesh, counts)
    _count_parked(mesh, counts)
    counts.problems += counts.left_over
    return counts


def _count_tasks(mesh: SmallMesh, accepted: set[str], counts: Counts) -> None:
    with mesh.platform.reads() as session:
        tasks = session.scalars(select(Task)).all()
        runs, works, told, sent = _details(session)
    if lost := accepted - {task.id for task in tasks}:
        counts.problems.append(f"{len(lost)} accepted tasks are not there: {sorted(lost)[:3]}")
    if strangers := [task.id for task in tasks if task.id not in accepted]:
        counts.problems.append(f"{len(strangers)} tasks that nobody was promised: {strangers[:3]}")
    for task in tasks:
        if task.state == State.SUCCEEDED:
            counts.succeeded += 1
        elif task.state == State.FAILED and (task.error or {}).get("message"):
            counts.failed[task.error["code"]] += 1
        counts.second_outcomes += sum(n - 1 for n in told[task.id].values() if n > 1)
        kind = task.options["kind"]
        if kind in REASONS:
            wrong = _wrong_failure(task, REASONS[kind], told[task.id])
        else:
            wrong = _wrong_success(task, runs[task.id], works[task.id], told[task.id])
            if sent[task.id] != Counter(EVENTS):
                wrong.append(f"sent {dict(sent[task.id])}")
        counts.problems += [f"Task {task.id} ({kind}) {what}" for what in wrong]


def _wrong_failure(task: Task, code: str, told: Counter[str | None]) -> list[str]:
    """What is wrong with a task that should have failed, once, with `code`."""
    if task.state != State.FAILED or (task.error or {}).get("code") != code:
        return [f"is {task.state} ({task.error}), and should have failed as {code}"]
    return [] if told[None] == 1 else [f"ended {told[None]} times"]


def _wrong_success(
    task: Task,
    runs: Counter[tuple[str, str]],
    works: Counter[tuple[str, str, str]],
    told: Counter[str | None],
) -> list[str]:
    """What is wrong with a task that should have succeeded, each of its parts once."""
    wrong = []
    if task.state != State.SUCCEEDED:
        wrong.append(f"is {task.state}: {task.error}")
    elif task.context["digest"] != small_service.expected(task.options["file_path"]):
        wrong.append("ended with a wrong digest")
    if runs != Counter((step, State.SUCCEEDED) for step in PARTS):
        wrong.append(f"has the runs {dict(runs)}")
    everything = ((step, work, State.SUCCEEDED) for step, parts in PARTS.items() for work in parts)
    if works != Counter(everything):
        wrong.append(f"has the works {dict(works)}")
    if told != Counter([None, *PARTS]):
        wrong.append(f"told of the ends {dict(told)}")
    return wrong


def _details(session):
    runs, works, told, sent = ({} for _ in range(4))
    for task in session.scalars(select(Task.id)):
        runs[task], works[task], told[task], sent[task] = (Counter() for _ in range(4))
    for task, name, state in session.execute(select(StepRun.task_id, StepRun.name, StepRun.state)):
        runs[task][name, state] += 1
    query = select(StepRun.task_id, StepRun.name, WorkRun.task, WorkRun.state).join(
        StepRun, StepRun.id == WorkRun.step_run_id
    )
    for task, name, work, state in session.execute(query):
        works[task][name, work, state] += 1
    ends = select(TaskEvent.task_id, TaskEvent.step, TaskEvent.data).where(
        TaskEvent.kind == "state"
    )
    for task, step, data in session.execute(ends):
        told[task][step] += data["state"] in ENDED
    for task, name in session.execute(select(Outgoing.task_id, Outgoing.name)):
        if task in sent:
            sent[task][name] += 1
    return runs, works, told, sent


def _count_runs(mesh: SmallMesh, counts: Counts) -> None:
    lines = small_service.runs_log(mesh.data).read_text().splitlines()
    times = Counter(tuple(line.split()[:2]) for line in lines)
    counts.works = len(times)
    counts.ran_again = sum(times.values()) - len(times)
    heard = {
        line.split()[0] for line in small_service.heard_log(mesh.data).read_text().splitlines()
    }
    with mesh.platform.reads() as session:
        facts = session.scalars(
            select(Outgoing.event_id).where(Outgoing.name.not_like("%_REQUESTED"))
        ).all()
    if unheard := set(facts) - heard:
        counts.problems.append(f"{len(unheard)} facts never reached who listens")


def _count_files(mesh: SmallMesh, counts: Counts) -> None:
    effects = mesh.data / "effects"
    if half := list(effects.glob("*/*.part")):
        with mesh.platform.reads() as session:
            good = set(session.scalars(select(Task.id).where(Task.state == State.SUCCEEDED)))
        if half := [str(part) for part in half if part.parent.name in good]:
            counts.problems.append(f"{len(half)} half files: {half[:3]}")
    with mesh.platform.reads() as session:
        done = session.scalars(select(Task.id).where(Task.state == State.SUCCEEDED)).all()
    for task_id in done:
        if missing := [
            work
            for work in small_service.WORKS
            if len(_text(effects / task_id / work)) != len(small_service.digest_of())
        ]:
            counts.problems.append(f"Task {task_id} lacks the files of {missing}")


def _count_parked(mesh: SmallMesh, counts: Counts) -> None:
    """Only what kills its process is given up; a second copy of it may be, too."""
    with mesh.platform.reads() as session:
        rows = parking.waiting(session, limit=10_000)
        kinds = dict(session.execute(select(Task.id, Task.options)).all())
    counts.parked = Counter(row.name for row in rows)
    innocent = [r for r in rows if r.task_id not in kinds or kinds[r.task_id]["kind"] != "poison"]
    for row in innocent[:5]:
        counts.problems.append(
            f"{row.name} of task {row.task_id} was parked ({row.reason}, {row.deliveries} deliveries)"
        )
    seen = {row.task_id for row in rows if row.name == f"{small_service.MAKE}.left"}
    poison = {task for task, options in kinds.items() if options["kind"] == "poison"}
    counts.problems += [f"Poison {task} is parked nowhere" for task in poison - seen]


def _text(path) -> str:
    return path.read_text() if path.exists() else ""


def unfinished(mesh: SmallMesh) -> int:
    """Tasks that have not ended."""
    with mesh.platform.reads() as session:
        query = select(func.count()).select_from(Task).where(Task.state.not_in(ENDED))
        return session.scalar(query) or 0


def leftovers(mesh: SmallMesh) -> list[str]:
    """Wait until nothing is under way any more; what still is, in sentences.

    Of a quorum queue some messages are ready, some with a consumer, and some dead letters that a
    process of the broker itself takes to where they belong (out of a delay queue: to the work's;
    out of the work's: to the parking). After a crash RabbitMQ may leave its queues without that
    process until they begin anew; no time-out frees what they keep. It is a second copy (all tasks
    have ended by now), and must still come out, and find its work done: so the broker is restarted,
    in order. What is ready, or with a consumer, is nobody's fault but ours.
    """
    found = _after(mesh, QUIET_S)
    if found and mesh.servers is not None and all(ON_ITS_WAY in what for what in found):
        mesh.servers.rabbitmq.stop()
        mesh.servers.rabbitmq.start()
        found = _after(mesh, QUIET_S)
    return found


def _after(mesh: SmallMesh, patience_s: float) -> list[str]:
    """What is left after at most `patience_s`.

    The sentences say for how long nothing changed: what is stuck differs from what goes round.
    """
    deadline = time.monotonic() + patience_s
    since: dict[str, float] = {}
    while found := _leftovers(mesh):
        at = time.monotonic()
        since = {what: since.get(what, at) for what in found}
        stuck = all(ON_ITS_WAY in what and at - since[what] > STUCK_S for what in found)
        if stuck or at > deadline:
            return [f"{what}, for {at - since[what]:.0f} s" for what in found]
        time.sleep(0.5)
    return []


def _leftovers(mesh: SmallMesh) -> list[str]:
    found = [
        f"Queue {load.name} holds {load.pending} messages and {load.running} are out"
        for load in mesh.platform.broker.loads()
        if load.pending or load.running
    ]
    with mesh.platform.reads() as session:
        unsent = session.scalar(
            select(func.count()).select_from(Outgoing).where(Outgoing.published_at.is_(None))
        )
        held = session.scalar(
            select(func.count())
            .select_from(WorkRun)
            .where(
                WorkRun.holder.is_not(None),
                WorkRun.state == State.RUNNING,
                WorkRun.step_run_id.in_(select(StepRun.id).where(StepRun.state == State.RUNNING)),
            )
        )
    found += [f"{unsent} events are unsent"] if unsent else []
    found += [f"{held} pieces of work are held"] if held else []
    if found or mesh.servers is None:
        return found
    found += _in_queues(mesh.servers.rabbitmq)
    with redis.Redis.from_url(mesh.servers.redis.url) as client:
        for_ever = [key for key in client.scan_iter() if client.ttl(key) == -1]
    found += [f"Redis keeps {for_ever[:3]} for ever"] if for_ever else []
    return found


def _in_queues(rabbitmq: RabbitMQ) -> list[str]:
    columns = ("name", "messages", "messages_ready", "messages_unacknowledged")
    told = rabbitmq.ctl("list_queues", "-p", "v1", *columns).splitlines()[1:]
    found = []
    for name, *numbers in map(str.split, told):
        held, ready, taken = map(int, numbers)
        if ready + taken:
            found.append(f"Queue {name} holds {ready} ready and {taken} with a consumer")
        elif held:
            found.append(f"Queue {name} holds {held} {ON_ITS_WAY}")
    return found
