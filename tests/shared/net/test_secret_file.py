"""Secrets in files: one for all who make it at once, and for nobody else's eyes."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import stat
from pathlib import Path

import pytest

from shared.net.secret_file import create_secret, kept_secret, replace_secret


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def fresh() -> str:
    return secrets.token_urlsafe(32)


def make(path: Path, start: object, found: multiprocessing.Queue[str]) -> None:
    os.umask(0)
    start.wait()
    found.put(kept_secret(path, fresh))


def test_processes_that_start_together_have_one_secret(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    path, found, start = tmp_path / "data" / "secret", context.Queue(), context.Barrier(8)
    makers = [context.Process(target=make, args=(path, start, found)) for _ in range(8)]
    for maker in makers:
        maker.start()
    told = {found.get(timeout=30) for _ in makers}
    for maker in makers:
        maker.join(30)
    assert told == {path.read_text().strip()}
    assert mode(path) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["secret"]


def test_what_is_kept_stays_and_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("of long ago\n")
    path.chmod(0o644)
    assert kept_secret(path, fresh) == "of long ago"
    assert mode(path) == 0o600


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(0o644)
    made = kept_secret(path, fresh)
    assert len(made) == 43
    assert (kept_secret(path, fresh), mode(path)) == (made, 0o600)


def test_creating_never_touches_what_is_there_and_replacing_does(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "secret"
    assert create_secret(path, "first")
    assert not create_secret(path, "second")
    assert path.read_text() == "first\n"
    path.chmod(0o644)
    replace_secret(path, "third")
    assert (path.read_text(), mode(path)) == ("third\n", 0o600)
    assert [each.name for each in path.parent.iterdir()] == ["secret"]


def test_a_secret_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.mkdir()
    (path / "inside").touch()
    with pytest.raises(OSError, match="secret"):
        replace_secret(path, "x")
    assert [each.name for each in tmp_path.iterdir()] == ["secret"]
