"""The verbs of the stack: its environment file, and what they make of compose's answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.stack.compose import Compose, Container, read_containers
from deploy.stack.environment import EXAMPLE, make_environment
from shared.errors import Unavailable

ROOT = Path(__file__).resolve().parents[3]
ROW = {"Service": "gateway", "Name": "actverse-gateway-1", "State": "running"}


def values(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line]
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_secrets_are_made_once_and_for_nobody_else(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    assert make_environment(file)
    made = values(file)
    secrets = [value for name, value in made.items() if values(EXAMPLE)[name] == "change-me"]
    assert len(secrets) == len(set(secrets)) >= 7
    assert min(map(len, secrets)) >= 32
    assert all(secret.isalnum() for secret in secrets), "they are parts of URLs"
    assert file.stat().st_mode & 0o777 == 0o600
    assert not make_environment(file)
    assert values(file) == made


def test_both_forms_of_the_list_of_containers_are_read() -> None:
    healthy = {**ROW, "Health": "healthy", "ExitCode": 0}
    done = {**ROW, "Service": "migrate", "State": "exited", "Health": "", "ExitCode": 0}
    lines = "\n".join(map(json.dumps, (healthy, done)))
    assert read_containers(lines) == read_containers(json.dumps([healthy, done]))
    assert [c.well for c in read_containers(lines)] == [True, True]
    assert read_containers("") == []


@pytest.mark.parametrize(
    ("state", "health", "code", "told"),
    [
        ("running", "starting", 0, "starting"),
        ("running", "unhealthy", 0, "unhealthy"),
        ("exited", "", 1, "exited with 1"),
        ("restarting", "", 1, "restarting"),
        ("created", "", 0, "created"),
    ],
)
def test_what_is_not_well_says_so(state: str, health: str, code: int, told: str) -> None:
    container = Container("gateway", "actverse-gateway-1", state, health, code)
    assert not container.well
    assert container.told == told


def fake_docker(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "docker"
    program.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")


def test_waiting_ends_when_all_are_well_and_tells_each_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"""
import json, pathlib, sys
if "ps" in sys.argv:
    count = pathlib.Path({str(tmp_path / "count")!r})
    seen = int(count.read_text()) if count.exists() else 0
    count.write_text(str(seen + 1))
    health = ["starting", "starting", "healthy"][min(seen, 2)]
    print(json.dumps({{**{ROW!r}, "Health": health, "ExitCode": 0}}))
"""
    fake_docker(tmp_path, script, monkeypatch)
    monkeypatch.setattr("deploy.stack.compose.LOOK_EVERY_S", 0.01)
    said: list[str] = []
    Compose(EXAMPLE, {}).wait_until_well(30, said.append)
    assert said == ["gateway: starting"]


def test_who_never_becomes_well_is_named_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"""
import json, sys
if "ps" in sys.argv:
    print(json.dumps({{**{ROW!r}, "Health": "unhealthy", "ExitCode": 0}}))
elif "logs" in sys.argv:
    print("the port is taken")
"""
    fake_docker(tmp_path, script, monkeypatch)
    with pytest.raises(Unavailable, match=r"(?s)gateway-1: unhealthy.*the port is taken"):
        Compose(EXAMPLE, {}).wait_until_well(0, lambda _: None)


def test_without_docker_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="install Docker"):
        Compose(EXAMPLE, {})
    fake_docker(tmp_path, "import sys; sys.exit(1)", monkeypatch)
    with pytest.raises(Unavailable, match="compose plugin"):
        Compose(EXAMPLE, {})


def test_a_video_that_is_not_there_is_refused_before_anything_starts(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "deploy.stack", "--env-file", str(tmp_path / "env"), "up"]
    done = subprocess.run(
        [*argv, "--video", "absent.mp4"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "There is no file absent.mp4" in done.stdout
    assert not (tmp_path / "env").exists()
