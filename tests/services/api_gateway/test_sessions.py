"""Sessions: what a token opens, for how long, and what ends it."""

from __future__ import annotations

import base64
import itertools
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from sqlalchemy import select, update

from shared.admission import access_tokens
from shared.db.account_models import RefreshToken
from shared.db.models import now
from shared.flow import leaving
from shared.redaction import without_secrets
from shared.web import rate
from tests.services.api_gateway.people import (
    QUICK,
    SURE_FOR_S,
    Person,
    log_in,
    person,
    renew,
    until,
)
from tests.shared.web.door import Door

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data"), accounts=QUICK) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _soon_unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "SURE_FOR_S", SURE_FOR_S)


@pytest.fixture
def somebody(door: Door) -> Person:
    return person(door, f"somebody{next(NUMBERS)}")


def opens(somebody: Person, token: str | None = None) -> int:
    headers = {"Authorization": f"Bearer {token or somebody.access}"}
    return somebody.http.get("/tasks/", headers=headers).status_code


# --- access tokens --------------------------------------------------------------------------------


def test_a_login_opens_what_a_key_opens(door: Door, somebody: Person) -> None:
    task_id = door.submit(somebody.name)
    assert somebody.get(f"/tasks/{task_id}").json()["user_id"] == somebody.id
    assert somebody.get(f"/tasks/{door.submit('ann')}").status_code == 404


def claims(somebody: Person) -> dict[str, Any]:
    return jwt.decode(somebody.access, options={"verify_signature": False})


def test_a_token_says_little_and_lives_briefly(door: Door, somebody: Person) -> None:
    told = claims(somebody)
    assert set(told) == {"sub", "sid", "aud", "iat", "exp"}
    assert told["exp"] - told["iat"] == door.platform.settings.accounts.access_token_s == 900


def forged(door: Door, somebody: Person) -> Iterator[tuple[str, str]]:
    secret = (door.platform.settings.data_dir / access_tokens.SECRET_FILE).read_text().strip()
    told = claims(somebody)
    head, body, signature = somebody.access.split(".")
    other = json.dumps(told | {"sub": door.user_id("admin")}).encode()
    swapped = base64.urlsafe_b64encode(other).decode().rstrip("=")
    yield "another subject", f"{head}.{swapped}.{signature}"
    yield "no signature", f"{head}.{body}."
    yield "no algorithm", jwt.encode(told, None, "none")
    yield "another algorithm", jwt.encode(told, secret, "HS512")
    yield "another secret", jwt.encode(told, "x" * 48, "HS256")
    yield "another audience", jwt.encode(told | {"aud": "else"}, secret, "HS256")
    yield "expired", jwt.encode(told | {"exp": int(time.time()) - 1}, secret, "HS256")
    yield "not yet issued", jwt.encode(told | {"iat": int(time.time()) + 900}, secret, "HS256")
    yield "nobody", jwt.encode(told | {"sub": "nobody"}, secret, "HS256")
    yield "no such session", jwt.encode(told | {"sid": "none"}, secret, "HS256")
    for name in access_tokens.NEEDED:
        short = {key: value for key, value in told.items() if key != name}
        yield f"without {name}", jwt.encode(short, secret, "HS256")
    yield "dots", "a.b.c"
    yield "other letters", "é.ü.ß"


def test_what_we_did_not_sign_opens_nothing(door: Door, somebody: Person) -> None:
    for why, token in forged(door, somebody):
        headers = {"Authorization": f"Bearer {token}".encode()}
        answer = somebody.http.get("/tasks/", headers=headers)
        assert answer.status_code == 401, why
        assert ("expired" in answer.json()["detail"]) == (why == "expired")
    assert opens(somebody) == 200


def test_a_token_of_one_user_does_not_fit_the_session_of_another(
    door: Door, somebody: Person
) -> None:
    """Who could sign could do anything; but a mistake of ours should not be enough."""
    other = person(door, f"other{next(NUMBERS)}")
    settings = door.platform.settings
    mixed = access_tokens.Claims(somebody.id, claims(other)["sid"])
    assert opens(somebody, access_tokens.sign(settings, mixed)) == 401


def test_tokens_are_not_told_to_a_log(somebody: Person) -> None:
    told = without_secrets(f"{somebody.access} and {somebody.refresh}!")
    assert told == "eyJ*** and avr_***!"


# --- refresh tokens -------------------------------------------------------------------------------


def test_each_refresh_token_is_good_for_one_use(somebody: Person) -> None:
    first = renew(somebody.http, somebody.refresh)
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-store")
    second = renew(somebody.http, first.json()["refresh_token"])
    assert second.status_code == 200
    assert opens(somebody, second.json()["access_token"]) == 200


def test_one_that_comes_twice_ends_its_session(somebody: Person) -> None:
    untouched = log_in(somebody.http, somebody.name).json()
    following = renew(somebody.http, somebody.refresh).json()
    assert opens(somebody, following["access_token"]) == 200
    refused = renew(somebody.http, somebody.refresh)
    assert (refused.status_code, refused.json()["code"]) == (401, "SessionEnded")
    assert renew(somebody.http, following["refresh_token"]).status_code == 401
    until(lambda: opens(somebody, following["access_token"]) == 401)
    assert opens(somebody, untouched["access_token"]) == 200, "another login is another session"
    assert renew(somebody.http, untouched["refresh_token"]).status_code == 200


@pytest.mark.parametrize("token", ["avr_unknown", "x", "avr_\x00", "é" * 100])
def test_an_unknown_one_brings_nothing(somebody: Person, token: str) -> None:
    assert renew(somebody.http, token).status_code == 401
    gone = somebody.http.post("/auth/logout", json={"refresh_token": token})
    assert gone.status_code == 204


def test_one_that_has_expired_brings_nothing_and_is_forgotten(door: Door, somebody: Person) -> None:
    past = now() - timedelta(seconds=1)
    mine = RefreshToken.user_id == somebody.id
    with door.platform.sessions.begin() as session:
        session.execute(update(RefreshToken).where(mine).values(expires_at=past))
    assert renew(somebody.http, somebody.refresh).status_code == 401
    leaving.forget_old(door.platform)
    with door.platform.reads() as session:
        assert session.scalars(select(RefreshToken).where(mine)).all() == []
    assert renew(somebody.http, somebody.refresh).status_code == 401


# --- logging out ----------------------------------------------------------------------------------


def test_who_logs_out_is_out(somebody: Person) -> None:
    """By a refresh token of before, too."""
    following = renew(somebody.http, somebody.refresh).json()
    out = somebody.http.post("/auth/logout", json={"refresh_token": somebody.refresh})
    assert out.status_code == 204
    assert renew(somebody.http, following["refresh_token"]).status_code == 401
    until(lambda: opens(somebody, following["access_token"]) == 401)


def test_who_logs_out_everywhere_keeps_keys(somebody: Person) -> None:
    key = somebody.ask("POST", "/auth/keys", json={}).json()["key"]
    other = log_in(somebody.http, somebody.name).json()
    assert somebody.ask("POST", "/auth/logout-all").status_code == 204
    assert renew(somebody.http, other["refresh_token"]).status_code == 401
    until(lambda: {opens(somebody), opens(somebody, other["access_token"])} == {401})
    assert opens(somebody, key) == 200


# --- several gateways -----------------------------------------------------------------------------


def test_gateways_with_one_secret_know_each_others_logins(tmp_path: Path) -> None:
    database = {"database": f"sqlite:///{tmp_path / 'both.db'}"}
    one = QUICK | {"token_secret": "one secret for all of the gateways"}
    with (
        Door.opened(tmp_path / "a", accounts=one, **database) as here,
        Door.opened(tmp_path / "b", accounts=one, **database) as there,
        Door.opened(tmp_path / "c", accounts=QUICK, **database) as elsewhere,
    ):
        ann = person(here, "ann")
        statuses = [
            httpx.get(f"{door.url}/tasks/", headers=ann.bearer, timeout=30).status_code
            for door in (here, there, elsewhere)
        ]
    assert statuses == [200, 200, 401]
    assert not (tmp_path / "a" / access_tokens.SECRET_FILE).exists()
