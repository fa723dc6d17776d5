"""Labeling in Label Studio: a project for each task, polled until every frame is decided.

What a second `open` or `push`, or another process, must know lies where all processes look: number
and classes of the project in ``labels/{task_id}/label_studio.json`` of the storage, which frame is
which of the tool's tasks in the table `label_items`. Rows are written before frames are sent and
filled after, so a frame on its way at the moment of a kill is looked up in the tool, not sent twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import structlog

from services.labeling_manager.engines.label_studio_client import (
    LABELLED,
    SKIPPED_ONLY,
    LabelStudio,
)
from services.labeling_manager.engines.label_studio_format import project_wish, task_wish
from services.labeling_manager.engines.label_studio_items import Items, Read, frames_in, read
from services.labeling_manager.engines.port import (
    FrameImage,
    LabelingSpec,
    LabelingStatus,
    Predictions,
)
from services.labeling_manager.engines.record import checked
from services.labeling_manager.errors import (
    NoLinkSecret,
    NothingDrawn,
    OtherClasses,
    ProjectGone,
    ToolNotConnected,
    ToolTokenRefused,
)
from shared.db.learning_models import LabelItem
from shared.errors import ActverseError, Invalid, NotFound, Unavailable
from shared.labels.boxes import LabelSet
from shared.labels.errors import LabelInvalid
from shared.labels.folder import checked_classes, label_name
from shared.net.signed_links import kept_secret, link_path
from shared.platform import Platform
from shared.settings import revealed
from shared.storage.paths import under

log = structlog.get_logger()

CHUNK = 500  # frames in one import
RATE_WINDOW = timedelta(minutes=10)
MAX_PROBLEMS = 20
WEBHOOK_PATH = "/labeling/webhook/label-studio"
SECRET_HEADER = "X-Actverse-Webhook-Secret"  # noqa: S105 - a name, not a secret
EVENTS = ["ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"]


@dataclass(frozen=True)
class Opened:
    """The content of ``label_studio.json``."""

    project: int
    classes: tuple[str, ...]
    model: str
    opened_at: str  # ISO 8601


class LabelStudioEngine:
    """A frame is done with its first annotation, and skipped when all of its annotations are."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._settings = platform.settings.labeling

    @classmethod
    def from_platform(cls, platform: Platform) -> Self:
        """Connects when it is first asked something."""
        return cls(platform)

    # --- the verbs of the port ------------------------------------------------------------------

    def open(self, spec: LabelingSpec) -> str:
        """Make the project, or find the one made before, also by a process that was killed then."""
        classes = checked_classes(spec.classes, where="The task")
        with self._tool() as tool:
            found = self._still_there(tool, spec.task_id)
            if found is not None:
                if found.classes != classes:
                    raise OtherClasses(spec.task_id, found.classes, classes)
                return spec.task_id
            title = f"Actverse {spec.task_id}"[:50]
            project = tool.project_titled(title)
            if project is None:
                Items(self._platform.sessions, spec.task_id).forget()  # of a project that is gone
                project = tool.make_project(project_wish(spec, title, classes))
            self._register_webhook(tool, project, spec.task_id)
        opened = Opened(project, classes, spec.model, datetime.now(UTC).isoformat())
        key = _key(spec.task_id)
        self._platform.storage.local(key).write_text(json.dumps(asdict(opened)), encoding="utf-8")
        self._platform.storage.keep(key)
        return spec.task_id

    def push(self, ref: str, frames: Sequence[FrameImage], predictions: Predictions) -> None:
        """Import what the tool does not have yet, in chunks."""
        opened, items = self._opened(ref), Items(self._platform.sessions, ref)
        _refuse_same_names(items.all(), frames)
        suggested = {n: checked(found, opened.classes) for n, found in predictions.items()}
        with self._tool() as tool:
            if items.on_the_way():  # a process was killed, or the tool did not answer in time
                items.fill(frames_in(tool.tasks(opened.project)))
            there = {number for number, row in items.all().items() if row.item}
            missing = [frame for frame in frames if frame.frame not in there]
            for start in range(0, len(missing), CHUNK):
                part = missing[start : start + CHUNK]
                addresses = self._addresses(tool, opened.project, part)
                tasks = [
                    task_wish(
                        frame, address, suggested.get(frame.frame), opened.classes, opened.model
                    )
                    for frame, address in zip(part, addresses, strict=True)
                ]
                items.announce((frame.frame, frame.file) for frame in part)
                numbers = tool.import_tasks(opened.project, tasks)
                items.fill({f.frame: n for f, n in zip(part, numbers, strict=True)})
                log.info("labeling_manager.label_studio.imported", task_id=ref, frames=len(part))

    def status(self, ref: str) -> LabelingStatus:
        """Three or four counts; the annotations are read when everything seems decided."""
        opened, total = self._opened(ref), len(Items(self._platform.sessions, ref).all())
        try:
            with self._tool() as tool:
                return self._status(tool, ref, opened, total)
        except (ToolTokenRefused, ToolNotConnected) as error:
            # days of people's work hang on it: what the operator corrects must not end them
            raise Unavailable(str(error)) from error

    def pull(self, ref: str) -> LabelSet:
        """The newest annotation of every frame; raises `LabelInvalid` for one that is no box."""
        opened = self._opened(ref)
        with self._tool() as tool:
            found = self._read(tool, ref, opened)
            if found.problems:
                raise LabelInvalid(found.problems[0])
            status = self._status(tool, ref, opened, len(found.labels.frames))
        if status.complete and not found.labels.usable:
            raise NothingDrawn(status.total, status.where)
        return found.labels

    def close(self, ref: str) -> None:
        """The project stays, unless the operator wants it removed."""
        if not self._settings.label_studio_delete:
            return
        try:
            opened = self._opened(ref)
        except NotFound:
            return
        with self._tool() as tool:
            tool.delete_project(opened.project)

    # --- the project ----------------------------------------------------------------------------

    def _tool(self) -> LabelStudio:
        return LabelStudio.of(self._settings)

    def _opened(self, ref: str) -> Opened:
        storage = self._platform.storage
        under(storage.local("labels/root").parent, ref)
        try:
            content = json.loads(storage.fetch(_key(ref)).read_text(encoding="utf-8"))
        except NotFound as error:
            raise ProjectGone(ref) from error
        return Opened(**{**content, "classes": tuple(content["classes"])})

    def _still_there(self, tool: LabelStudio, task_id: str) -> Opened | None:
        try:
            opened = self._opened(task_id)
            tool.project(opened.project)
        except NotFound:
            return None
        return opened

    def _register_webhook(self, tool: LabelStudio, project: int, task_id: str) -> None:
        """Only a hint to look sooner: a tool that refuses it is polled."""
        secret = revealed(self._settings.label_studio_webhook_secret)
        if not secret:
            return
        url = f"{self._gateway()}{WEBHOOK_PATH}?task_id={task_id}"
        try:
            if not any(hook.get("url") == url for hook in tool.webhooks(project)):
                tool.make_webhook(
                    {
                        "project": project,
                        "url": url,
                        "headers": {SECRET_HEADER: secret},
                        "send_payload": False,
                        "send_for_all_actions": False,
                        "actions": EVENTS,
                    }
                )
        except ActverseError as error:
            log.warning("labeling_manager.label_studio.no_webhook", why=str(error))

    def _gateway(self) -> str:
        """Where browsers and the tool reach us."""
        gateway = self._platform.settings.gateway
        host = "127.0.0.1" if gateway.host in {"", "0.0.0.0", "::"} else gateway.host  # noqa: S104
        return gateway.public_url.rstrip("/") or f"http://{host}:{gateway.port}"

    # --- frames ---------------------------------------------------------------------------------

    def _addresses(
        self, tool: LabelStudio, project: int, frames: Sequence[FrameImage]
    ) -> list[str]:
        if self._settings.label_studio_frames == "upload":
            return tool.upload(project, [frame.path for frame in frames])
        settings, configured = self._platform.settings, revealed(self._settings.frame_link_secret)
        if not configured and not settings.storage_url.startswith("file:"):
            raise NoLinkSecret
        secret = kept_secret(configured, settings.data_dir)
        life_s = self._settings.frame_link_s
        return [f"{self._gateway()}{link_path(secret, f.key, life_s)}" for f in frames]

    def _status(self, tool: LabelStudio, ref: str, opened: Opened, total: int) -> LabelingStatus:
        try:
            in_tool = int(tool.project(opened.project)["task_number"])
        except NotFound as error:
            raise ProjectGone(ref, opened.project) from error
        where = (
            f"{self._settings.label_studio_public_url or tool.url}/projects/{opened.project}/data"
        )
        done = tool.count_tasks(opened.project, LABELLED)
        skipped = tool.count_tasks(opened.project, *SKIPPED_ONLY)
        problems: tuple[str, ...] = ()
        if in_tool != total or done + skipped >= total:  # else these counts are exact enough
            read = self._read(tool, ref, opened)
            removed = read.absent_from(tool.tasks(opened.project)) if in_tool != total else 0
            done, skipped, problems = len(read.labels.usable), read.skipped + removed, read.problems
        return LabelingStatus(
            total=total,
            done=done,
            skipped=skipped,
            rate=_rate(tool, opened) if done else 0.0,
            complete=0 < total <= done + skipped and not problems,
            problems=problems[:MAX_PROBLEMS],
            message=f"{done} of {total} frames are labelled, {skipped} skipped: {where}",
            where=where,
        )

    def _read(self, tool: LabelStudio, ref: str, opened: Opened) -> Read:
        rows = Items(self._platform.sessions, ref).all()
        return read(tool.export(opened.project), rows, opened.classes)


def _key(task_id: str) -> str:
    return f"labels/{task_id}/label_studio.json"


def _refuse_same_names(known: Mapping[int, LabelItem], frames: Sequence[FrameImage]) -> None:
    files = {number: row.file for number, row in known.items()}
    files |= {frame.frame: frame.file for frame in frames}
    for name, times in Counter(label_name(file) for file in files.values()).items():
        if times > 1:
            raise Invalid(
                f"{times} frames would share the label file {name}. Name every image otherwise."
            )


def _rate(tool: LabelStudio, opened: Opened) -> float:
    """Frames a minute in the last ten minutes, or since the project was made."""
    moment = datetime.now(UTC)
    start = max(datetime.fromisoformat(opened.opened_at), moment - RATE_WINDOW)
    since = start.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lately = tool.count_tasks(
        opened.project, LABELLED, ("completed_at", "greater", "Datetime", since)
    )
    return round(60 * lately / max((moment - start).total_seconds(), 1.0), 2)
