"""`actverse doctor` as an operator and a script have it."""

from __future__ import annotations

import errno
import json
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli.doctor.examine import CHECKS
from deploy.cli.main import app
from shared import wiring
from shared.db import migrate
from shared.errors import BadInput
from shared.serving.repository import ModelRepository
from shared.settings import Settings
from tests.conftest import TINY_CLASSES, TINY_SIZE


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ACTVERSE_DATA_DIR", str(tmp_path / "data"))

    def run(*arguments: str):
        return CliRunner().invoke(app, ["doctor", *arguments])

    return run


def test_a_machine_on_which_nothing_was_started_is_well(doctor) -> None:
    done = doctor("--json", "--only", ",".join(set(CHECKS) - {"model_server", "disk"}))
    assert done.exit_code == 0, done.stdout
    found = {each["what"]: each for each in json.loads(done.stdout)}
    assert found["mesh"]["text"] == "not running here; `make up` starts it"
    assert all(each["ok"] and each["sure"] for each in found.values())


def test_what_is_wrong_is_said_with_what_mends_it(doctor, monkeypatch) -> None:
    monkeypatch.setenv("ACTVERSE_CACHE", "redis://:hidden@127.0.0.1:9/0")
    done = doctor("--only", "cache, disk")
    assert done.exit_code == 1
    assert "1 to mend" in done.stdout and "hidden" not in done.stdout


def test_what_cannot_be_seen_from_here_says_how_to_look(doctor, monkeypatch) -> None:
    monkeypatch.setenv("ACTVERSE_BROKER", "amqp://a:b@broker.example//")
    monkeypatch.setenv("ACTVERSE_CACHE", "redis://cache.example/0")
    done = doctor("--only", "consumer_timeout")
    assert done.exit_code == 0
    assert "? " in done.stdout and "1 not to be seen from here" in done.stdout


def test_a_full_disk_is_not_blamed_on_the_storage(
    doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    done = doctor("--only", "storage", "--json")
    [found] = json.loads(done.stdout)
    assert done.exit_code == 1
    assert found["remedy"].startswith(f"make room in {tmp_path / 'data'}")


def test_an_unknown_check_is_named(doctor) -> None:
    done = doctor("--only", "disks")
    assert isinstance(done.exception, BadInput) and "disks" in str(done.exception)


def test_waiting_ends_when_all_is_well(doctor) -> None:
    platform = wiring.build(Settings(_env_file=None))
    with platform.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE begun (id INTEGER)")
    assert doctor("--only", "migrations").exit_code == 1
    later = threading.Timer(0.5, migrate.upgrade, [platform.engine])
    later.start()
    assert doctor("--only", "migrations", "--wait", "60").exit_code == 0
    later.join()


def test_a_key_that_others_can_read(doctor, tmp_path: Path) -> None:
    file = tmp_path / "data" / "api_key"
    file.parent.mkdir()
    file.write_text("av_secret")
    file.chmod(0o644)
    done = doctor("--only", "key")
    assert done.exit_code == 1 and f"chmod 600 {file}" in done.stdout.replace("\n", "")
    file.chmod(0o600)
    assert doctor("--only", "key").exit_code == 0


def test_the_global_model_is_really_run(
    doctor, tmp_path: Path, tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    monkeypatch.setenv("ACTVERSE_MODEL_SERVER", f"openvino:{folder}")
    monkeypatch.setenv("ACTVERSE_MODEL__REPOSITORY", str(folder))
    folder.mkdir()
    without = doctor("--only", "model_server,global_model")
    assert without.exit_code == 1 and "services.model_deployer.install" in without.stdout
    ModelRepository(folder).write(
        "global", None, tiny_onnx, classes=TINY_CLASSES, task="detect", image_size=TINY_SIZE
    )
    done = doctor("--only", "model_server,global_model")
    assert done.exit_code == 0, done.stdout
    assert f"version 1, {TINY_SIZE} px, answers 1x{4 + len(TINY_CLASSES)}x" in done.stdout


def test_a_model_server_that_is_away(doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTVERSE_MODEL_SERVER", "triton://127.0.0.1:9")
    done = doctor("--only", "model_server")
    assert done.exit_code == 1 and "127.0.0.1:9" in done.stdout


def test_files_in_s3_make_the_round_and_its_clock_is_compared(
    doctor, s3_server, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACTVERSE_STORAGE", f"s3://{s3_bucket}?endpoint={s3_server.url}")
    monkeypatch.setenv("ACTVERSE_STORAGE_S3__ACCESS_KEY", s3_server.access_key)
    monkeypatch.setenv("ACTVERSE_STORAGE_S3__SECRET_KEY", s3_server.secret_key)
    done = doctor("--only", "storage,clock", "--json")
    assert done.exit_code == 0, done.stdout
    texts = [each["text"] for each in json.loads(done.stdout)]
    assert "kept, read, removed" in texts[0] and texts[1].startswith("the storage is 0.")
    monkeypatch.setenv("ACTVERSE_STORAGE_S3__SECRET_KEY", "another-secret")
    done = doctor("--only", "storage")
    assert done.exit_code == 1 and "another-secret" not in done.stdout
