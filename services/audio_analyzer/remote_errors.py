"""What can go wrong between meshes, each with its own status and sentence."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from services.audio_analyzer import problems
from shared.errors import Conflict, Invalid, Retryable, Terminal, TooLarge, Unavailable
from shared.messages import DEFAULT, Sentence


class NoPublicUrl(Conflict):
    """Nobody said how a server elsewhere reaches the gateway."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.no_public_url"))


class NoAnalysisServer(Conflict):
    """The settings named one when the recording came, and do not any more."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.no_analysis_server"))


class NoLinkSecret(Conflict):
    """Gateway and workers have no secret in common."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.no_link_secret"))


class ServerAway(Unavailable):
    """The analysis server does not answer, or says that it cannot now."""

    def __init__(self, server: str, why: str, retry_after_s: float | None = None) -> None:
        super().__init__(
            Sentence("error.server_away", server=server, why=why), retry_after_s=retry_after_s
        )


class ServerRefused(Terminal):
    """The analysis server does not take a request that it has understood."""

    status = HTTPStatus.BAD_GATEWAY

    def __init__(self, server: str, status: int, said: str) -> None:
        super().__init__(Sentence("error.server_refused", server=server, status=status, said=said))


class ServerKeyUnknown(Terminal):
    """The analysis server does not let us in."""

    status = HTTPStatus.BAD_GATEWAY

    def __init__(self, server: str, status: int) -> None:
        super().__init__(Sentence("error.server_key", server=server, status=status))


class ServerFailed(Terminal):
    """The analysis server has tried, and says why there is no result."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, said: str) -> None:
        """`said`: a sentence of our own table speaks for itself, the words of others are quoted."""
        quoted = isinstance(said, Sentence)
        super().__init__(said if quoted else Sentence("error.server_failed", said=said))


class NotWaitingYet(Retryable):
    """The answer was quicker than what we write down about the question."""

    def __init__(self) -> None:
        super().__init__(Sentence("error.not_waiting_yet"), retry_after_s=1)


class FetchedTooLarge(TooLarge):
    """Audio at an address of a caller is larger than any that is compared."""

    def __init__(self, where: str, limit_mb: int) -> None:
        super().__init__(Sentence("error.fetched_too_large", where=where, limit_mb=limit_mb))


class NothingFetched(Terminal):
    """An address of a caller gives no file."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, where: str, status: int) -> None:
        super().__init__(Sentence("error.fetched_nothing", where=where, status=status))


class FetchPostponed(Unavailable):
    """An address of a caller may give the file later."""

    def __init__(self, where: str, status: int, retry_after_s: float | None) -> None:
        super().__init__(
            Sentence("error.fetched_busy", where=where, status=status), retry_after_s=retry_after_s
        )


class WebhookRefused(Terminal):
    """Whom we should call does not want to hear it."""

    status = HTTPStatus.BAD_GATEWAY

    def __init__(self, where: str, status: int) -> None:
        super().__init__(Sentence("error.webhook_refused", where=where, status=status))


class WebhookBusy(Unavailable):
    """Whom we should call may hear it later."""

    def __init__(self, where: str, status: int, retry_after_s: float | None) -> None:
        super().__init__(
            Sentence("error.webhook_busy", where=where, status=status), retry_after_s=retry_after_s
        )


class KeyReused(Invalid):
    """A `job_id` or Idempotency-Key came back with another text (422, as the IETF draft has it)."""

    def __init__(self, key: str) -> None:
        super().__init__(Sentence("error.key_reused", key=key))


class NotCompared(Terminal):
    """Why there is no result, after whoever asked has heard it."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(problems.said(problem, DEFAULT))
        self._code = str(problem["code"])

    @property
    def code(self) -> str:
        """That of the failure itself."""
        return self._code
