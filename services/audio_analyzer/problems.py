"""Why something failed, kept so that it can be said in the language of whoever reads it later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import ActverseError
from shared.messages import MESSAGES, Sentence, spoken


def kept(error: ActverseError) -> dict[str, Any]:
    """`error` as JSON: the key and the fields of its sentence, and the text itself."""
    problem: dict[str, Any] = {"code": error.code, "text": str(error)}
    told = error.args[0] if len(error.args) == 1 else None
    if isinstance(told, Sentence):
        fields = {name: _plain(value) for name, value in told.fields.items()}
        problem |= {"key": told.key, "fields": fields}
    return problem


def said(problem: Mapping[str, Any], language: str) -> str:
    """The sentence in `language`; as it was written where a later version has no such sentence."""
    key = problem.get("key")
    if key in MESSAGES:
        try:
            return str(spoken(Sentence(key, **problem.get("fields", {})), language))
        except KeyError:  # the sentence has other fields by now
            pass
    return str(problem["text"])


def _plain(value: object) -> object:
    return value if isinstance(value, int | float) else str(value)
