"""Fields of a request that do not fit: what pydantic found, in sentences of the table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import Invalid
from shared.messages import MESSAGES, Sentence, spoken


@dataclass(frozen=True)
class Misfit:
    """One field, by its place (`body.num_frames`), and what is wrong with it; never its value."""

    where: str
    what: str


class Unfit(Invalid):
    """Fields that do not fit; `found` has them one by one."""

    def __init__(self, errors: Iterable[Mapping[str, Any]], *, under: str = "") -> None:
        """`errors` as pydantic's `ValidationError.errors()` gives them, found in the field `under`."""
        self.found = tuple(_misfit(error, under) for error in errors)
        super().__init__("; ".join(f"{each.where}: {each.what}" for each in self.found))

    @property
    def code(self) -> str:
        """That of the family: programs need not tell who looked at the field."""
        return Invalid.__name__

    def told(self, language: str) -> str:
        """Every field with its sentence."""
        return "; ".join(f"{each.where}: {spoken(each.what, language)}" for each in self.found)


def _misfit(error: Mapping[str, Any], under: str) -> Misfit:
    where = ".".join(str(part) for part in (*([under] if under else []), *error["loc"]))
    return Misfit(where, _sentence(error))


def _sentence(error: Mapping[str, Any]) -> str:
    """What pydantic says, from the table where that has the type of the error with its values."""
    key, values = f"field.{error['type']}", dict(error.get("ctx") or {})
    if key not in MESSAGES:
        return str(error["msg"])
    if "expected" in values:  # 'a', 'b' or 'c'
        values["expected"] = str(values["expected"]).replace(" or ", ", ")
    raised = values.get("error")
    if isinstance(
        raised, Exception
    ):  # of a validator of ours, perhaps with a sentence of the table
        own = raised.args[0] if len(raised.args) == 1 else None
        values["error"] = own if isinstance(own, Sentence) else str(raised)
    try:
        return Sentence(key, **values)
    except KeyError:  # another pydantic, with other values
        return str(error["msg"])
