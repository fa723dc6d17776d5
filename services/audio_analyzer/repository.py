"""Every query of the catalogue: actors, tokens, scripts and their words."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Select, delete, func, or_, select, tuple_
from sqlalchemy.orm import Session, contains_eager

from services.audio_analyzer.catalogue_errors import NoActor, NoLine
from services.audio_analyzer.engines.port import ReferenceWord
from shared.db.models import Task, User
from shared.db.speech_models import Actor, AnalysisResult, Bookmark, Script, Token, Word
from shared.events.speech import Subject
from shared.web.paging import Cursor

NO_AUDIO, PREPARING, READY, FAILED = "NO_AUDIO", "PREPARING", "READY", "FAILED"
KINDS: dict[Subject, type[Token | Script]] = {"token": Token, "script": Script}
MOST_WORDS = 8  # of a search; more only cost
Line = Token | Script


def folded(text: str) -> str:
    """`text` as searches compare it: without case, without the ways in which one letter is written.

    The same on every database; SQLite itself knows the case of ASCII alone.
    """
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(plain.split())


# --- lines ----------------------------------------------------------------------------------------


def line_of(session: Session, subject: Subject, line_id: str, *, lock: bool = False) -> Line:
    """The token or script with its actor; `NoLine` when there is none.

    `lock`: nobody else changes it before the end of the transaction.
    """
    kind = KINDS[subject]
    query = _with_actor(subject).where(kind.id == line_id)
    if lock:
        query = query.with_for_update(of=kind)
    found: Line | None = session.scalar(query)
    if found is None:
        raise NoLine(subject, line_id)
    return found


def _with_actor(subject: Subject) -> Select[tuple[Line]]:
    kind = KINDS[subject]
    query: Select[tuple[Line]] = select(kind).outerjoin(kind.actor)
    return query.options(contains_eager(kind.actor))


class Filters(NamedTuple):
    """What a reader of the catalogue looks for; None and "" look for everything."""

    q: str = ""
    actor_id: str | None = None
    film: str | None = None
    state: str | None = None


def lines(
    session: Session, subject: Subject, filters: Filters, after: Cursor | None, limit: int
) -> list[Line]:
    """The newest lines after the cursor that have every word of `q`, at most `limit`."""
    kind = KINDS[subject]
    query = _with_actor(subject).order_by(kind.created_at.desc(), kind.id.desc()).limit(limit)
    for word in folded(filters.q).split()[:MOST_WORDS]:
        query = query.where(
            or_(
                kind.searched.contains(word, autoescape=True),
                Actor.searched.contains(word, autoescape=True),
            )
        )
    if filters.actor_id is not None:
        query = query.where(kind.actor_id == filters.actor_id)
    if filters.film is not None:
        query = query.where(Token.film == unicodedata.normalize("NFC", filters.film))
    if filters.state is not None:
        query = query.where(kind.state == filters.state)
    if after is not None:
        query = query.where(tuple_(kind.created_at, kind.id) < (after.moment, after.id))
    return list(session.scalars(query))


def best_scores(
    session: Session, subject: Subject, user_id: str, ids: Sequence[str]
) -> dict[str, float]:
    """The best score of a user by line, 0..100; lines without any are left out."""
    line = AnalysisResult.token_id if subject == "token" else AnalysisResult.script_id
    query = (
        select(line, func.max(AnalysisResult.pron_score))
        .where(
            AnalysisResult.user_id == user_id,
            line.in_(ids),
            AnalysisResult.pron_score.is_not(None),
        )
        .group_by(line)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def bookmarked(session: Session, subject: Subject, user_id: str, ids: Sequence[str]) -> set[str]:
    """Which of these lines a user wants to find again."""
    line = Bookmark.token_id if subject == "token" else Bookmark.script_id
    query = select(line).where(Bookmark.user_id == user_id, line.in_(ids))
    return {each for each in session.scalars(query) if each is not None}


def words_of(session: Session, script_id: str) -> list[Word]:
    """The words of a script, in the order in which they are said."""
    query = select(Word).where(Word.script_id == script_id).order_by(Word.position)
    return list(session.scalars(query))


def replace_words(
    session: Session, script_id: str, words: Sequence[ReferenceWord], version: str
) -> None:
    """These words and no others; none of them may be left of an earlier take."""
    session.execute(delete(Word).where(Word.script_id == script_id))
    session.add_all(
        Word(
            script_id=script_id,
            position=position,
            text=word.text,
            start_s=word.start_s,
            end_s=word.end_s,
            mfcc=list(word.mfcc),
            features=word.features,
            feature_version=version,
        )
        for position, word in enumerate(words)
    )


def versions(session: Session, subject: Subject) -> set[str]:
    """Of the scorers that made the features of lines which can be compared with."""
    kind = KINDS[subject]
    query = select(kind.feature_version).where(kind.state == READY).distinct()
    return {version for version in session.scalars(query) if version is not None}


def made_by(session: Session, subject: Subject, versions: Collection[str], limit: int) -> list[str]:
    """Lines whose features these versions of the scorer made, the oldest first."""
    kind = KINDS[subject]
    query = (
        select(kind.id)
        .where(kind.state == READY, kind.feature_version.in_(versions))
        .order_by(kind.created_at, kind.id)
        .limit(limit)
    )
    return list(session.scalars(query))


def preparing(session: Session, subject: Subject) -> list[tuple[Line, Task | None]]:
    """Lines that are being prepared, each with the task that does it where that still exists."""
    kind = KINDS[subject]
    query = (
        select(kind, Task)
        .outerjoin(Task, Task.id == kind.preparing_task)
        .where(kind.state == PREPARING)
    )
    return [(line, task) for line, task in session.execute(query)]


def first_admin(session: Session) -> str | None:
    """Who owns work that nobody asked for."""
    query = select(User.id).where(User.role == "admin").order_by(User.created_at).limit(1)
    return session.scalar(query)


# --- actors ---------------------------------------------------------------------------------------


def actor_of(session: Session, actor_id: str, *, lock: bool = False) -> Actor:
    """The actor; `NoActor` when there is none.

    `lock`: it is not deleted before the end of the transaction.
    """
    found = session.get(Actor, actor_id, with_for_update={"key_share": True} if lock else None)
    if found is None:
        raise NoActor(actor_id)
    return found


def actors(session: Session, q: str, after: Cursor | None, limit: int) -> list[Actor]:
    """Actors whose name has every word of `q`, by name."""
    query = select(Actor).order_by(Actor.name, Actor.id).limit(limit)
    for word in folded(q).split()[:MOST_WORDS]:
        query = query.where(Actor.searched.contains(word, autoescape=True))
    if after is not None:
        query = query.where(tuple_(Actor.name, Actor.id) > (after.value, after.id))
    return list(session.scalars(query))


def line_counts(session: Session, subject: Subject, actor_ids: Sequence[str]) -> dict[str, int]:
    """How many lines each of these actors has; those without any are left out."""
    kind = KINDS[subject]
    query = (
        select(kind.actor_id, func.count())
        .where(kind.actor_id.in_(actor_ids))
        .group_by(kind.actor_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}
