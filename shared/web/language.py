"""In which language a caller is answered: `Accept-Language` (RFC 9110), of those that the table has.

A route that says sentences of its own:

    language = language_of(request)
    said = spoken(Sentence("error.no_task", task_id=task_id), language)
    return JSONResponse({"said": said}, headers=spoken_in(language))
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Request

from shared.messages import DEFAULT, LANGUAGES

HEADER = "Accept-Language"
WEIGHT = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)
MANY = 100  # ranges that are looked at; browsers send about five


def language_of(request: Request) -> str:
    """The language of the table that the caller likes best; English when it likes none, or says nothing.

    The most specific range decides how much a language is liked (`ko-KR` is one of Korean, `*` of
    whatever is not named); of two that are liked as much, the one that was named first.
    """
    said = ",".join(request.headers.getlist(HEADER))
    named: dict[str, tuple[float, int]] = {}
    for place, part in enumerate(said.split(",", MANY)[:MANY]):
        tag, _, parameters = part.partition(";")
        name, weight = tag.strip().lower().partition("-")[0], _weight(parameters)
        if name and weight is not None:
            known = named.get(name)
            # `en-GB, en;q=0.8`: either is English, and the better one counts
            if known is None or weight > known[0]:
                named[name] = (weight, place if known is None else known[1])
    others = named.get("*", (0.0, MANY))
    liked = {language: named.get(language, others) for language in LANGUAGES}
    best = min(LANGUAGES, key=lambda name: (-liked[name][0], liked[name][1], LANGUAGES.index(name)))
    return best if liked[best][0] > 0 else DEFAULT


async def _asked(request: Request) -> str:  # async: else a thread is asked each time
    return language_of(request)


InLanguage = Annotated[str, Depends(_asked)]
"""For routes: the language in which to answer."""


def _weight(parameters: str) -> float | None:
    """0.0 to 1.0; 1.0 when nothing is said, None for what is no weight."""
    text = parameters.replace(" ", "").replace("\t", "")
    if not text:
        return 1.0
    found = WEIGHT.fullmatch(text)
    return float(found[1]) if found else None


def spoken_in(*languages: str) -> Mapping[str, str]:
    """The headers of an answer in `languages`: caches must not give it to those who read another."""
    return {"Content-Language": ", ".join(languages), "Vary": HEADER}
