"""What a check found, and what a check is."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from shared.errors import ActverseError
from shared.platform import Platform
from shared.redaction import without_secrets


@dataclass(frozen=True)
class Finding:
    """One fact: whether it is fine, what was found, and the command that mends it.

    `sure` is False where it cannot be seen from here; then `remedy` says how to look, and the fact
    counts as fine, because a doctor who cannot look must not send anybody away.
    """

    ok: bool
    what: str
    text: str
    remedy: str = ""
    sure: bool = True


def fine(what: str, text: str) -> Finding:
    """All is well."""
    return Finding(ok=True, what=what, text=text)


def wrong(what: str, text: str, remedy: str) -> Finding:
    """Something to mend, by `remedy`."""
    return Finding(ok=False, what=what, text=text, remedy=remedy)


def unseen(what: str, text: str, look: str) -> Finding:
    """Cannot be seen from here; `look` says how to."""
    return Finding(ok=True, what=what, text=text, remedy=look, sure=False)


Check = Callable[[Platform], Iterable[Finding]]


def safely(what: str, check: Check, platform: Platform, remedy: str) -> Iterator[Finding]:
    """The findings of `check`; one that breaks off is a finding itself, mended by `remedy`."""
    try:
        yield from check(platform)
    except ActverseError as error:
        yield wrong(what, without_secrets(str(error)), remedy)
    except Exception as error:  # noqa: BLE001 - whatever a server or a library raises
        told = without_secrets(f"{type(error).__name__}: {error}").strip().splitlines()[0]
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            remedy = f"make room in {platform.settings.data_dir}, see: actverse doctor --only disk"
        yield wrong(what, told[:500], remedy)
