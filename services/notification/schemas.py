"""What goes in and out about news and webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.messages import Sentence
from shared.pipelines import atlas

MOMENT = "2026-03-01T12:00:00Z"
WEBHOOK = "5f1c2d3e-6f0f-4b5e-9a43-0e5f0d8f3a11"
TASK = "0b5c6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"
EVENT = "b0c1f1f3a1f24d8a8f5f3c6a2a0d9b7e"
HOOK_URL = "https://lab.example/hooks/actverse"
MOST_ADDRESSES = 10
ALL = "all"


def known_steps() -> set[str]:
    """Every step of every pipeline."""
    return {step.name for pipeline in atlas.PIPELINES.values() for step in pipeline.steps}


def known_events() -> set[str]:
    """Every event that a webhook may be called about."""
    return {event.name for event in atlas.facts()}


def _step(name: str) -> str:
    if name != ALL and name not in known_steps():
        known = ", ".join([ALL, *sorted(known_steps())])
        raise ValueError(Sentence("value.no_step", name=name, known=known))
    return name


def _event(name: str) -> str:
    if name not in known_events():
        known = ", ".join(sorted(known_events()))
        raise ValueError(Sentence("value.no_event", name=name, known=known))
    return name


StepName = Annotated[str, AfterValidator(_step)]
EventName = Annotated[str, AfterValidator(_event)]
AddressUrl = Annotated[str, Field(min_length=1, max_length=2048)]
Language = Literal["en", "ko"]


class AddressWish(BaseModel):
    """An address: a new one by its `url`, or one that is there already by its `id`."""

    model_config = ConfigDict(extra="forbid")

    url: AddressUrl | None = Field(
        default=None,
        examples=["mailtos://user:password@smtp.example?to=ann@lab.example"],
        description="An Apprise URL: mailto(s)://, slack://, json(s):// ...",
    )
    id: str | None = Field(default=None, examples=["9f86d081884c7d659a2feaa0c55ad015"])
    steps: list[StepName] | None = Field(
        default=None,
        max_length=50,
        examples=[["model_training", "inference"]],
        description="Steps whose outcome is told there, or `all`; the common `steps` when not given",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.url is None) == (self.id is None):
            raise ValueError(Sentence("value.url_or_id"))
        return self


class NotificationWish(BaseModel):
    """Who hears what; replaces what was there."""

    model_config = ConfigDict(extra="forbid")

    urls: list[AddressWish | AddressUrl] = Field(
        max_length=MOST_ADDRESSES,
        examples=[["slack://tokenA/tokenB/tokenC/#lab", {"url": "mailto://ann@lab.example"}]],
        description="Apprise URLs, alone or with steps of their own; none = the operator's",
    )
    steps: list[StepName] = Field(
        default_factory=list,
        max_length=50,
        examples=[["model_training"]],
        description="Steps whose outcome is told too, or `all`; frames that wait for labels and "
        "the end of a task are always told",
    )
    language: Language = Field(default="en", examples=["ko"])

    def addresses(self) -> list[AddressWish]:
        """Every address with the steps that are told there."""
        wishes = [AddressWish(url=u) if isinstance(u, str) else u for u in self.urls]
        return [
            w if w.steps is not None else w.model_copy(update={"steps": self.steps}) for w in wishes
        ]


class AddressView(BaseModel):
    """An address without its secrets."""

    id: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])
    url: str = Field(examples=["mailtos://smtp.example"], description="Kind and host only")
    steps: list[str] = Field(examples=[["model_training"]])


class NotificationView(BaseModel):
    """A user's settings of news."""

    urls: list[AddressView]
    language: Language


class TrialView(BaseModel):
    """What came of a test message to one address."""

    id: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])
    url: str = Field(examples=["mailtos://smtp.example"])
    delivered: bool = Field(examples=[True])
    error: str | None = Field(
        examples=["The message to mailtos://smtp.example was not delivered: no answer."]
    )


class NewWebhook(BaseModel):
    """An address that is called about events of your tasks."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(min_length=1, max_length=2048, examples=[HOOK_URL])
    events: list[EventName] = Field(
        default_factory=list,
        max_length=100,
        examples=[["EVENT_TASK_COMPLETED", "EVENT_TASK_FAILED"]],
        description="Names of events; none = all",
    )


class WebhookView(BaseModel):
    """A webhook."""

    id: str = Field(examples=[WEBHOOK])
    url: str = Field(examples=[HOOK_URL], description="Without what follows a question mark")
    events: list[str] = Field(examples=[["EVENT_TASK_COMPLETED"]], description="None = all")
    created_at: datetime = Field(examples=[MOMENT])
    disabled_at: datetime | None = Field(
        examples=[None], description="When its receiver answered 410 Gone"
    )


class WebhookMade(WebhookView):
    """A new webhook; the secret is shown this once."""

    secret: str = Field(
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        description="Signs every call (Standard Webhooks)",
    )


class WebhookList(BaseModel):
    """Your webhooks, oldest first."""

    items: list[WebhookView]


class DeliveryView(BaseModel):
    """One event for one webhook."""

    id: int = Field(examples=[17])
    event: str = Field(examples=["EVENT_TASK_COMPLETED"])
    event_id: str = Field(examples=[EVENT], description="The header `webhook-id`, on every try")
    task_id: str = Field(examples=[TASK])
    state: Literal["PENDING", "DELIVERED", "FAILED"]
    tries: int = Field(examples=[1])
    status: int | None = Field(examples=[200], description="HTTP status of the last answer")
    error: str | None = Field(examples=[None], description="Why the last try failed")
    created_at: datetime = Field(examples=[MOMENT])
    next_try_at: datetime | None = Field(examples=[None])
    delivered_at: datetime | None = Field(examples=[MOMENT])


class DeliveryPage(BaseModel):
    """Newest first; the last 30 days."""

    items: list[DeliveryView]
    next: str | None = Field(
        examples=["17"], description="Goes into `cursor` for the page after this one"
    )
