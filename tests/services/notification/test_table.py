"""Notifiers by name, the log among them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from services.notification.engines.port import Mood, Notice
from services.notification.engines.table import engine_for, notifier
from services.notification.errors import AddressUnusable, UnknownNotifier


def test_the_address_names_its_engine():
    urls = ("log:", "mailto://a@b", "MAILTOS://a@b", "slack://t", "json://host", "nonsense")
    assert [engine_for(url) for url in urls] == ["log", "email", "email", "slack", *["apprise"] * 2]


def test_the_log_takes_everything():
    with capture_logs() as lines:
        notifier("log").send(Notice("Task 7: failed", "why", Mood.FAILURE))
        notifier("log").send(Notice("Task 7: done", "all", Mood.SUCCESS))
    assert [line["log_level"] for line in lines] == ["warning", "info"]
    assert lines[0]["event"] == "notification.sent"
    assert (lines[0]["title"], lines[0]["body"]) == ("Task 7: failed", "why")


def test_a_wrong_name_and_a_wrong_address_are_refused():
    with pytest.raises(UnknownNotifier, match="Choose one of: log, email, slack, apprise"):
        notifier("pigeon")
    with pytest.raises(AddressUnusable, match="does not begin with mailto:// or mailtos://"):
        notifier("email", "slack://TAAAAAAAA/BBBBBBBBB/" + "c" * 24)
    with pytest.raises(AddressUnusable, match="does not begin with slack://"):
        notifier("slack", "json://host")


def test_apprise_is_loaded_by_its_own_file_only():
    check = (
        "import sys; import services.notification.engines.table as t, services.notification.templates;"
        "t.notifier('log'); sys.exit('apprise' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
