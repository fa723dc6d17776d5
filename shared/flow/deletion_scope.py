"""What belongs to a task, in the storage and in the database, and which other tasks need it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, Text, cast, delete, func, or_, select
from sqlalchemy.orm import Session

from shared.db.base import Base
from shared.db.learning_models import Dataset
from shared.db.models import Deployment, Model, StepRun, Task, WorkRun
from shared.flow.states import ENDED
from shared.storage.port import Extent, Storage

BY_TASK = frozenset(
    {"videos", "frames", "labels", "train_log", "inference_results", "inputs", "interim", "outputs"}
)
"""Folders of the storage in which each task has one of its own, under its id."""
DATASETS, MODELS = "datasets", "models"
SERVING = frozenset({"deployment", "withdrawal"})
"""Pipelines that make nothing of what they name: once they have ended, they need it no more."""
SERVED = "READY"  # the state of a deployment that the model server holds


@dataclass(frozen=True)
class Version:
    """A version of a model that a task has made."""

    name: str
    version: int
    state: str  # CURRENT | CANDIDATE | RETIRED
    served: bool  # by the model server
    path: str  # in the storage

    @property
    def root(self) -> str:
        """The task whose model it is a version of; that of round one."""
        return self.name.removeprefix("task-")

    def __str__(self) -> str:
        """As settings of a training name it."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True)
class Need:
    """Another task that could not do without this one, or could not be explained."""

    task_id: str
    why: str  # "round 2", "its frames or labels", "its model", "at work"


def folders_of(session: Session, task: Task) -> tuple[str, ...]:
    """Every folder that goes with the task, none inside of another; most tasks have but a few.

    Uploads, and copies of results below the user's `files/`, are the user's own and stay.
    """
    own = {f"{kind}/{task.id}" for kind in (*BY_TASK, DATASETS)} | {f"{MODELS}/task-{task.id}"}
    made = session.scalars(select(Dataset.key).where(Dataset.task_id == task.id))
    own |= {key.rpartition("/")[0] for key in made}
    own |= {version.path for version in versions_of(session, task.id)}
    return tuple(sorted(f for f in own if not any(f.startswith(f"{other}/") for other in own)))


def extent_of(storage: Storage, folders: Collection[str]) -> Extent:
    """How much lies there."""
    found = [storage.measure(folder) for folder in folders]
    return Extent(sum(each.files for each in found), sum(each.bytes for each in found))


def versions_of(session: Session, task_id: str) -> list[Version]:
    """The versions that the task has made, the oldest first."""
    served = set(
        session.execute(
            select(Deployment.model, Deployment.version).where(
                Deployment.task_id == task_id, Deployment.state == SERVED
            )
        ).tuples()
    )
    rows = session.scalars(select(Model).where(Model.task_id == task_id).order_by(Model.version))
    return [
        Version(m.name, m.version, m.state, (m.name, m.version) in served, m.path) for m in rows
    ]


# --- rows -----------------------------------------------------------------------------------------


def rows_of(session: Session, task_id: str) -> dict[str, int]:
    """How many rows of each table go with the task; tables with none are left out."""
    counts = {
        table.name: session.scalar(select(func.count()).select_from(table).where(mine)) or 0
        for table, mine in _tables(task_id)
    }
    works = select(func.count()).select_from(WorkRun).join(StepRun)
    counts[WorkRun.__tablename__] = session.scalar(works.where(StepRun.task_id == task_id)) or 0
    return {name: count for name, count in sorted(counts.items()) if count}


def delete_rows(session: Session, task_id: str) -> None:
    """Delete them all, the task's own last; harmless when there are none."""
    for table, mine in _tables(task_id):
        session.execute(delete(table).where(mine))  # work of its steps goes with those


def _tables(task_id: str) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Every table that names tasks, the newest included: nobody has to remember to list it here."""
    for table in reversed(Base.metadata.sorted_tables):
        names = ("id",) if table is Task.__table__ else ("task_id", "root_id")
        mine = [table.c[name] == task_id for name in names if name in table.c]
        if mine:
            yield table, or_(*mine)


# --- other tasks ----------------------------------------------------------------------------------


def needed_by(session: Session, task: Task, beside: Collection[str] = ()) -> list[Need]:
    """Tasks other than those of `beside` that need this one, the oldest first.

    Only a task that was submitted later can name this one. Those that are at work need whatever
    they name; of those that have ended it is what they were made from: labels, frames, weights.
    """
    versions = {str(version) for version in versions_of(session, task.id)}
    deployed = session.scalars(select(Deployment.id).where(Deployment.task_id == task.id))
    names = {task.id, *versions, *deployed}
    known = cast(Task.context, Text)
    query = (
        select(Task)
        .where(
            Task.created_at >= task.created_at,
            Task.id != task.id,
            or_(*(known.contains(name, autoescape=True) for name in names)),
        )
        .order_by(Task.created_at)
    )
    others = [other for other in session.scalars(query) if other.id not in beside]
    told = [(other.id, _why(other, task.id, versions, names)) for other in others]
    return [Need(task_id, why) for task_id, why in told if why is not None]


def _why(
    other: Task, task_id: str, versions: Collection[str], names: Collection[str]
) -> str | None:
    known: dict[str, Any] = other.context
    if other.state not in ENDED:
        texts = (text.removeprefix(f"{MODELS}/") for text in _texts(known))
        mentioned = any(text in names or task_id in text for text in texts)
        return "at work" if mentioned else None
    if other.pipeline in SERVING:
        return None
    if known.get("root_task_id") == task_id:
        return f"round {known.get('round')}"
    made_from = [known, *(known.get("earlier") or ())]
    folders = {source.get(key) for source in made_from for key in ("labeling_path", "frame_path")}
    if any(task_id in str(folder).split("/")[1:2] for folder in folders):
        return "its frames or labels"
    weights = {(known.get("training") or {}).get("weights"), known.get("current_model")}
    return "its model" if weights & set(versions) else None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value
