"""Mail as the doctor looks at it, at a real SMTP server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from deploy.cli.doctor.finding import Finding
from deploy.cli.doctor.mail import servers
from shared import wiring
from shared.setting_groups.watching import NotifySettings
from shared.settings import Settings
from tests.deploy.doctor.findings import all_well, said
from tests.servers.ports import free_port


class Mailbox:
    def __init__(self) -> None:
        self.messages: list[tuple[list[str], str]] = []

    async def handle_DATA(self, _server, _session, envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.messages.append((envelope.rcpt_tos, envelope.content.decode()))
        return "250 taken"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()

    def allowed(_server, _session, _envelope, _mechanism, login: LoginPassword) -> AuthResult:
        right = (login.login, login.password) == (b"ann", b"right")
        return AuthResult(success=right, handled=False)

    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=free_port(),
        authenticator=allowed,
        auth_require_tls=False,
    )
    controller.start()
    yield box, controller.port
    controller.stop()


@pytest.fixture
def look(tmp_path):
    def looked(*urls: str, to: str | None = None) -> list[Finding]:
        settings = Settings(
            _env_file=None, data_dir=tmp_path, notify=NotifySettings(urls=list(urls))
        )
        return list(servers(wiring.build(settings), to))

    return looked


def address(port: int, password: str = "right") -> str:
    return (
        f"mailto://ann:{password}@127.0.0.1:{port}"
        "?from=mesh@example.org&to=lab@example.org&mode=insecure"
    )


def test_a_server_that_lets_us_in_is_ready_and_gets_no_message(mailbox, look) -> None:
    box, port = mailbox
    findings = look(address(port))
    assert all_well(findings) and said(findings).startswith(f"127.0.0.1:{port} is ready")
    assert box.messages == []


def test_one_message_is_sent_where_it_is_asked_for(mailbox, look) -> None:
    box, port = mailbox
    findings = look(address(port), to="ann@example.org")
    assert all_well(findings), said(findings)
    [(recipients, content)] = box.messages
    assert recipients == ["ann@example.org"] and "Mail from Actverse works" in content


def test_a_login_that_is_refused(mailbox, look) -> None:
    [found] = look(address(mailbox[1], "wrong-password"))
    assert not found.ok and "refuses the login (535)" in found.text
    assert "wrong-password" not in said([found]) and "ACTVERSE_NOTIFY__URLS" in found.remedy


def test_a_server_that_is_away(look) -> None:
    [found] = look(address(9))
    assert not found.ok and "127.0.0.1:9" in found.text and "right" not in found.text


def test_an_address_that_is_none(look) -> None:
    [found] = look("mailto://")
    assert not found.ok and "not complete" in found.text


def test_no_mail_is_fine_unless_a_message_is_asked_for(look) -> None:
    assert all_well(look("json://example.org/hook"))
    [found] = look("json://example.org/hook", to="ann@example.org")
    assert not found.ok
