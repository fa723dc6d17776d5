"""Who may have an account, and how long a login lasts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator

DAY_S = 24 * 3600


class AccountSettings(BaseModel):
    """Accounts with passwords, beside API keys."""

    registration: Literal["auto", "open", "closed"] = "auto"
    """Who may make an account: `open` everybody, `closed` only admins for others; `auto` is open
    to people of this machine, where the gateway listens on loopback and has no public URL."""
    token_secret: Annotated[SecretStr, Field(min_length=32)] | None = None
    """Signs access tokens; None or empty = made once in the data folder (mode 600). Gateways that do not
    share a data folder must be given the same one."""
    access_token_s: Annotated[int, Field(ge=30, le=3600)] = 900
    """How long an access token is good, seconds; short, since a refresh token brings the next."""
    refresh_token_s: Annotated[int, Field(ge=60, le=365 * DAY_S)] = 30 * DAY_S
    """How long somebody stays logged in without coming by, seconds."""
    hash_memory_mib: Annotated[int, Field(ge=8, le=1024)] = 64
    """Memory that one check of a password takes (Argon2id), MiB; more makes stolen hashes harder to
    guess from."""
    hashes_at_once: Annotated[int, Field(ge=1, le=64)] = 2
    """Passwords that one gateway checks at the same time; each takes a core and that memory."""
    attempts_per_minute: Annotated[int, Field(ge=1)] = 60
    """Logins, registrations and refreshes that one network address may try in a minute."""
    attempts_before_lock: Annotated[int, Field(ge=1)] = 5
    """Wrong passwords in a row for one name after which each further one costs a growing wait."""
    longest_lock_s: Annotated[int, Field(ge=1, le=DAY_S)] = 900
    """Where that wait stops growing, seconds."""

    @field_validator("token_secret", mode="before")
    @classmethod
    def _empty_is_none(cls, given: object) -> object:
        return None if given == "" else given
