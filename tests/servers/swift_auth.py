"""A piece of the S3 server's pipeline: access keys are plain words.

Swift's own test authentication knows users only as `account:user`, and that would be the access key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from swift.common.middleware import tempauth

Application = Callable[..., Any]


def filter_factory(
    global_conf: dict[str, str], **local_conf: str
) -> Callable[[Application], tempauth.TempAuth]:
    """What the `paste.filter_factory` of `proxy-server.conf` names."""
    made_by = tempauth.filter_factory(global_conf, **local_conf)

    def wrap(application: Application) -> tempauth.TempAuth:
        made = made_by(application)
        made.users |= {name.split(":", 1)[1]: user for name, user in made.users.items()}
        return made

    return wrap
