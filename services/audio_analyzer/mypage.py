"""What becomes of a learner's questions about his or her own recordings."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.audio_analyzer import mypage_repository, repository
from services.audio_analyzer.catalogue_schemas import ActorRef
from services.audio_analyzer.mypage_repository import Said
from services.audio_analyzer.mypage_schemas import (
    BestItem,
    BestPage,
    BookmarkItem,
    BookmarkPage,
    HistoryItem,
    HistoryPage,
    LineRef,
    Scores,
    TrendPoint,
    Trends,
)
from services.audio_analyzer.repository import Line
from shared.db.speech_models import AnalysisResult, Bookmark, Token
from shared.events.speech import Subject
from shared.platform import Platform
from shared.web.paging import Cursor

MEAN_OF = 5
AXES = tuple(Scores.model_fields)


def history(platform: Platform, said: Said, cursor: str | None, limit: int) -> HistoryPage:
    """Every recording, newest first."""
    after = Cursor.parse(cursor) if cursor else None
    with platform.reads() as session:
        rows = mypage_repository.history(session, said, after, limit)
        lines = mypage_repository.lines_of(session, rows)
    items = [
        HistoryItem(
            **_scores(row),
            job_id=row.job_id,
            result_url=_result_url(row),
            line=_line(lines[_line_id(row)]),
            status=row.status,  # type: ignore[arg-type]
            recognition=row.recognition,
            created_at=row.created_at,
            finished_at=row.finished_at,
        )
        for row in rows
    ]
    last = rows[-1] if len(rows) == limit else None
    following = str(Cursor.after(last.created_at, last.job_id)) if last else None
    return HistoryPage(items=items, next=following)


def trends(platform: Platform, said: Said, limit: int) -> Trends:
    """How the scores of the newest recordings have changed."""
    with platform.reads() as session:
        rows = mypage_repository.recognised(session, said, limit)
    first, latest = _mean(rows[:MEAN_OF]), _mean(rows[-MEAN_OF:])
    gain = {
        axis: None if value is None or first[axis] is None else round(value - first[axis], 1)
        for axis, value in latest.items()
    }
    points = [
        TrendPoint(
            **_scores(row), job_id=row.job_id, result_url=_result_url(row), at=row.created_at
        )
        for row in rows
    ]
    return Trends(
        points=points,
        mean_of=MEAN_OF,
        first=Scores(**first),
        latest=Scores(**latest),
        gain=Scores(**gain),
    )


def _mean(rows: Sequence[AnalysisResult]) -> dict[str, float | None]:
    known = {axis: [v for row in rows if (v := getattr(row, axis)) is not None] for axis in AXES}
    return {axis: round(fmean(values), 1) if values else None for axis, values in known.items()}


def best(platform: Platform, user_id: str, cursor: str | None, limit: int) -> BestPage:
    """The best recording of each line, the best of all first."""
    after = Cursor.parse(cursor) if cursor else None
    with platform.reads() as session:
        found = mypage_repository.best(session, user_id, after, limit)
        lines = mypage_repository.lines_of(session, [each.row for each in found])
    items = [
        BestItem(
            **_scores(row),
            job_id=row.job_id,
            result_url=_result_url(row),
            line=_line(lines[_line_id(row)]),
            recordings=recordings,
            created_at=row.created_at,
        )
        for row, recordings in found
    ]
    last = found[-1].row if len(found) == limit else None
    following = str(Cursor.after(repr(last.pron_score), last.job_id)) if last else None
    return BestPage(items=items, next=following)


# --- bookmarks ------------------------------------------------------------------------------------


def bookmarks(platform: Platform, user_id: str, cursor: str | None, limit: int) -> BookmarkPage:
    """Every bookmark, newest first."""
    after = Cursor.parse(cursor) if cursor else None
    with platform.reads() as session:
        rows = mypage_repository.bookmarks(session, user_id, after, limit)
        lines = mypage_repository.lines_of(session, rows)
        scores = _best_scores(session, user_id, lines)
    items = [
        BookmarkItem(
            line=_line(lines[_line_id(row)]),
            state=lines[_line_id(row)].state,  # type: ignore[arg-type]
            best_score=scores.get(_line_id(row)),
            created_at=row.created_at,
        )
        for row in rows
    ]
    last = rows[-1] if len(rows) == limit else None
    following = str(Cursor.after(last.created_at, last.id)) if last else None
    return BookmarkPage(items=items, next=following)


def _best_scores(session: Session, user_id: str, lines: dict[str, Line]) -> dict[str, float]:
    found: dict[str, float] = {}
    for subject, kind in repository.KINDS.items():
        ids = [line.id for line in lines.values() if isinstance(line, kind)]
        if ids:
            found |= repository.best_scores(session, subject, user_id, ids)
    return found


def bookmark(platform: Platform, user_id: str, subject: Subject, line_id: str) -> None:
    """Remember a line; harmless when it is remembered already."""
    try:
        with platform.sessions.begin() as session:
            repository.line_of(session, subject, line_id)
            mypage_repository.remember(session, user_id, subject, line_id)
    except IntegrityError:  # another request did it at the same moment, or the line went away
        with platform.reads() as session:
            repository.line_of(session, subject, line_id)


def forget(platform: Platform, user_id: str, subject: Subject, line_id: str) -> None:
    """Do not remember a line any more; harmless when nobody did."""
    with platform.sessions.begin() as session:
        mypage_repository.forget(session, user_id, subject, line_id)


# --- rows -----------------------------------------------------------------------------------------


def _scores(row: AnalysisResult) -> dict[str, float | None]:
    return {axis: getattr(row, axis) for axis in AXES}


def _line_id(row: AnalysisResult | Bookmark) -> str:
    return str(row.token_id or row.script_id)


def _result_url(row: AnalysisResult) -> str:
    return f"/{'tokens' if row.token_id else 'scripts'}/analysis-result/{row.job_id}"


def _line(line: Line) -> LineRef:
    is_token = isinstance(line, Token)
    return LineRef(
        subject="token" if is_token else "script",
        id=line.id,
        title=line.film if is_token else line.title,
        text=line.text,
        actor=ActorRef(id=line.actor.id, name=line.actor.name) if line.actor else None,
    )
