"""The routes of the built-in labeler: board, frames with leases, changes, images, finish."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from services.labeling_manager import drafts, repository
from services.labeling_manager.errors import FrameChanged, NoDrafts
from services.labeling_manager.labeler_schemas import (
    Board,
    FrameNumber,
    FrameView,
    NextFrame,
    NextWish,
    Progress,
    SaveWish,
    Tab,
    TabWish,
)
from shared.admission.callers import Caller, own_task
from shared.db.learning_models import LabelDraft
from shared.labels.boxes import Box
from shared.platform import Platform
from shared.web.access import InCaller, InPlatform
from shared.web.files import SentFile
from shared.web.openapi import responses
from shared.web.problems import answer

IMAGE_FOR_S = 3600
"""A browser shows an image again without asking for so long, seconds."""
router = APIRouter()
InTab = Annotated[Tab, Query()]


@router.get("/{task_id}/board", responses=responses(404))
def board(platform: InPlatform, caller: InCaller, task_id: str, tab: InTab) -> Board:
    """Everything that the labeler needs at its start; frames come one by one."""
    with _reading(platform, caller, task_id) as session:
        sheet = drafts.sheet_of(session, task_id)
        rows = drafts.outline(session, task_id, _annotator(caller, tab))
        return Board(
            **_progress(session, task_id, rows).model_dump(),
            task_id=task_id,
            title=sheet.title,
            instructions=sheet.instructions,
            classes=sheet.classes,
            frames=[frame for frame, _, _ in rows],
        )


@router.get("/{task_id}/progress", responses=responses(404))
def progress(platform: InPlatform, caller: InCaller, task_id: str, tab: InTab) -> Progress:
    """How far the labeling is, and what others have open."""
    with _reading(platform, caller, task_id) as session:
        rows = drafts.outline(session, task_id, _annotator(caller, tab))
        return _progress(session, task_id, rows)


@router.post("/{task_id}/frames/next", responses=responses(404, 409))
def next_frame(platform: InPlatform, caller: InCaller, task_id: str, wish: NextWish) -> NextFrame:
    """The next undecided frame that nobody has open; it is yours for a minute."""
    annotator = _annotator(caller, wish.tab)
    with _writing(platform, caller, task_id) as session:
        found = drafts.next_frame(session, task_id, annotator, wish.after)
        return NextFrame(frame=None if found is None else _view(found, annotator))


@router.get("/{task_id}/frames/{frame}", responses=responses(404))
def show_frame(
    platform: InPlatform, caller: InCaller, task_id: str, frame: FrameNumber, tab: InTab
) -> FrameView:
    """A frame as it is stored, without opening it."""
    with _reading(platform, caller, task_id) as session:
        return _view(drafts.frame_of(session, task_id, frame), _annotator(caller, tab))


@router.put("/{task_id}/frames/{frame}/lease", responses=responses(404, 409))
def open_frame(
    platform: InPlatform, caller: InCaller, task_id: str, frame: FrameNumber, wish: TabWish
) -> FrameView:
    """Open a frame for a minute, or for another one; 409 while somebody else has it open."""
    annotator = _annotator(caller, wish.tab)
    with _writing(platform, caller, task_id) as session:
        return _view(drafts.take(session, task_id, frame, annotator), annotator)


@router.delete("/{task_id}/frames/{frame}/lease", status_code=204, responses=responses(404))
def leave_frame(
    platform: InPlatform, caller: InCaller, task_id: str, frame: FrameNumber, tab: InTab
) -> Response:
    """Leave a frame to others at once; harmless when it is not yours."""
    with platform.sessions.begin() as session:
        own_task(session, caller, task_id)
        drafts.release(session, task_id, frame, _annotator(caller, tab))
    return Response(status_code=204)


@router.put(
    "/{task_id}/frames/{frame}", response_model=FrameView, responses=responses(400, 404, 409)
)
def save_frame(
    request: Request,
    platform: InPlatform,
    caller: InCaller,
    task_id: str,
    frame: FrameNumber,
    wish: SaveWish,
) -> FrameView | Response:
    """Store what was drawn; 409 with the stored `frame` when it is not the named revision."""
    annotator = _annotator(caller, wish.tab)
    drawn = drafts.Drawing(
        state=wish.state,
        boxes=tuple(Box(*row) for row in wish.boxes),
        revision=wish.revision,
        seconds=wish.seconds,
        release=wish.release,
    )
    try:
        with _writing(platform, caller, task_id) as session:
            return _view(drafts.save(session, task_id, frame, annotator, drawn), annotator)
    except FrameChanged as error:
        with platform.reads() as session:
            stored = _view(drafts.frame_of(session, task_id, frame), annotator)
        return answer(request, error, frame=stored.model_dump())


@router.get(
    "/{task_id}/frames/{frame}/image",
    response_class=SentFile,
    responses={
        **responses(404),
        200: {"description": "The image", "content": {"image/jpeg": {}}},
        304: {"description": "The image has not changed"},
    },
)
def image(
    request: Request, platform: InPlatform, caller: InCaller, task_id: str, frame: FrameNumber
) -> Response:
    """The picture of a frame, for its owner's eyes and his browser's cache."""
    with _reading(platform, caller, task_id) as session:
        key = drafts.frame_of(session, task_id, frame).key
    path = platform.storage.fetch(key)
    found = path.stat()
    headers = {
        "ETag": f'"{found.st_mtime_ns:x}-{found.st_size:x}"',
        "Cache-Control": f"private, max-age={IMAGE_FOR_S}",
        "Vary": "Authorization, X-API-Key",
        "X-Content-Type-Options": "nosniff",
    }
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return SentFile(path, headers=headers)


@router.post("/{task_id}/finish", status_code=202, responses=responses(404, 409))
def finish(platform: InPlatform, caller: InCaller, task_id: str, wish: TabWish) -> Progress:
    """Nothing more will come: the task goes on; frames that nobody decided count as unseen."""
    with _writing(platform, caller, task_id) as session:
        drafts.finish(session, task_id, caller.user_id)
        session.flush()
        rows = drafts.outline(session, task_id, _annotator(caller, wish.tab))
        return _progress(session, task_id, rows)


def _annotator(caller: Caller, tab: str) -> str:
    return f"{caller.user_id}/{tab}"


@contextmanager
def _reading(platform: Platform, caller: Caller, task_id: str) -> Iterator[Session]:
    with platform.reads() as session:
        _own(session, caller, task_id)
        yield session


@contextmanager
def _writing(platform: Platform, caller: Caller, task_id: str) -> Iterator[Session]:
    with platform.sessions.begin() as session:
        _own(session, caller, task_id)
        drafts.still_open(session, task_id)
        yield session


def _own(session: Session, caller: Caller, task_id: str) -> None:
    own_task(session, caller, task_id)
    if repository.labeling_of(session, task_id).engine != "builtin":
        raise NoDrafts(task_id)


def _view(draft: LabelDraft, annotator: str) -> FrameView:
    return FrameView(
        frame=draft.frame,
        file=draft.file,
        state=draft.state,
        boxes=[tuple(row) for row in draft.boxes],
        suggested=None if draft.suggested is None else [tuple(row) for row in draft.suggested],
        seconds=draft.seconds,
        revision=draft.revision,
        taken=drafts.is_taken(draft, annotator),
    )


def _progress(session: Session, task_id: str, rows: list[tuple[int, str, bool]]) -> Progress:
    found = drafts.figures(session, task_id)
    return Progress(
        open=drafts.is_open(session, task_id),
        total=found.total,
        labelled=found.counts[drafts.LABELLED],
        empty=found.counts[drafts.EMPTY],
        skipped=found.counts[drafts.SKIPPED],
        remaining=found.counts[drafts.UNSEEN],
        seconds_per_frame=round(found.seconds / found.decided, 2) if found.decided else 0.0,
        states="".join(state[0] for _, state, _ in rows),
        taken=[frame for frame, _, taken in rows if taken],
    )
