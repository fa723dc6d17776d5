"""The launcher of Label Studio: its account, its wiring, and who answers on its port."""

from __future__ import annotations

import http.server
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import label_studio
from deploy.local.ports import any_free
from shared.errors import Conflict, Unavailable
from shared.setting_groups.teaching import LabelingSettings
from shared.settings import Settings


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A venv that has the program, which nobody starts."""
    program = tmp_path / "venv" / "bin" / "label-studio"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setattr(label_studio, "VENV", tmp_path / "venv")


@pytest.fixture
def stranger() -> Iterator[int]:
    """The port of a server that is healthy, and knows no token."""

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 401)
            self.end_headers()
            self.wfile.write(b'{"status": "UP"}')

        def log_message(self, *given: object) -> None:
            del given

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_the_account_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    account = label_studio.Account.kept(tmp_path)
    assert label_studio.Account.kept(tmp_path) == account
    assert stat.S_IMODE((tmp_path / label_studio.ACCOUNT_FILE).stat().st_mode) == 0o600
    assert len(account.token) == 40
    assert int(account.token, 16)


def test_secrets_are_not_on_the_command_line(tmp_path: Path) -> None:
    account = label_studio.Account.kept(tmp_path)
    argv, env = label_studio.command(tmp_path / "data", account, 1)
    assert not {account.token, account.password} & set(argv)
    assert env["LABEL_STUDIO_USER_TOKEN"] == account.token


@pytest.mark.usefixtures("installed")
def test_the_mesh_is_wired_to_it_unless_another_is_connected(tmp_path: Path) -> None:
    wired = label_studio.wired(Settings(data_dir=tmp_path))
    account = label_studio.Account.kept(tmp_path)
    assert wired["ACTVERSE_LABELING__LABEL_STUDIO_TOKEN"] == account.token
    assert wired["ACTVERSE_LABELING__LABEL_STUDIO_URL"] == label_studio.url_of()
    other = LabelingSettings(label_studio_url="http://tool.example")
    assert label_studio.wired(Settings(data_dir=tmp_path, labeling=other)) == {}


def test_where_it_is_not_installed_nothing_is_wired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_studio, "VENV", tmp_path / "none")
    assert label_studio.wired(Settings(data_dir=tmp_path)) == {}
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Unavailable, match="not installed"):
        label_studio.run(Settings(data_dir=tmp_path))


@pytest.mark.usefixtures("installed")
def test_a_port_that_is_taken_is_said(tmp_path: Path, stranger: int) -> None:
    """The tool itself would move to the next one without a word."""
    with pytest.raises(Conflict, match=f"Port {stranger} is in use"):
        label_studio.run(Settings(data_dir=tmp_path), stranger)


def test_only_the_one_with_our_token_counts(stranger: int) -> None:
    assert not label_studio.answers(stranger, "a token")
    assert not label_studio.answers(any_free("127.0.0.1"), "a token")
