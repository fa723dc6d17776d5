"""What can go wrong with lines of the catalogue, each with its sentence."""

from __future__ import annotations

from shared.errors import Conflict, NotFound
from shared.events.speech import Subject
from shared.messages import Sentence


class NoLine(NotFound):
    """No such token or script."""

    def __init__(self, subject: Subject, line_id: str) -> None:
        key = "error.no_token" if subject == "token" else "error.no_script"
        super().__init__(Sentence(key, id=line_id))


class NoActor(NotFound):
    """No such actor."""

    def __init__(self, actor_id: str) -> None:
        super().__init__(Sentence("error.no_actor", id=actor_id))


class NameTaken(Conflict):
    """Two actors would have one name."""

    def __init__(self, name: str) -> None:
        super().__init__(Sentence("error.actor_name_taken", name=name))


class HasLines(Conflict):
    """An actor cannot go before what was said."""

    def __init__(self, name: str, tokens: int, scripts: int) -> None:
        given = {"name": name, "tokens": tokens, "scripts": scripts}
        super().__init__(Sentence("error.actor_has_lines", **given))


class NoTake(NotFound):
    """The line has no take yet."""

    def __init__(self, line_id: str) -> None:
        super().__init__(Sentence("error.no_reference_audio", id=line_id))


class ReferenceReplaced(Conflict):
    """What was prepared is no longer what the line has; the newer take has a task of its own."""

    def __init__(self, line_id: str) -> None:
        super().__init__(Sentence("error.reference_replaced", id=line_id))


class PreparationStopped(Conflict):
    """Nobody looks at the take any more, and nobody has said why."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.preparation_stopped"))
