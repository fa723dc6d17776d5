"""The base of all domain events, and the catalogue that finds a class by its name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import Invalid

CATALOGUE: dict[str, type[DomainEvent]] = {}


class DomainEvent(BaseModel):
    """Something that happened to a task, or that somebody asks for.

    Frozen and closed: an unknown field is an error, so that a newer event never half-passes. Events
    grow by optional fields; a breaking change is a new name that ends in ``_V2``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]

    event_id: str = Field(default_factory=lambda: uuid4().hex)
    task_id: str
    user_id: str
    occurred_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    schema_version: int = 1
    traceparent: str | None = None

    def __init_subclass__(cls, *, name: str, **kwargs: Any) -> None:
        """Register the class under `name`; a name is declared once in the whole program."""
        super().__init_subclass__(**kwargs)
        if name in CATALOGUE:
            raise TypeError(f"{name} is declared twice: {CATALOGUE[name].__name__}, {cls.__name__}")
        cls.name = name
        CATALOGUE[name] = cls

    @classmethod
    def payload_fields(cls) -> set[str]:
        """The fields of this event beyond the envelope."""
        return set(cls.model_fields) - set(DomainEvent.model_fields)

    @classmethod
    def required_fields(cls) -> set[str]:
        """The payload fields without a default."""
        return {n for n in cls.payload_fields() if cls.model_fields[n].is_required()}

    def payload(self) -> dict[str, Any]:
        """The payload as plain JSON values."""
        return self.model_dump(mode="json", include=self.payload_fields())

    @classmethod
    def drawn_from(cls, context: dict[str, Any], *, task_id: str, user_id: str) -> DomainEvent:
        """An event whose payload is taken by name from what the task knows so far."""
        fields = {n: context[n] for n in cls.payload_fields() if n in context}
        return cls(task_id=task_id, user_id=user_id, **fields)


def parse(name: str, body: dict[str, Any]) -> DomainEvent:
    """The event `name` from its JSON body; `Invalid` when the name or a field is unknown."""
    if name not in CATALOGUE:
        raise Invalid(
            f"Event {name!r} is unknown to this version of Actverse; upgrade the service."
        )
    try:
        return CATALOGUE[name].model_validate(body)
    except ValueError as error:
        raise Invalid(f"Event {name} does not fit its schema: {error}") from error
