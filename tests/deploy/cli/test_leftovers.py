"""`actverse leftovers`: what nobody owns, first looked at, then removed."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta

from shared.db.models import User, now
from tests.shared.web.door import Door


def test_a_dry_run_names_what_would_go_and_changes_nothing(door: Door, actverse) -> None:
    folder = door.platform.settings.data_dir / "inputs" / "7373"
    folder.mkdir(parents=True)
    with door.platform.sessions.begin() as session:
        for user in session.query(User):
            user.created_at = now() - timedelta(days=1)
    assert actverse("leftovers").stdout == "0 were removed\n"  # it may be an open upload
    os.utime(folder, (time.time() - 4000,) * 2)
    assert actverse("leftovers", "--dry-run").stdout == "inputs/7373\n1 would be removed\n"
    told = json.loads(actverse("leftovers", "--dry-run", "--json").stdout)
    assert told == {"removed": False, "leftovers": ["inputs/7373"]}
    assert folder.exists()
    assert actverse("leftovers").stdout == "inputs/7373\n1 were removed\n"
    assert not folder.exists()
