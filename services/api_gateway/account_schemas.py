"""What goes in and out of accounts."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.admission.passwords import LONGEST, SHORTEST
from shared.messages import Sentence

NAME = re.compile(r"[^\W_][\w .-]*(?<! )")
LONGEST_NAME = 64
EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f.]+(\.[^@\s\x00-\x1f.]+)*")
USER = "5f0d8f3a-4b5e-4a43-9c5e-0b5c6c5e6f0f"
MOMENT = "2026-03-01T12:00:00Z"
Role = Literal["user", "admin"]
Language = Literal["en", "ko"]


def normalised_name(name: str) -> str:
    """In one of the ways in which the same letters can be written, with single spaces."""
    name = " ".join(unicodedata.normalize("NFKC", name).split())
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name):  # some letters are words, written out
        raise ValueError(Sentence("error.bad_name"))
    return name


def normalised_email(email: str) -> str:
    """In lower case: no mail server of today tells capitals apart."""
    email = unicodedata.normalize("NFKC", email).strip().lower()
    if not EMAIL.fullmatch(email) or len(email) > 254:
        raise ValueError(Sentence("error.bad_email"))
    return email


def normalised_login(login: str) -> str:
    """What somebody types to log in: an e-mail address or a name, as accounts are kept."""
    plain = " ".join(unicodedata.normalize("NFKC", login).split())
    return plain.lower() if "@" in plain else plain


Name = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_NAME, examples=["ann"]),
    AfterValidator(normalised_name),
]
Email = Annotated[
    str,
    Field(min_length=3, max_length=254, examples=["ann@example.org"]),
    AfterValidator(normalised_email),
]


def _secret(shortest: int) -> Any:
    return Field(
        min_length=shortest,
        max_length=LONGEST,
        examples=["seven green herons"],
        json_schema_extra={"format": "password"},
    )


NewSecret = Annotated[str, _secret(SHORTEST)]
KnownSecret = Annotated[str, _secret(1)]
Ticket = Annotated[str, Field(min_length=1, max_length=512, examples=["avr_Yb2...Q9"])]


class Registration(BaseModel):
    """A new account."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    email: Email
    password: NewSecret = Field(repr=False)


class NewUser(Registration):
    """An account that an admin makes for somebody."""

    role: Role = "user"


class LoginForm(BaseModel):
    """The password grant of OAuth 2; other fields of it are not needed here."""

    username: str = Field(
        min_length=1, max_length=254, pattern=r"^[^\x00-\x1f]*$", examples=["ann"]
    )
    password: KnownSecret = Field(repr=False)
    grant_type: Literal["password", ""] | None = Field(default=None, examples=["password"])


class Renewal(BaseModel):
    """A refresh token, good for one use."""

    model_config = ConfigDict(extra="forbid")

    refresh_token: Ticket


class TicketsView(BaseModel):
    """What a client needs until it comes back with `refresh_token`."""

    access_token: str = Field(examples=["eyJhbGciOi...J9.eyJzdWIiOi...Ifs"])
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - no secret
    expires_in: int = Field(examples=[900], description="Seconds that `access_token` is good")
    refresh_token: str = Field(
        examples=["avr_Yb2...Q9"], description="For POST /auth/refresh, once"
    )


class UserView(BaseModel):
    """An account."""

    id: str = Field(examples=[USER])
    name: str = Field(examples=["ann"])
    email: str | None = Field(examples=["ann@example.org"])
    role: Role = Field(examples=["user"])
    language: str = Field(examples=["en"], description="Of news")
    created_at: datetime = Field(examples=[MOMENT])


class MeView(UserView):
    """Who is asking."""

    has_password: bool = Field(examples=[True], description="Else only API keys open this account")
    by: Literal["login", "api_key"] = Field(examples=["login"], description="How this was proved")


class ProfileView(UserView):
    """An account with what it owns."""

    has_password: bool = Field(examples=[True])
    tasks: int = Field(examples=[12])
    uploads: int = Field(examples=[3])
    api_keys: int = Field(examples=[1])
    sessions: int = Field(examples=[2], description="Logins that go on")


class ProfileChange(BaseModel):
    """What is given changes, the rest stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    email: Email | None = None
    language: Language | None = Field(default=None, examples=["ko"])


class PasswordChange(BaseModel):
    """A new password; other sessions end."""

    model_config = ConfigDict(extra="forbid")

    current_password: KnownSecret | None = Field(
        default=None, repr=False, description="Needed unless the account has none yet"
    )
    new_password: NewSecret = Field(repr=False)


class UserPage(BaseModel):
    """Some users, newest first."""

    items: list[UserView]
    next: str | None = Field(examples=[None], description="The `cursor` of the next page")


class UserChange(BaseModel):
    """What an admin may change of an account; a new password ends its sessions."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = Field(default=None, examples=["admin"])
    password: NewSecret | None = Field(default=None, repr=False)


class KeyWish(BaseModel):
    """A new API key."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(
        default="",
        max_length=64,
        pattern=r"^[^\x00-\x1f]*$",
        examples=["laptop"],
        description="What you call it",
    )


class KeyView(BaseModel):
    """An API key, of which only a hash is kept."""

    id: str = Field(examples=["9d2f6c5e-6f0f-4b5e-9a43-0e5f0d8f3a11"])
    label: str = Field(examples=["laptop"])
    prefix: str = Field(examples=["av_Yb2Q9"], description="Its first letters; empty for old ones")
    created_at: datetime = Field(examples=[MOMENT])
    used_at: datetime | None = Field(examples=[MOMENT], description="To the hour")


class NewKeyView(KeyView):
    """The only answer that has the key itself."""

    key: str = Field(examples=["av_Yb2...Q9"])


class KeyList(BaseModel):
    """The keys that were not revoked, newest first."""

    items: list[KeyView]


class AccountDeletion(BaseModel):
    """What goes with an account."""

    user_id: str = Field(examples=[USER])
    dry_run: bool = Field(examples=[False], description="Whether it was only asked")
    tasks: int = Field(examples=[12])
    at_work: int = Field(examples=[1], description="Of those, to be cancelled first")
    files: int = Field(examples=[412])
    bytes: int = Field(examples=[184320511])
    rows: dict[str, int] = Field(examples=[{"api_keys": 1, "bookmarks": 4}], description="By table")
    refused: str | None = Field(
        default=None, examples=[None], description="Why it cannot be deleted now (`dry_run`)"
    )
