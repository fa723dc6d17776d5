"""How often somebody may try to log in: by network address, and by the name that is typed.

A name is held back whether there is such an account or not, or the wait itself would tell. The wait
grows with each wrong password. Strangers who guess on purpose could so keep somebody out for as long as
they like: an address from which a name has logged in before is therefore counted by itself, and does not
wait for what others try elsewhere. Keys and sessions that are open already are not concerned.
"""

from __future__ import annotations

import contextlib
import hashlib
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shared.db.account_models import LoginAttempts
from shared.db.models import now
from shared.errors import TooManyRequests
from shared.messages import Sentence
from shared.net.address import neighbourhood
from shared.platform import Platform
from shared.setting_groups.accounts import AccountSettings
from shared.web.rate import Buckets, Rate

FORGOTTEN_AFTER = timedelta(days=1)


class LoginLocked(TooManyRequests):
    """Too many wrong passwords for one name."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(Sentence("error.login_locked", wait_s=wait_s), retry_after_s=wait_s)


class AddressSlowed(TooManyRequests):
    """Too many attempts from one address."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(Sentence("error.address_slowed", wait_s=wait_s), retry_after_s=wait_s)


def slow_down(buckets: Buckets, settings: AccountSettings, address: str) -> None:
    """Count an attempt from `address`; raises `AddressSlowed` when it has to wait."""
    rate = Rate(settings.attempts_per_minute, settings.attempts_per_minute)
    wait_s = buckets.take(f"login:{neighbourhood(address)}", 1, rate)
    if wait_s > 0:
        raise AddressSlowed(wait_s)


def count(platform: Platform, login: str, address: str | None = None) -> None:
    """Count an attempt before its password is looked at; raises `LoginLocked`.

    Before, because a hundred guesses at the same moment would otherwise all be looked at.
    """
    try:
        _count(platform, login, address)
    except IntegrityError:  # two first ones at the same moment: now there is a row to wait for
        _count(platform, login, address)


def _count(platform: Platform, login: str, address: str | None) -> None:
    settings, moment = platform.settings.accounts, now()
    with platform.sessions.begin() as session:
        row = _familiar(session, login, address) or _row(session, _digest(login))
        if row is None:
            row = LoginAttempts(login_sha256=_digest(login), count=0)
            session.add(row)
        elif row.locked_until is not None and row.locked_until > moment:
            raise LoginLocked((row.locked_until - moment).total_seconds())
        elif row.last_at < moment - FORGOTTEN_AFTER:
            row.count = 0
        row.count += 1
        row.last_at = moment
        row.locked_until = _locked_until(row.count, settings, moment)


def _locked_until(count: int, settings: AccountSettings, moment: datetime) -> datetime | None:
    """From the n-th attempt in a row on: 1 s, 2 s, 4 s ... after each."""
    over = count - settings.attempts_before_lock
    if over < 0:
        return None
    return moment + timedelta(seconds=min(2.0 ** min(over, 30), settings.longest_lock_s))


def succeeded(session: Session, login: str, address: str | None = None) -> None:
    """The password was right: what was counted is forgotten, and `address` is a familiar one."""
    familiar = _familiar(session, login, address)
    if familiar is not None:  # what strangers have tried elsewhere stays counted
        familiar.count, familiar.locked_until, familiar.last_at = 0, None, now()
        return
    session.execute(delete(LoginAttempts).where(LoginAttempts.login_sha256 == _digest(login)))
    if address is not None:
        with contextlib.suppress(IntegrityError), session.begin_nested():  # or another has just
            session.add(LoginAttempts(login_sha256=_place(login, address), count=0))


def _familiar(session: Session, login: str, address: str | None) -> LoginAttempts | None:
    return _row(session, _place(login, address)) if address is not None else None


def _row(session: Session, digest: str) -> LoginAttempts | None:
    return session.get(LoginAttempts, digest, with_for_update=True)


def _place(login: str, address: str) -> str:
    return _digest(f"{login}\n{neighbourhood(address)}")  # no login has a line break


def _digest(login: str) -> str:
    return hashlib.sha256(login.encode(errors="replace")).hexdigest()
