"""Every code that the scorer can give is a sentence in both languages, with its own values in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from services.audio_analyzer.advice import with_advice
from services.audio_analyzer.engines import feedback, quality
from shared.messages import LANGUAGES

CODE = re.compile(r"[a-z]+\.[a-z_]+")


def _texts(module: object) -> list[str]:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))  # type: ignore[attr-defined]
    return [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and type(n.value) is str]


def _warnings() -> list[str]:
    """What is appended to the list of warnings in the engine's own text."""
    tree = ast.parse(Path(str(quality.__file__)).read_text(encoding="utf-8"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    return [
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "append"
        and isinstance(call.args[0], ast.Constant)
    ]


CODES = sorted({text for text in _texts(feedback) if CODE.fullmatch(text)})
WARNINGS = sorted(set(_warnings()))
FIELDS = {"score": 31, "percent": 20, "semitones": 3.5, "decibels": 8, "word": "country"}


def test_the_codes_are_found() -> None:
    assert {"all.good", "word.omitted", "tempo.fast"} <= set(CODES)
    assert {"clipped", "silent"} <= set(WARNINGS)


@pytest.mark.parametrize("code", [*CODES, *(f"quality.{warning}" for warning in WARNINGS)])
def test_a_code_is_a_sentence_in_both_languages(code: str) -> None:
    result = {"Feedback": [{"code": code, "fields": FIELDS}]}
    said = {each: with_advice(result, each)["Feedback"][0]["text"] for each in LANGUAGES}
    assert said["en"] != code
    assert said["ko"] != said["en"]
    assert re.search("[가-힣]", said["ko"])
    if code.startswith("word."):
        assert "country" in said["en"]
        assert "country" in said["ko"]


def test_a_code_of_another_version_stays_a_code() -> None:
    told = with_advice({"Feedback": [{"code": "word.unheard_of", "fields": {}}]}, "ko")
    assert told["Feedback"][0]["text"] == "word.unheard_of"
