"""Errors of the gateway."""

from __future__ import annotations

from shared.errors import BadInput, Conflict, Forbidden, Invalid, Unauthorised, Unavailable
from shared.messages import Sentence


class NoDirectUploads(Conflict):
    """Files are kept in a folder of the server, to which nobody can send directly."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.no_direct_uploads"))


class KeyReused(Invalid):
    """An Idempotency-Key came back with another request (422, as the IETF draft has it)."""

    def __init__(self, key: str) -> None:
        super().__init__(Sentence("error.key_reused", key=key))


class NotSubmittable(BadInput):
    """A pipeline of one step was submitted as a task."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(Sentence("error.not_submittable", name=name, known=", ".join(known)))


class Degraded(Unavailable):
    """A server that the mesh needs does not answer; the problem's member `health` has the rest."""

    def __init__(self, dependencies: dict[str, str]) -> None:
        away = [f"{name}: {said}" for name, said in dependencies.items() if said != "ok"]
        super().__init__("; ".join(away))


class NotReady(Unavailable):
    """The same for those without a key."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.not_ready"), retry_after_s=1)


class WrongLogin(Unauthorised):
    """No such account, or another password: nobody is told which."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.wrong_login"))


class WrongPassword(Forbidden):
    """Who is logged in has to prove it once more, and could not."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.wrong_password"))


class RegistrationClosed(Forbidden):
    """Strangers cannot make accounts here."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.registration_closed"))


class NameTaken(Conflict):
    """Another user has the name."""

    def __init__(self, name: str) -> None:
        super().__init__(Sentence("error.name_taken", name=name))


class EmailTaken(Conflict):
    """Another user has the e-mail address."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.email_taken"))


class LastAdmin(Conflict):
    """Nobody could look after the mesh any more."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.last_admin"))


class ManyKeys(Conflict):
    """A user has as many API keys as one may have."""

    def __init__(self, most: int) -> None:
        super().__init__(Sentence("error.many_keys", most=most))
