"""The same door, with its callers, as the tests of what all doors share."""

from __future__ import annotations

from tests.shared.web.conftest import admin, ann, bob, door  # noqa: F401 - fixtures
