"""What becomes of requests about actors."""

from __future__ import annotations

from fastapi import Request
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.audio_analyzer import repository, views
from services.audio_analyzer.catalogue_errors import HasLines, NameTaken
from services.audio_analyzer.catalogue_schemas import ActorPage, ActorView, ActorWish
from services.audio_analyzer.repository import folded
from shared.db.base import new_id
from shared.db.models import now
from shared.db.speech_models import Actor
from shared.platform import Platform
from shared.web.conditional import require_match
from shared.web.paging import Cursor


def page(platform: Platform, q: str, cursor: str | None, limit: int) -> ActorPage:
    """Actors by name."""
    after = Cursor.parse(cursor) if cursor else None
    with platform.reads() as session:
        found = repository.actors(session, q, after, limit)
        items = views.actors(session, found)
    last = found[-1] if len(found) == limit else None
    return ActorPage(items=items, next=str(Cursor.after(last.name, last.id)) if last else None)


def show(platform: Platform, actor_id: str) -> ActorView:
    """One actor."""
    with platform.reads() as session:
        return _view(session, repository.actor_of(session, actor_id))


def create(platform: Platform, wish: ActorWish) -> ActorView:
    """A new actor; `NameTaken` when there is one of that name."""
    actor = Actor(id=new_id(), searched=folded(wish.name), **wish.model_dump())
    with platform.sessions.begin() as session:
        session.add(actor)
        _keep(session, wish)
        return _view(session, actor)


def change(platform: Platform, request: Request, actor_id: str, wish: ActorWish) -> ActorView:
    """Another name, description or picture; `Changed` (412) when `If-Match` names another state."""
    with platform.sessions.begin() as session:
        actor = repository.actor_of(session, actor_id, lock=True)
        require_match(request, _view(session, actor))
        for name, value in wish.model_dump().items():
            setattr(actor, name, value)
        actor.searched, actor.updated_at = folded(wish.name), now()
        _keep(session, wish)
        return _view(session, actor)


def remove(platform: Platform, request: Request, actor_id: str) -> None:
    """The actor; `HasLines` as long as something in the catalogue is said by him or her."""
    with platform.sessions.begin() as session:
        actor = repository.actor_of(session, actor_id, lock=True)
        seen = _view(session, actor)
        require_match(request, seen)
        if seen.tokens or seen.scripts:
            raise HasLines(seen.name, seen.tokens, seen.scripts)
        session.delete(actor)


def _keep(session: Session, wish: ActorWish) -> None:
    """Write, and leave it to the database whether a name is taken: others may ask at the same time."""
    try:
        session.flush()
    except IntegrityError as error:
        raise NameTaken(wish.name) from error


def _view(session: Session, actor: Actor) -> ActorView:
    return views.actors(session, [actor])[0]
