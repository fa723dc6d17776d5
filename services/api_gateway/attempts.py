"""How often somebody may try to log in: by network address, and by the name that is typed.

A name is held back whether there is such an account or not, or the wait itself would tell. The wait
grows with each wrong password, so that nobody can be kept out for long by a stranger's guesses; keys
and sessions that are open already are not concerned.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shared.db.account_models import LoginAttempts
from shared.db.models import now
from shared.errors import TooManyRequests
from shared.messages import Sentence
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
    wait_s = buckets.take(f"login:{address}", 1, rate)
    if wait_s > 0:
        raise AddressSlowed(wait_s)


def count(platform: Platform, login: str) -> None:
    """Count an attempt before its password is looked at; raises `LoginLocked`.

    Before, because a hundred guesses at the same moment would otherwise all be looked at.
    """
    try:
        _count(platform, login)
    except IntegrityError:  # two first ones at the same moment: now there is a row to wait for
        _count(platform, login)


def _count(platform: Platform, login: str) -> None:
    settings, moment = platform.settings.accounts, now()
    with platform.sessions.begin() as session:
        row = session.get(LoginAttempts, _digest(login), with_for_update=True)
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


def succeeded(session: Session, login: str) -> None:
    """The password was right: what was counted under this name is forgotten."""
    session.execute(
        delete(LoginAttempts).where(LoginAttempts.login_sha256 == _digest(login)),
    )


def _digest(login: str) -> str:
    return hashlib.sha256(login.encode(errors="replace")).hexdigest()
