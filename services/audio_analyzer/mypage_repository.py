"""Every query about what one learner has said, and wants to find again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, delete, func, select, tuple_
from sqlalchemy.orm import Session, defer, joinedload

from services.audio_analyzer.repository import Line
from shared.db.speech_models import AnalysisResult, Bookmark, Script, Token
from shared.events.speech import Subject
from shared.web.paging import BadCursor, Cursor


class Said(NamedTuple):
    """Which of a learner's recordings are meant: of one line, or all."""

    user_id: str
    token_id: str | None = None
    script_id: str | None = None

    def wanted(self) -> list[ColumnElement[bool]]:
        """The conditions on `AnalysisResult`."""
        conditions = [AnalysisResult.user_id == self.user_id]
        if self.token_id is not None:
            conditions.append(AnalysisResult.token_id == self.token_id)
        if self.script_id is not None:
            conditions.append(AnalysisResult.script_id == self.script_id)
        return conditions


def history(session: Session, said: Said, after: Cursor | None, limit: int) -> list[AnalysisResult]:
    """The newest recordings after the cursor, without the contours of their results."""
    query = (
        select(AnalysisResult)
        .options(_bare())
        .where(*said.wanted())
        .order_by(AnalysisResult.created_at.desc(), AnalysisResult.job_id.desc())
        .limit(limit)
    )
    if after is not None:
        place = tuple_(AnalysisResult.created_at, AnalysisResult.job_id)
        query = query.where(place < (after.moment, after.id))
    return list(session.scalars(query))


def recognised(session: Session, said: Said, limit: int) -> list[AnalysisResult]:
    """The newest recordings that have scores, the oldest of them first."""
    query = (
        select(AnalysisResult)
        .options(_bare())
        .where(*said.wanted(), AnalysisResult.pron_score.is_not(None))
        .order_by(AnalysisResult.created_at.desc(), AnalysisResult.job_id.desc())
        .limit(limit)
    )
    return list(session.scalars(query))[::-1]


def _bare() -> Any:
    return defer(AnalysisResult.result, raiseload=True)  # a hundred kilobytes each


class Best(NamedTuple):
    """The best recording of a line, and how many there are of it."""

    row: AnalysisResult
    recordings: int


def best(session: Session, user_id: str, after: Cursor | None, limit: int) -> list[Best]:
    """The best recording of each line, the best of all first."""
    line = func.coalesce(AnalysisResult.token_id, AnalysisResult.script_id)
    rank = func.row_number().over(
        partition_by=line,
        order_by=(AnalysisResult.pron_score.desc(), AnalysisResult.created_at),
    )
    ranked = (
        select(
            AnalysisResult.job_id,
            rank.label("rank"),
            func.count().over(partition_by=line).label("recordings"),
        )
        .where(AnalysisResult.user_id == user_id, AnalysisResult.pron_score.is_not(None))
        .subquery()
    )
    query = (
        select(AnalysisResult, ranked.c.recordings)
        .options(_bare())
        .join(ranked, ranked.c.job_id == AnalysisResult.job_id)
        .where(ranked.c.rank == 1)
        .order_by(AnalysisResult.pron_score.desc(), AnalysisResult.job_id.desc())
        .limit(limit)
    )
    if after is not None:
        place = tuple_(AnalysisResult.pron_score, AnalysisResult.job_id)
        query = query.where(place < (_number(after.value), after.id))
    return [Best(row, count) for row, count in session.execute(query)]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadCursor from error


# --- lines ----------------------------------------------------------------------------------------


def lines_of(session: Session, rows: Iterable[AnalysisResult | Bookmark]) -> dict[str, Line]:
    """The lines of recordings or bookmarks by id, with their actors: two queries at most."""
    tokens = {row.token_id for row in rows if row.token_id is not None}
    scripts = {row.script_id for row in rows if row.script_id is not None}
    found: dict[str, Line] = {}
    if tokens:
        query = select(Token).options(joinedload(Token.actor)).where(Token.id.in_(tokens))
        found |= {line.id: line for line in session.scalars(query)}
    if scripts:
        asked = select(Script).options(joinedload(Script.actor)).where(Script.id.in_(scripts))
        found |= {line.id: line for line in session.scalars(asked)}
    return found


# --- bookmarks ------------------------------------------------------------------------------------


def bookmarks(session: Session, user_id: str, after: Cursor | None, limit: int) -> list[Bookmark]:
    """The newest bookmarks after the cursor."""
    query = (
        select(Bookmark)
        .where(Bookmark.user_id == user_id)
        .order_by(Bookmark.created_at.desc(), Bookmark.id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(Bookmark.created_at, Bookmark.id) < (after.moment, after.id))
    return list(session.scalars(query))


def remember(session: Session, user_id: str, subject: Subject, line_id: str) -> None:
    """A bookmark, unless there is one; IntegrityError for two that are made at one moment."""
    if session.scalar(select(Bookmark.id).where(*_marked(user_id, subject, line_id))) is None:
        named = {f"{subject}_id": line_id}
        session.add(Bookmark(user_id=user_id, **named))


def forget(session: Session, user_id: str, subject: Subject, line_id: str) -> None:
    """No bookmark any more; harmless when there is none."""
    session.execute(delete(Bookmark).where(*_marked(user_id, subject, line_id)))


def _marked(user_id: str, subject: Subject, line_id: str) -> list[ColumnElement[bool]]:
    line = Bookmark.token_id if subject == "token" else Bookmark.script_id
    return [Bookmark.user_id == user_id, line == line_id]
