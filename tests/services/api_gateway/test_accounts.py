"""Accounts: made, logged in to, changed, looked after by admins."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from shared.db.account_models import Password, RefreshToken
from shared.db.models import ApiKey, User
from shared.net.secret_file import OWNER_ONLY
from shared.web import rate
from tests.services.api_gateway.people import (
    PASSWORD,
    QUICK,
    SURE_FOR_S,
    Person,
    log_in,
    person,
    registered,
    until,
)
from tests.shared.web.door import Door

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data"), accounts=QUICK) as opened:
        yield opened


@pytest.fixture(scope="module")
def http(door: Door) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=door.url, timeout=30) as client:
        yield client


@pytest.fixture(autouse=True)
def _soon_unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "SURE_FOR_S", SURE_FOR_S)


@pytest.fixture
def somebody(door: Door) -> Person:
    return person(door, f"somebody{next(NUMBERS)}")


# --- registration ---------------------------------------------------------------------------------


def test_who_registers_can_log_in_by_name_and_by_address(http: httpx.Client) -> None:
    made = registered(http, "Mia", email="  Mia.Lind@Example.ORG")
    assert made.status_code == 201
    assert made.json() | {"role": "user", "email": "mia.lind@example.org"} == made.json()
    assert PASSWORD not in made.text
    for login in ("Mia", "mia.lind@example.org", "MIA.LIND@EXAMPLE.ORG "):
        answer = log_in(http, login)
        assert answer.status_code == 200, login
        assert answer.headers["cache-control"] == "no-store"
        token = answer.json()["access_token"]
        me = http.get("/auth/me", headers={"Authorization": f"Bearer {token}"}).json()
        assert (me["name"], me["by"], me["has_password"]) == ("Mia", "login", True)


def test_names_are_one_however_they_are_written(http: httpx.Client) -> None:
    decomposed = unicodedata.normalize("NFD", "Zoë 김민준")
    made = registered(http, f" {decomposed}  x ", email="zoe@example.org")
    assert made.json()["name"] == "Zoë 김민준 x"
    assert log_in(http, decomposed + " x").status_code == 200
    again = registered(http, "zoë 김민준 X", email="other@example.org")
    assert (again.status_code, again.json()["code"]) == (409, "NameTaken")
    again = registered(http, "Zoe", email="ZOE@example.org")
    assert (again.status_code, again.json()["code"]) == (409, "EmailTaken")


def test_nobody_takes_over_an_account_that_only_keys_open(door: Door, http: httpx.Client) -> None:
    door.key_of("keyholder")
    assert registered(http, "keyholder").status_code == 409
    assert registered(http, "admin").status_code == 409


@pytest.mark.parametrize(
    "wish",
    [
        {"name": ""},
        {"name": "_ann"},
        {"name": "ann@example.org"},
        {"name": "a\x00b"},
        {"name": "a" * 65},
        {
            "name": "a" + "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 8
        },  # 145 letters, written out
        {"email": "nobody"},
        {"email": "a@b@c"},
        {"email": "a b@example.org"},
        {"email": "a@example..org"},
        {"email": f"{'a' * 60}@{'b' * 200}.org"},
        {"password": "too short"},
        {"password": "x" * 257},
        {"password": "aaaaaaaaaaaa"},
        {"name": "abcdefghijk", "password": "ABCDEFGHIJK"},
        {"email": "abcdefghijk@example.org", "password": "abcdefghijk"},
        {"role": "admin"},
    ],
)
def test_what_makes_no_account(http: httpx.Client, wish: dict[str, str]) -> None:
    whole = {"name": "fine", "email": "fine@example.org", "password": PASSWORD} | wish
    answer = http.post("/auth/register", json=whole, headers={"Accept-Language": "ko"})
    assert answer.status_code == 422
    assert answer.headers["content-language"] == "ko"
    assert whole["password"] not in answer.text


def test_the_database_has_only_hashes(door: Door, http: httpx.Client, somebody: Person) -> None:
    with door.platform.reads() as session:
        kept = session.get_one(Password, somebody.id).hash
        digests = session.scalars(select(RefreshToken.sha256)).all()
    assert kept.startswith("$argon2id$v=19$m=8192,t=3,p=1$")
    assert somebody.refresh not in digests
    for path in Path(door.platform.settings.data_dir).glob("actverse.db*"):
        content = path.read_bytes()
        assert PASSWORD.encode() not in content
        assert somebody.refresh.encode() not in content
    secret = door.platform.settings.data_dir / "access_token_secret"
    assert secret.stat().st_mode & 0o777 == OWNER_ONLY


def test_registration_is_closed_where_strangers_could_come_by(tmp_path: Path) -> None:
    with (
        Door.opened(tmp_path, accounts=QUICK, gateway={"host": "0.0.0.0"}) as door,
        door.client() as admin,
        door.client("ann") as ann,
        httpx.Client(base_url=door.url, timeout=30) as stranger,
    ):
        refused = registered(stranger, "stranger")
        assert (refused.status_code, refused.json()["code"]) == (403, "RegistrationClosed")
        wish = {"name": "guest", "email": "guest@example.org", "password": PASSWORD}
        assert ann.post("/auth/users", json=wish).status_code == 403
        made = admin.post("/auth/users", json=wish | {"role": "admin"})
        assert (made.status_code, made.json()["role"]) == (201, "admin")
        assert log_in(stranger, "guest").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:8080"}, 201),
        ({"Host": "rebound.example"}, 403),
        ({"X-Forwarded-For": "203.0.113.9"}, 403),
        ({"X-Forwarded-For": "not an address"}, 403),
    ],
)
def test_a_gateway_of_this_machine_knows_who_comes_from_elsewhere(
    door: Door, headers: dict[str, str], status: int
) -> None:
    with httpx.Client(base_url=door.url, headers=headers, timeout=30) as http:
        assert registered(http, f"neighbour{next(NUMBERS)}").status_code == status


def test_a_public_url_means_strangers(tmp_path: Path) -> None:
    with (
        Door.opened(tmp_path, accounts=QUICK, gateway={"public_url": "https://a.example"}) as door,
        httpx.Client(base_url=door.url, timeout=30) as http,
    ):
        assert registered(http, "ann").status_code == 403


def test_registration_may_be_opened_and_closed_by_hand(tmp_path: Path) -> None:
    for wish, host, status in (("open", "0.0.0.0", 201), ("closed", "127.0.0.1", 403)):
        given = {"accounts": QUICK | {"registration": wish}, "gateway": {"host": host}}
        with (
            Door.opened(tmp_path / wish, **given) as door,
            httpx.Client(base_url=door.url, timeout=30) as http,
        ):
            assert registered(http, "ann").status_code == status


# --- logging in -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"username": "nobody", "password": PASSWORD}, 401),
        ({"username": "nobody", "password": "\x00\x00"}, 401),
        ({"username": "nobody\x00", "password": PASSWORD}, 422),
        ({"username": "nobody", "password": PASSWORD, "grant_type": "password"}, 401),
        ({"username": "nobody", "password": PASSWORD, "grant_type": "implicit"}, 422),
        ({"username": "nobody"}, 422),
        ({"username": "nobody", "password": "x" * 1000}, 422),
    ],
)
def test_a_form_that_opens_nothing(http: httpx.Client, form: dict[str, str], status: int) -> None:
    answer = http.post("/auth/login", data=form)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_stranger_sends_no_large_form(http: httpx.Client) -> None:
    """Uploads may be large, but a stranger has nothing to upload."""
    parts = {"username": (None, "x" * 2 * 1024**2), "password": (None, "y")}
    answer = http.post("/auth/login", files=parts)
    assert answer.status_code == 413


def test_a_hash_of_other_settings_is_made_anew(tmp_path: Path) -> None:
    with Door.opened(tmp_path, accounts=QUICK) as door:
        ann = person(door, "ann")
    with Door.opened(tmp_path, accounts=QUICK | {"hash_memory_mib": 9}) as door:
        with httpx.Client(base_url=door.url, timeout=30) as http:
            assert log_in(http, "ann").status_code == 200
        with door.platform.reads() as session:
            assert "m=9216," in session.get_one(Password, ann.id).hash


# --- passwords ------------------------------------------------------------------------------------


def test_a_new_password_ends_every_other_session(http: httpx.Client, somebody: Person) -> None:
    other = log_in(http, somebody.name).json()
    wish = {"current_password": PASSWORD, "new_password": "eight blue storks"}
    wrong = somebody.ask("PUT", "/auth/password", json=wish | {"current_password": "no"})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "WrongPassword")
    missing = somebody.ask("PUT", "/auth/password", json={"new_password": "eight blue storks"})
    assert missing.status_code == 403
    weak = somebody.ask("PUT", "/auth/password", json=wish | {"new_password": "x" * 12})
    assert weak.status_code == 422
    assert somebody.ask("PUT", "/auth/password", json=wish).status_code == 204
    assert log_in(http, somebody.name).status_code == 401
    assert log_in(http, somebody.name, "eight blue storks").status_code == 200
    renewed = http.post("/auth/refresh", json={"refresh_token": other["refresh_token"]})
    assert renewed.status_code == 401
    renewed = http.post("/auth/refresh", json={"refresh_token": somebody.refresh})
    assert renewed.status_code == 200


def test_an_account_of_keys_alone_gets_its_first_password(door: Door, http: httpx.Client) -> None:
    with door.client("old hand") as hand:
        assert hand.get("/auth/me").json()["has_password"] is False
        assert hand.put("/auth/password", json={"new_password": PASSWORD}).status_code == 204
        me = hand.get("/auth/me").json()
        assert (me["has_password"], me["by"]) == (True, "api_key")
    assert log_in(http, "old hand").status_code == 200


# --- API keys -------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_can_be_taken_back(
    door: Door, http: httpx.Client, somebody: Person
) -> None:
    made = somebody.ask("POST", "/auth/keys", json={"label": "노트북"})
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    key = made.json()["key"]
    assert key.startswith(made.json()["prefix"])
    (listed,) = somebody.get("/auth/keys").json()["items"]
    assert listed | {"label": "노트북", "used_at": None} == listed
    assert key not in somebody.get("/auth/keys").text
    assert http.get("/auth/me", headers={"X-API-Key": key}).json()["id"] == somebody.id
    assert somebody.get("/auth/keys").json()["items"][0]["used_at"] is not None
    stranger = person(door, f"stranger{next(NUMBERS)}")
    assert stranger.ask("DELETE", f"/auth/keys/{listed['id']}").status_code == 404
    assert somebody.ask("DELETE", f"/auth/keys/{listed['id']}").status_code == 204
    assert somebody.ask("DELETE", f"/auth/keys/{listed['id']}").status_code == 404
    assert somebody.get("/auth/keys").json()["items"] == []


def test_nobody_has_keys_without_number(door: Door, somebody: Person) -> None:
    with door.platform.sessions.begin() as session:
        session.add_all(ApiKey(user_id=somebody.id, sha256=f"{somebody.id} {n}") for n in range(50))
    refused = somebody.ask("POST", "/auth/keys", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "ManyKeys")


# --- profile --------------------------------------------------------------------------------------


def test_a_profile_changes_what_is_given(door: Door, somebody: Person) -> None:
    door.submit(somebody.name)
    profile = somebody.get("/mypage").json()
    assert profile | {"tasks": 1, "uploads": 0, "api_keys": 0, "sessions": 1} == profile
    change = {"name": f"{somebody.name} Lind", "language": "ko"}
    changed = somebody.ask("PATCH", "/mypage", json=change).json()
    assert changed == profile | change
    taken = somebody.ask("PATCH", "/mypage", json={"name": "ADMIN"})
    assert (taken.status_code, taken.json()["code"]) == (409, "NameTaken")
    own = somebody.ask("PATCH", "/mypage", json={"name": change["name"].upper()})
    assert own.status_code == 200, "to write one's own name otherwise takes it from nobody"
    assert somebody.ask("PATCH", "/mypage", json={"role": "admin"}).status_code == 422
    assert somebody.ask("PATCH", "/mypage", json={}).status_code == 200


# --- admins ---------------------------------------------------------------------------------------


def test_only_admins_see_and_change_users(admin: httpx.Client, somebody: Person) -> None:
    path = f"/auth/users/{somebody.id}"
    assert somebody.get("/auth/users").status_code == 403
    assert somebody.ask("PATCH", path, json={"role": "admin"}).status_code == 403
    assert somebody.ask("DELETE", path).status_code == 403
    assert admin.patch(path, json={"role": "admin"}).json()["role"] == "admin"
    assert admin.patch("/auth/users/nobody", json={"role": "user"}).status_code == 404


def test_a_role_counts_within_seconds(admin: httpx.Client, somebody: Person) -> None:
    path = f"/auth/users/{somebody.id}"
    admin.patch(path, json={"role": "admin"})
    until(lambda: somebody.get("/auth/users").status_code == 200)
    admin.patch(path, json={"role": "user"})
    until(lambda: somebody.get("/auth/users").status_code == 403)


def test_an_admin_helps_who_forgot_a_password(
    admin: httpx.Client, http: httpx.Client, somebody: Person
) -> None:
    wish = {"password": "nine red cranes"}
    assert admin.patch(f"/auth/users/{somebody.id}", json=wish).status_code == 200
    assert log_in(http, somebody.name, "nine red cranes").status_code == 200
    renewed = http.post("/auth/refresh", json={"refresh_token": somebody.refresh})
    assert renewed.status_code == 401


def test_users_come_in_pages_and_can_be_searched(
    door: Door, admin: httpx.Client, http: httpx.Client
) -> None:
    names = [f"page {n}" for n in range(5)]
    for name in names:
        door.user_id(name)
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = admin.get("/auth/users", params={"q": "PAGE ", "limit": 2} | cursor).json()
        found += [user["name"] for user in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == names[::-1]
    assert admin.get("/auth/users", params={"q": "%"}).json()["items"] == []
    assert admin.get("/auth/users", params={"cursor": "x"}).status_code == 422
    admins = admin.get("/auth/users", params={"role": "admin"}).json()["items"]
    assert {user["role"] for user in admins} == {"admin"}


def test_the_last_admin_stays(tmp_path: Path) -> None:
    with Door.opened(tmp_path, accounts=QUICK) as door, door.client() as admin:
        me = admin.get("/auth/me").json()["id"]
        for refused in (
            admin.patch(f"/auth/users/{me}", json={"role": "user"}),
            admin.delete("/mypage"),
            admin.delete(f"/auth/users/{me}"),
        ):
            assert (refused.status_code, refused.json()["code"]) == (409, "LastAdmin")
        assert "last admin" in admin.delete("/mypage", params={"dry_run": True}).json()["refused"]
        other = person(door, "ann")
        assert admin.patch(f"/auth/users/{other.id}", json={"role": "admin"}).status_code == 200
        assert admin.patch(f"/auth/users/{me}", json={"role": "user"}).status_code == 200
        with door.platform.reads() as session:
            admins = session.scalars(select(User.name).where(User.role == "admin")).all()
        assert admins == ["ann"]
