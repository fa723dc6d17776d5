"""What readers of the catalogue see of its rows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from services.audio_analyzer import repository
from services.audio_analyzer.catalogue_schemas import (
    ActorRef,
    ActorView,
    ScriptView,
    ScriptWithWords,
    TokenView,
    WordView,
)
from services.audio_analyzer.problems import said
from services.audio_analyzer.repository import Line
from shared.db.speech_models import Actor, Script, Token
from shared.events.speech import Subject


def lines(
    session: Session, subject: Subject, found: Sequence[Line], user_id: str, language: str
) -> list[TokenView | ScriptView]:
    """Lines as `user_id` sees them, in two more queries however many there are."""
    ids = [line.id for line in found]
    best = repository.best_scores(session, subject, user_id, ids)
    marked = repository.bookmarked(session, subject, user_id, ids)
    return [_line(line, best.get(line.id), line.id in marked, language) for line in found]


def line(
    session: Session, subject: Subject, found: Line, user_id: str, language: str
) -> TokenView | ScriptWithWords:
    """One line with all that is known of it."""
    view = lines(session, subject, [found], user_id, language)[0]
    if isinstance(view, TokenView):
        return view
    words = [
        WordView(position=w.position, text=w.text, start_s=w.start_s, end_s=w.end_s)
        for w in repository.words_of(session, found.id)
    ]
    return ScriptWithWords(**dict(view), words=words)


def _line(row: Line, best: float | None, marked: bool, language: str) -> TokenView | ScriptView:
    subject: Subject = "token" if isinstance(row, Token) else "script"
    known = {
        "id": row.id,
        "text": row.text,
        "state": row.state,
        "problem": said(row.problem, language) if row.problem else None,
        "duration_s": row.duration_s,
        "audio_url": f"/{subject}s/{row.id}/audio" if row.audio_key else None,
        "feature_version": row.feature_version,
        "bookmarked": marked,
        "best_score": best,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "actor": ActorRef(id=row.actor.id, name=row.actor.name) if row.actor else None,
    }
    if isinstance(row, Script):
        return ScriptView.model_validate({**known, "title": row.title})
    return TokenView.model_validate({**known, "film": row.film})


def actors(session: Session, found: Sequence[Actor]) -> list[ActorView]:
    """Actors with how much there is of them, in two more queries however many they are."""
    ids = [actor.id for actor in found]
    tokens = repository.line_counts(session, "token", ids)
    scripts = repository.line_counts(session, "script", ids)
    return [
        ActorView(
            id=actor.id,
            name=actor.name,
            about=actor.about,
            image_url=actor.image_url,
            tokens=tokens.get(actor.id, 0),
            scripts=scripts.get(actor.id, 0),
            created_at=actor.created_at,
            updated_at=actor.updated_at,
        )
        for actor in found
    ]
