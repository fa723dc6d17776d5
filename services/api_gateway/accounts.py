"""Accounts: made, logged in to, changed. Passwords are checked here, and nowhere else."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import structlog
from anyio.to_thread import run_sync
from fastapi import Depends, Request
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.api_gateway import accounts_repository as repository
from services.api_gateway import attempts
from services.api_gateway.account_schemas import NewUser, Registration, normalised_login
from services.api_gateway.errors import (
    EmailTaken,
    NameTaken,
    RegistrationClosed,
    WrongLogin,
    WrongPassword,
)
from shared.admission import sessions
from shared.admission.callers import Caller
from shared.admission.passwords import Passwords, checked
from shared.admission.sessions import Tickets
from shared.db.models import User
from shared.platform import Platform
from shared.settings import Settings
from shared.web.rate import buckets

log = structlog.get_logger()


class Accounts:
    """What the routes call; one a gateway, made where its event loop runs."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.settings = platform.settings.accounts
        self._passwords = Passwords(self.settings)
        self._buckets = buckets(platform.settings.cache)

    async def slow_down(self, address: str) -> None:
        """Raises `AddressSlowed` for an address that tries too often."""
        await run_sync(attempts.slow_down, self._buckets, self.settings, address)

    async def register(self, wish: Registration, language: str) -> User:
        """A new account; of the role `user` unless an admin wishes (`NewUser`) for another.

        Raises `NameTaken`, `EmailTaken` and `Invalid` for a password that anybody would guess.
        """
        password = checked(wish.password, wish.name, wish.email)
        made = User(
            name=wish.name,
            email=wish.email,
            language=language,
            role=wish.role if isinstance(wish, NewUser) else "user",
        )
        await run_sync(self._see_free, made)  # before the work of a hash
        kept = await self._passwords.hash(password)
        await run_sync(self._add, made, kept)
        log.info("gateway.account.made", user_id=made.id, role=made.role)
        return made

    def _see_free(self, made: User) -> None:
        with self.platform.reads() as session:
            see_free(session, made.name, made.email)

    def _add(self, made: User, kept: str) -> None:
        try:
            with self.platform.sessions.begin() as session:
                see_free(session, made.name, made.email)
                session.add(made)
                session.flush()
                repository.set_password(session, made.id, kept)
        except IntegrityError:  # somebody was quicker by a moment
            _taken(made.name)

    async def log_in(self, login: str, password: str, address: str) -> Tickets:
        """Raises `WrongLogin` and `LoginLocked`, alike for accounts that there are and are not."""
        login = normalised_login(login)
        await run_sync(attempts.count, self.platform, login, address)
        user_id, kept = await run_sync(self._password_of, login)
        match = await self._passwords.match(password, kept)
        if not match.right:  # what was typed stays unsaid: it may be a password in the wrong field
            log.warning("gateway.login.refused", address=address)
            raise WrongLogin
        given = (login, address, str(user_id), str(kept), match.renewed)
        return await run_sync(self._welcome, *given)

    def _password_of(self, login: str) -> tuple[str | None, str | None]:
        with self.platform.reads() as session:
            return repository.password_for(session, login)

    def _welcome(
        self, login: str, address: str, user_id: str, kept: str, renewed: str | None
    ) -> Tickets:
        with self.platform.sessions.begin() as session:
            user = session.get(User, user_id)
            if user is None or user.leaving_at is not None:
                raise WrongLogin
            if not repository.is_password(session, user_id, kept):  # changed a moment ago
                raise WrongLogin
            attempts.succeeded(session, login, address)
            if renewed is not None:
                repository.set_password(session, user_id, renewed)
            return sessions.begin(session, self.platform.settings, user)

    async def change_password(self, caller: Caller, current: str | None, new: str) -> None:
        """Set the caller's password; every other session ends, and API keys stay.

        Raises `WrongPassword`, and `LoginLocked`: a stolen session must not be a place to guess at.
        """
        user, kept = await run_sync(self._own, caller.user_id)
        new = checked(new, user.name, user.email or "")
        held = f" {caller.user_id}"  # nothing that can be typed to log in begins with a space
        if kept is not None:
            await run_sync(attempts.count, self.platform, held)
            match = await self._passwords.match(current or "", kept)
            if not match.right:
                raise WrongPassword
        made = await self._passwords.hash(new)

        def store(session: Session) -> None:
            if kept is not None and not repository.is_password(session, user.id, kept):
                raise WrongPassword
            attempts.succeeded(session, held)
            repository.set_password(session, user.id, made)
            sessions.end_all(session, user.id, but=caller.session)

        await run_sync(self._write, store)

    async def set_password(self, user: User, new: str) -> None:
        """What an admin gives somebody who has forgotten theirs; every session of it ends."""
        made = await self._passwords.hash(checked(new, user.name, user.email or ""))

        def store(session: Session) -> None:
            repository.set_password(session, user.id, made)
            sessions.end_all(session, user.id)

        await run_sync(self._write, store)

    def _own(self, user_id: str) -> tuple[User, str | None]:
        with self.platform.reads() as session:
            return session.get_one(User, user_id), repository.kept_password(session, user_id)

    def _write(self, change: Callable[[Session], None]) -> None:
        with self.platform.sessions.begin() as session:
            change(session)


def see_free(session: Session, name: str | None, email: str | None, *, of: str = "") -> None:
    """Raises `NameTaken` or `EmailTaken` if another user than `of` has them."""
    if name is not None and repository.has_name(session, name, but=of):
        _taken(name)
    if email is not None and repository.has_email(session, email, but=of):
        raise EmailTaken


def _taken(name: str) -> NoReturn:
    raise NameTaken(name)


def see_open(settings: Settings, request: Request) -> None:
    """Raises `RegistrationClosed` where who asks cannot make an account.

    `auto` looks at all that tells of strangers: what the gateway listens on and is called, who asks
    (behind a proxy that says so), and under which name, since a page of theirs may have a name that
    leads to this machine (DNS rebinding).
    """
    wish, gateway = settings.accounts.registration, settings.gateway
    hosts = [gateway.host, request.client.host if request.client else "", request.url.hostname]
    if gateway.public_url:
        hosts.append(urlsplit(gateway.public_url).hostname)
    if wish == "closed" or (wish == "auto" and not all(_is_loopback(host) for host in hosts)):
        raise RegistrationClosed


def _is_loopback(host: str | None) -> bool:
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


async def accounts_of(request: Request) -> Accounts:
    """Those of the app."""
    found: Accounts = request.app.state.accounts
    return found


InAccounts = Annotated[Accounts, Depends(accounts_of)]
