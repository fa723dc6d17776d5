"""What becomes of requests about tokens and scripts; both are lines of an actor with a take."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import Any

from fastapi import Request
from sqlalchemy.orm import Session

from services.audio_analyzer import preparation, repository, views
from services.audio_analyzer.catalogue_errors import NoLine, NoTake
from services.audio_analyzer.catalogue_schemas import (
    ScriptPage,
    ScriptWish,
    ScriptWithWords,
    TokenPage,
    TokenView,
    TokenWish,
)
from services.audio_analyzer.preparation import folder_of
from services.audio_analyzer.repository import PREPARING, READY, Filters, Line, folded
from shared.admission.callers import Caller
from shared.db.base import new_id
from shared.db.models import now
from shared.db.speech_models import Script, Token
from shared.errors import ActverseError
from shared.events.speech import Subject
from shared.platform import Platform
from shared.web.conditional import require_match
from shared.web.language import language_of
from shared.web.paging import Cursor
from shared.web.received import Received

Wish = TokenWish | ScriptWish
View = TokenView | ScriptWithWords


class Lines:
    """The tokens, or the scripts, for one request."""

    def __init__(
        self, platform: Platform, caller: Caller, request: Request, subject: Subject
    ) -> None:
        self.platform = platform
        self.caller = caller
        self.request = request
        self.subject = subject
        self.language = language_of(request)

    def page(self, filters: Filters, cursor: str | None, limit: int) -> TokenPage | ScriptPage:
        """The newest lines that fit."""
        after = Cursor.parse(cursor) if cursor else None
        with self.platform.reads() as session:
            found = repository.lines(session, self.subject, filters, after, limit)
            items = views.lines(session, self.subject, found, self.caller.user_id, self.language)
        last = found[-1] if len(found) == limit else None
        following = str(Cursor.after(last.created_at, last.id)) if last else None
        kind = TokenPage if self.subject == "token" else ScriptPage
        return kind.model_validate({"items": items, "next": following})

    def show(self, line_id: str) -> View:
        """One line."""
        with self.platform.reads() as session:
            return self._view(session, repository.line_of(session, self.subject, line_id))

    def create(self, wish: Wish) -> View:
        """A new line, without audio."""
        line = repository.KINDS[self.subject](id=new_id())
        with self.platform.sessions.begin() as session:
            self._fill(session, line, wish)
            session.add(line)
            return self._fresh(session, line)

    def change(self, line_id: str, wish: Wish) -> View:
        """Another text, title or actor; a text that has audio is looked for in it anew.

        `Changed` (412) when the line is not what `If-Match` names.
        """
        left: set[str] = set()
        with self.platform.sessions.begin() as session:
            line = repository.line_of(session, self.subject, line_id, lock=True)
            require_match(self.request, self._view(session, line))
            before = line.text
            self._fill(session, line, wish)
            line.updated_at = now()
            if line.text != before and line.audio_key is not None:
                left = self._prepare(session, line)
            view = self._fresh(session, line)
        self._clear(left)
        return view

    def remove(self, line_id: str) -> None:
        """The line with its files, and what learners' recordings of it were worth.

        The files first: should the storage fail, the line is still there and can be removed again.
        """
        with self.platform.sessions.begin() as session:
            line = repository.line_of(session, self.subject, line_id, lock=True)
            require_match(self.request, self._view(session, line))
            preparation.withdraw(session, self.platform.bus, line)
            self.platform.storage.delete(folder_of(self.subject, line_id))
            session.delete(line)

    def take(self, line_id: str) -> tuple[str, str]:
        """Key and sha256 of the audio; `NoTake` while there is none."""
        with self.platform.reads() as session:
            line = repository.line_of(session, self.subject, line_id)
        if line.audio_key is None:
            raise NoTake(line_id)
        return line.audio_key, str(line.audio_sha256)

    def set_take(self, line_id: str, received: Received) -> View:
        """The audio of a line from now on; what it was before is removed.

        The same audio again changes nothing, unless it could not be used before. Raises what
        `glance` raises for what is no sound.
        """
        from services.audio_analyzer.engines.glance import glance

        storage = self.platform.storage
        folder = folder_of(self.subject, line_id)
        try:
            key = f"{folder}/{received.sha256[:16]}/reference{glance(received.path)}"
            storage.keep(received.path, key)
        finally:
            shutil.rmtree(received.path.parent, ignore_errors=True)
        try:
            with self.platform.sessions.begin() as session:
                line = repository.line_of(session, self.subject, line_id, lock=True)
                left = self._replace(session, line, key, received.sha256)
                view = self._fresh(session, line)
        except NoLine:  # it was removed meanwhile: so must be what was sent for it
            storage.delete(folder)
            raise
        self._clear(left)
        return view

    def _replace(self, session: Session, line: Line, key: str, sha256: str) -> set[str]:
        """Make `key` the line's audio; which files are of no use any more."""
        if line.audio_key == key and line.state in {READY, PREPARING}:
            return set()
        old = {line.audio_key} - {None, key}
        line.audio_key, line.audio_sha256, line.updated_at = key, sha256, now()
        line.duration_s = None
        return self._prepare(session, line) | {each for each in old if each is not None}

    def _prepare(self, session: Session, line: Line) -> set[str]:
        """Have the audio looked at; the file of what was known of it, which is of no use any more."""
        old = {line.features_key} - {None}
        line.features_key = line.feature_version = None
        if isinstance(line, Script):
            repository.replace_words(session, line.id, (), "")
        preparation.ask(session, self.platform.bus, self.subject, line, self.caller.user_id)
        return {each for each in old if each is not None}

    def _clear(self, keys: set[str]) -> None:
        for key in keys:
            with suppress(ActverseError):  # it goes with the line at the latest
                self.platform.storage.delete(key)

    def _fresh(self, session: Session, line: Line) -> View:
        """The line as it will be read after the transaction."""
        session.flush()
        session.expire(line)
        return self._view(session, repository.line_of(session, self.subject, line.id))

    def _fill(self, session: Session, line: Line, wish: Wish) -> None:
        if wish.actor_id is not None:
            repository.actor_of(session, wish.actor_id, lock=True)
        named: dict[str, Any] = wish.model_dump()
        for name, value in named.items():
            setattr(line, name, value)
        title = line.film if isinstance(line, Token) else line.title
        line.searched = folded(f"{line.text} {title}")

    def _view(self, session: Session, line: Line) -> View:
        return views.line(session, self.subject, line, self.caller.user_id, self.language)
