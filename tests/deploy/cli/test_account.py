"""Logging in from the command line: whose calls they are from then on, and where the key lies."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from deploy.cli.client import address
from deploy.cli.main import app
from shared.errors import Unavailable
from shared.web import rate
from tests.services.api_gateway.people import PASSWORD, QUICK, SURE_FOR_S, registered
from tests.shared.web.door import Door

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with Door.opened(tmp_path_factory.mktemp("data"), accounts=QUICK) as opened:
        with httpx.Client(base_url=opened.url, timeout=30) as http:
            for name in ("ann", "bob"):
                assert registered(http, name).status_code == 201
        yield opened


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line of a machine that knows nothing of any mesh."""
    monkeypatch.delenv("ACTVERSE_URL", raising=False)
    monkeypatch.delenv("ACTVERSE_API_KEY", raising=False)
    monkeypatch.setenv("ACTVERSE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(rate, "SURE_FOR_S", SURE_FOR_S)

    def run(*arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(app, arguments, input=typed)

    return run


def log_in(run: Run, door: Door, user: str = "ann") -> Result:
    stdin = ("--password-stdin",)
    return run("login", user, "--url", door.url, *stdin, typed=f"{PASSWORD}\n")


def test_calls_are_those_of_who_logged_in(run: Run, door: Door, tmp_path: Path) -> None:
    done = log_in(run, door)
    assert done.exit_code == 0, done.output
    assert "as ann" in done.stdout
    assert PASSWORD not in done.output
    assert stat.S_IMODE((tmp_path / "login").stat().st_mode) == 0o600
    assert run("whoami").stdout == f"ann (user) at {door.url}\n"
    (key,) = json.loads(run("keys", "--json").stdout)
    assert key["label"].startswith("actverse on ")
    assert key["prefix"] in run("keys").stdout


def test_who_logs_out_leaves_no_key_behind(run: Run, door: Door, tmp_path: Path) -> None:
    log_in(run, door, "bob")
    key = json.loads((tmp_path / "login").read_text())["key"]
    assert run("logout").exit_code == 0
    assert not (tmp_path / "login").exists()
    deadline = time.monotonic() + 10
    while (
        httpx.get(f"{door.url}/auth/me", headers={"X-API-Key": key}, timeout=30).status_code != 401
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert isinstance(run("whoami").exception, Unavailable)
    assert "Nobody is logged in" in str(run("logout").exception)


def test_another_login_takes_the_place_of_the_first(run: Run, door: Door) -> None:
    log_in(run, door, "bob")
    log_in(run, door, "ann")
    log_in(run, door, "bob")
    assert json.loads(run("whoami", "--json").stdout)["name"] == "bob"
    assert len(json.loads(run("keys", "--json").stdout)) == 1


def test_a_wrong_password_leaves_everything_as_it_was(run: Run, door: Door, tmp_path: Path) -> None:
    refused = run("login", "ann", "--url", door.url, typed="not the password\n")
    assert "name or the password" in str(refused.exception)
    assert list(tmp_path.iterdir()) == []


def test_keys_are_made_and_taken_back(run: Run, door: Door) -> None:
    log_in(run, door)
    made = json.loads(run("keys", "--new", "robot", "--json").stdout)
    assert made["label"] == "robot"
    assert run("keys", "--new", "second").stdout.startswith("av_")
    assert run("keys", "--revoke", made["id"]).exit_code == 0
    labels = {key["label"] for key in json.loads(run("keys", "--json").stdout)}
    assert "second" in labels
    assert "robot" not in labels
    run("logout")


def test_a_key_is_sent_to_no_other_server(
    run: Run, door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(run, door)
    monkeypatch.setenv("ACTVERSE_URL", "https://elsewhere.example")
    with pytest.raises(Unavailable):
        address()
    (tmp_path / "api_key").write_text("av_first\n")
    with pytest.raises(Unavailable):
        address()
    monkeypatch.setenv("ACTVERSE_API_KEY", "av_given")
    assert address() == ("https://elsewhere.example", "av_given")
    monkeypatch.delenv("ACTVERSE_URL")
    monkeypatch.delenv("ACTVERSE_API_KEY")
    run("logout")
