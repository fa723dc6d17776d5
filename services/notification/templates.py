"""What a person is told about each kind of news, from the one table of messages."""

from __future__ import annotations

from services.notification.engines.port import Mood, Notice
from shared.messages import DEFAULT, say, step_title

MAX_TITLE = 150  # characters; mail clients cut earlier
MAX_BODY = 3000  # characters; Slack cuts a block there

MOODS: dict[str, Mood] = {
    "task_submitted": Mood.INFO,
    "step_started": Mood.INFO,
    "step_completed": Mood.INFO,
    "step_failed": Mood.FAILURE,
    "labels_wanted": Mood.WARNING,  # somebody has to act
    "labels_completed": Mood.INFO,
    "training_completed": Mood.SUCCESS,
    "model_deployed": Mood.SUCCESS,
    "task_completed": Mood.SUCCESS,
    "task_failed": Mood.FAILURE,
    "task_cancelled": Mood.WARNING,
}
"""Every kind of news, and how it is coloured where the receiver has colours."""


def render(
    kind: str, language: str = DEFAULT, *, link: str | None = None, **fields: object
) -> Notice:
    """The message for one kind of news (a key of `MOODS`), with a `link` to the task below.

    Every kind needs `task_id`; the others as `shared.messages` names them in braces. `step` is the
    step's name in the map; numbers between 0 and 1 (mAP) are written with three decimals; a value
    that is not known is given as None and written as a dash.
    """
    mood = MOODS[kind]
    shown = {name: _shown(value) for name, value in fields.items()}
    if "step" in shown:
        shown["step"] = step_title(shown["step"], language)
    title = " ".join(say(f"notice.{kind}.title", language, **shown).split())
    body = say(f"notice.{kind}.body", language, **shown)
    below = "\n" + say("news.link", language, link=link) if link else ""
    return Notice(_cut(title, MAX_TITLE), _cut(body, MAX_BODY - len(below)) + below, mood)


def trial(language: str = DEFAULT, link: str | None = None) -> Notice:
    """What a user gets who asks whether an address works."""
    body = say("news.trial.body", language)
    below = "\n" + say("news.link", language, link=link) if link else ""
    return Notice(say("news.trial.title", language), body + below)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
