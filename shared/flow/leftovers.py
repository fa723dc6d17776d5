"""What nobody will finish any more: direct uploads that were announced and never completed."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import select

from shared.db.models import Upload, now
from shared.platform import Platform
from shared.storage.port import INCOMING

KEEP_PENDING = timedelta(days=8)  # an address may be valid for seven
log = structlog.get_logger()


def remove(platform: Platform) -> int:
    """Remove old announcements with what was sent for them, and half-written files; how many.

    May run twice, and beside a late `complete`: what that has received is not touched.
    """
    with platform.reads() as session:
        stale = session.execute(
            select(Upload.id, Upload.key).where(
                Upload.state == "PENDING", Upload.created_at < now() - KEEP_PENDING
            )
        ).all()
    for upload_id, key in stale:
        platform.storage.delete(f"{INCOMING}/{key}")
        with platform.sessions.begin() as session:
            row = session.get(Upload, upload_id)
            if row is not None and row.state == "PENDING":
                session.delete(row)
    removed = len(stale) + platform.storage.tidy()
    if removed:
        log.info("flow.leftovers.removed", uploads=len(stale), all=removed)
    return removed
