"""What goes in and out of the catalogue: actors, and their lines."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.audio_analyzer.repository import folded
from shared.messages import Sentence

ID = "6f1e0a52-3c1d-4f0e-9a43-0e5f0d8f3a11"
MOMENT = "2026-03-01T12:00:00Z"
TEXT = "Frankly, my dear, I don't give a damn."
MAX_TITLE = 200  # characters
LONGEST_KEPT = 255  # characters of a text that has no column for long ones
MAX_TEXT = 2000  # characters; two minutes of fast speech are about as many
LineState = Literal["NO_AUDIO", "PREPARING", "READY", "FAILED"]


class Unreadable(ValueError):
    """A text that nobody can read; the sentence says why."""


def _title(text: str) -> str:
    """One line, no longer than is kept: there are letters that composed are written as three."""
    text = _readable(" ".join(text.split()))
    if len(text) > MAX_TITLE:
        raise Unreadable(Sentence("error.text_grows", most=MAX_TITLE))
    return text


def _found_by_name(name: str) -> str:
    """`name`, if it can be looked for: as searches compare them, some letters are whole phrases."""
    if len(folded(name)) > LONGEST_KEPT:
        raise Unreadable(Sentence("error.text_grows", most=LONGEST_KEPT))
    return name


def _readable(text: str) -> str:
    """Composed characters (Korean from a Mac comes in parts), no control characters, not empty."""
    text = unicodedata.normalize("NFC", text).strip()
    if any(unicodedata.category(c) == "Cc" and c not in "\n\t" for c in text):
        raise Unreadable(Sentence("error.text_control"))
    if not text:
        raise Unreadable(Sentence("error.text_empty"))
    return text


Title = Annotated[str, Field(min_length=1, max_length=MAX_TITLE), AfterValidator(_title)]
Name = Annotated[Title, AfterValidator(_found_by_name)]
Spoken = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(_readable)]
About = Annotated[
    str, Field(max_length=4000), AfterValidator(lambda t: _readable(t) if t.strip() else "")
]
Picture = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s\"<>]+$")]


class ActorWish(BaseModel):
    """Somebody whose takes are in the catalogue."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(examples=["Clark Gable"])
    about: About = Field(default="", examples=["Gone with the Wind, It Happened One Night"])
    image_url: Picture | None = Field(default=None, examples=["https://example.org/gable.jpg"])


class TokenWish(BaseModel):
    """A quote of an actor."""

    model_config = ConfigDict(extra="forbid")

    actor_id: str = Field(min_length=1, max_length=255, examples=[ID])
    film: Title = Field(examples=["Gone with the Wind"])
    text: Spoken = Field(examples=[TEXT], description="What is said in the audio, word for word")


class ScriptWish(BaseModel):
    """A text whose words will be marked in the audio of a take."""

    model_config = ConfigDict(extra="forbid")

    actor_id: str | None = Field(default=None, min_length=1, max_length=255, examples=[ID])
    title: Title = Field(examples=["The farewell"])
    text: Spoken = Field(examples=[TEXT], description="What is said in the audio, word for word")


class ActorRef(BaseModel):
    """Who says a line."""

    id: str = Field(examples=[ID])
    name: str = Field(examples=["Clark Gable"])


class ActorView(BaseModel):
    """An actor, and how much the catalogue has of him or her."""

    id: str = Field(examples=[ID])
    name: str = Field(examples=["Clark Gable"])
    about: str = Field(examples=["Gone with the Wind, It Happened One Night"])
    image_url: str | None = Field(examples=["https://example.org/gable.jpg"])
    tokens: int = Field(examples=[12], description="How many quotes")
    scripts: int = Field(examples=[1])
    created_at: datetime = Field(examples=[MOMENT])
    updated_at: datetime = Field(examples=[MOMENT])


class ActorPage(BaseModel):
    """By name."""

    items: list[ActorView]
    next: str | None = Field(examples=[None], description="`cursor` of the following page")


class WordView(BaseModel):
    """A word of a script in the audio; times in seconds."""

    position: int = Field(examples=[0])
    text: str = Field(examples=["frankly"])
    start_s: float | None = Field(examples=[0.31])
    end_s: float | None = Field(examples=[0.78])


class LineView(BaseModel):
    """What tokens and scripts have in common."""

    id: str = Field(examples=[ID])
    text: str = Field(examples=[TEXT])
    state: LineState = Field(description="Only what is READY can be compared with")
    problem: str | None = Field(
        examples=[None], description="Why it FAILED, in the language of Accept-Language"
    )
    duration_s: float | None = Field(examples=[2.71], description="Of the audio, seconds")
    audio_url: str | None = Field(examples=[f"/tokens/{ID}/audio"])
    feature_version: str | None = Field(examples=["alignment-1"])
    bookmarked: bool = Field(examples=[True], description="By you")
    best_score: float | None = Field(examples=[87.4], description="Of your recordings, 0..100")
    created_at: datetime = Field(examples=[MOMENT])
    updated_at: datetime = Field(examples=[MOMENT])


class TokenView(LineView):
    """A quote as it stands."""

    actor: ActorRef
    film: str = Field(examples=["Gone with the Wind"])


class ScriptView(LineView):
    """A script as it stands."""

    actor: ActorRef | None
    title: str = Field(examples=["The farewell"])


class ScriptWithWords(ScriptView):
    """A script with where its words lie in the audio; none before that is prepared."""

    words: list[WordView]


class TokenPage(BaseModel):
    """Newest first."""

    items: list[TokenView]
    next: str | None = Field(examples=[None], description="`cursor` of the following page")


class ScriptPage(BaseModel):
    """Newest first."""

    items: list[ScriptView]
    next: str | None = Field(examples=[None], description="`cursor` of the following page")
