"""Failures that are stored, and said later in the language of whoever reads of them.

    {"code": "OutOfSpace", "status": 507, "message": "The disk is full ...",
     "sentence": {"key": "error.disk_full_at", "fields": {"path": "/data/a.mp4"}}}

`message` is English and never missing; `sentence` is there where the error was raised with one of the
table, and is no reader's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import ActverseError
from shared.messages import Sentence, spoken

SENTENCE = "sentence"


def stored(error: ActverseError) -> dict[str, Any]:
    """`error` as JSON."""
    told = {"code": error.code, "status": int(error.status), "message": str(error)}
    said = error.args[0] if len(error.args) == 1 else None
    return told | ({SENTENCE: _kept(said)} if isinstance(said, Sentence) else {})


def shown(failure: Mapping[str, Any] | None, language: str) -> dict[str, Any] | None:
    """What readers see of a stored failure, and of whatever else is stored with it."""
    if failure is None or "message" not in failure:
        return None if failure is None else dict(failure)
    rest = {name: value for name, value in failure.items() if name != SENTENCE}
    return rest | {"message": spoken(message_of(failure), language)}


def message_of(failure: Mapping[str, Any]) -> str:
    """Why it failed: a `Sentence` where it was one that the table still has, else as it was written."""
    text = str(failure.get("message", ""))
    try:
        return _restored(failure[SENTENCE]) if SENTENCE in failure else text
    except (
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ):  # of another version, with other fields
        return text


def _kept(sentence: Sentence) -> dict[str, Any]:
    return {"key": sentence.key, "fields": {n: _plain(v) for n, v in sentence.fields.items()}}


def _plain(value: object) -> object:
    if isinstance(value, Sentence):
        return _kept(value)
    return value if isinstance(value, int | float) else str(value)


def _restored(kept: Mapping[str, Any]) -> Sentence:
    fields = {
        name: _restored(value) if isinstance(value, dict) else value
        for name, value in kept["fields"].items()
    }
    return Sentence(kept["key"], **fields)
