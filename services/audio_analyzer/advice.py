"""Advice as sentences: a result keeps codes with numbers, and its reader hears them in a language."""

from __future__ import annotations

from typing import Any

from shared.messages import MESSAGES, say


def with_advice(result: dict[str, Any], language: str) -> dict[str, Any]:
    """`result` with a `text` in each of its `Feedback`; a code of another version stays a code."""
    told = [{**each, "text": _said(each, language)} for each in result.get("Feedback") or ()]
    return {**result, "Feedback": told}


def _said(each: dict[str, Any], language: str) -> str:
    key = f"feedback.{each['code']}"
    try:
        return say(key, language, **each.get("fields", {})) if key in MESSAGES else each["code"]
    except KeyError:  # made when the sentence had other fields
        return str(each["code"])
