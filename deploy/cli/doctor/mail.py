"""Mail: whether the servers of the settings take a message from us, without sending one."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from typing import Any

from deploy.cli.doctor.finding import Finding, fine, unseen, wrong
from shared.platform import Platform
from shared.redaction import without_secrets

WHAT = "mail"
MAIL = ("mailto:", "mailtos:")
PATIENCE_S = 10.0
SETTING = "correct the address in ACTVERSE_NOTIFY__URLS"
TITLE, BODY = "Actverse: a test", "`actverse doctor --mail-to` sent this. Mail from Actverse works."


def servers(platform: Platform, to: str | None = None) -> Iterator[Finding]:
    """Connect, greet, encrypt and log in as the settings say; with `to`, send one message too."""
    urls = [u for u in platform.settings.notify.urls if u.strip().lower().startswith(MAIL)]
    if not urls:
        if to is None:
            yield fine(WHAT, "no mail address is in the settings")
        else:
            yield wrong(WHAT, "no mail server is in the settings", f"{SETTING}: mailtos://...")
        return
    try:
        import apprise
    except ImportError:
        yield unseen(
            WHAT,
            "the mail library is not installed here",
            "run the doctor where notification runs",
        )
        return
    for url in urls:
        service = apprise.Apprise.instantiate(url)
        if service:
            yield _one(service, to)
        else:
            yield wrong(WHAT, f"{without_secrets(url)} is not complete", SETTING)


def _one(service: Any, to: str | None) -> Finding:
    where = f"{service.smtp_host}:{service.port}"
    try:
        _greet(service)
    except smtplib.SMTPAuthenticationError as error:
        return wrong(WHAT, f"{where} refuses the login ({error.smtp_code})", SETTING)
    except (smtplib.SMTPException, OSError) as error:
        told = without_secrets(f"{type(error).__name__}: {error}")
        return wrong(
            WHAT, f"{where}: {told}", f"start the mail server, open the way there, or {SETTING}"
        )
    if to is None:
        return fine(WHAT, f"{where} is ready")
    service.targets = [(False, to)]
    if not service.notify(body=BODY, title=TITLE):
        return wrong(WHAT, f"{where} did not take a message to {to}", SETTING)
    return fine(WHAT, f"{where} took a message to {to}")


def _greet(service: Any) -> None:
    """As a message would be sent, up to the point where it would be."""
    context = ssl.create_default_context()
    if not service.verify_certificate:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    mode = str(getattr(service.secure_mode, "value", service.secure_mode))
    made: smtplib.SMTP
    if service.secure and mode == "ssl":
        made = smtplib.SMTP_SSL(
            service.smtp_host, service.port, timeout=PATIENCE_S, context=context
        )
    else:
        made = smtplib.SMTP(service.smtp_host, service.port, timeout=PATIENCE_S)
    with made as connection:
        connection.ehlo()
        if service.secure and mode == "starttls":
            connection.starttls(context=context)
            connection.ehlo()
        if service.user and service.password:
            connection.login(service.user, service.password)
