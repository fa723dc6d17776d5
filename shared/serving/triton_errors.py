"""What Triton and gRPC say, as our errors."""

from __future__ import annotations

from enum import Enum

from shared.errors import ActverseError, NotFound, Terminal, Unavailable

AWAY = ("UNAVAILABLE", "CANCELLED")
FULL = "RESOURCE_EXHAUSTED"  # its queue takes no more


class Lost(Enum):
    """What has to be done anew before the next request can succeed."""

    NOTHING = 0
    CONNECTION = 1
    PROCESS = 2  # the one that runs a model of the Python backend


def explained(error: Exception, where: str, name: str) -> tuple[ActverseError, Lost]:
    """An error of the server `where` about the model `name`, with Triton's own words in it."""
    from tritonclient.utils import InferenceServerException

    if isinstance(error, ActverseError):
        return error, Lost.NOTHING
    if not isinstance(error, InferenceServerException):
        told = f"{where} cannot be asked: {type(error).__name__}: {error}"
        return Unavailable(told), Lost.NOTHING
    status, said = str(error.status()).rpartition(".")[2], str(error.message()).strip()
    said = without_trace(said)
    if "unknown model" in said.lower():
        told = f"{where} has not loaded this version of {name} ({said}); deploy it first."
        return NotFound(told), Lost.NOTHING
    if "tub process" in said:
        told = f"{where} lost the process that runs {name} ({said}); it will be started again."
        return Unavailable(told), Lost.PROCESS
    if status == "DEADLINE_EXCEEDED":
        told = f"{where} did not answer in time; it hangs or is overloaded."
        return Unavailable(told), Lost.NOTHING
    if status == FULL:
        return Unavailable(f"{where} has too much to do ({said})."), Lost.NOTHING
    if status in AWAY:
        return Unavailable(f"{where} does not answer ({said})."), Lost.CONNECTION
    return Terminal(f"{where} refused {name or 'the request'}: {said}"), Lost.NOTHING


def forgotten(error: Exception | None) -> bool:
    """Whether the server does not know the memory that a request named: it has started anew."""
    from tritonclient.utils import InferenceServerException

    said = str(error.message()) if isinstance(error, InferenceServerException) else ""
    return "find shared memory region" in said


def without_trace(said: str) -> str:
    """A message without the trace of Triton's own Python."""
    return said.partition("\n\nAt:")[0]
