"""`actverse` as a person runs it: from any folder, with exit codes, without tracebacks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import MediaRejected
from tests.shared.web.door import Door

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """The command's module, as the shim starts it."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "deploy.cli", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_set_up_makes_a_command_that_works_anywhere(tmp_path: Path) -> None:
    """The set-up's own lines, on a copy of a virtual environment's layout."""
    script = (ROOT / "deploy" / "local" / "setup.sh").read_text()
    lines = re.search(r"make_command\(\) \{.*?\n\}\n", script, re.DOTALL)[0]
    made = tmp_path / "a folder"
    (made / ".venv" / "bin").mkdir(parents=True)
    (made / ".venv" / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    subprocess.run(["bash", "-ec", lines + "make_command"], cwd=made, check=True)
    pth = made / ".venv" / "lib" / "python3.11" / "site-packages" / "actverse.pth"
    assert pth.read_text() == f"{made}\n"
    python = made / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    link = tmp_path / "actverse"
    link.symlink_to(made / ".venv" / "bin" / "actverse")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "deploy").mkdir(parents=True)  # must not hide ours
    told = subprocess.run(
        [link, "pipelines", "--name", "vision"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("vision:")


def test_errors_are_one_sentence_on_stderr(tmp_path: Path) -> None:
    refused = run("submit", "none.mp4", cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr == f"error: There is no file {tmp_path / 'none.mp4'}.\n"


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    refused = run("list", cwd=tmp_path, ACTVERSE_GATEWAY__PORT="x")
    assert refused.returncode == 1
    assert "gateway.port" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_wrong_verb_is_a_usage_error(tmp_path: Path) -> None:
    assert run("knit", cwd=tmp_path).returncode == 2


@pytest.mark.skipif(shutil.which("script") is None, reason="`script` gives a terminal")
def test_watch_draws_bars_on_a_terminal(tmp_path: Path) -> None:
    with Door.opened(tmp_path / "data") as door:
        task_id = door.submit("ann")
        door.begin(task_id)
        door.progress(task_id, 0.5)
        door.fail(task_id, MediaRejected("The video ends in the middle. " * 10))
        command = f"stty cols 80; {sys.executable} -P -m deploy.cli watch {task_id}"
        shown = subprocess.run(
            ["script", "-qec", command, "/dev/null"],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "ACTVERSE_URL": door.url,
                "ACTVERSE_API_KEY": door.key,
                "TERM": "xterm",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert shown.returncode == 1
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.stdout)
    assert re.search(r"✗ video_processing ━+\s+50 %\s+0\.\d s The video ends", plain)
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= 80
