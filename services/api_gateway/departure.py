"""Accounts that go: asked for by their owners or by an admin."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request, Response

from services.api_gateway import accounts_repository as repository
from services.api_gateway.account_schemas import AccountDeletion
from services.api_gateway.errors import LastAdmin
from shared.flow import leaving
from shared.platform import Platform
from shared.web.language import language_of

DryRun = Annotated[bool, Query(description="Only say what would go")]
ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"model": AccountDeletion, "description": "What would go (`dry_run`)"}
}


def depart(
    platform: Platform, request: Request, response: Response, user_id: str, *, dry_run: bool
) -> AccountDeletion:
    """Say what goes with an account, and mark it unless that was all that was asked.

    Raises `LastAdmin`, and `Conflict` where others need what it owns.
    """
    with platform.reads() as session:
        repository.user(session, user_id)
        found = leaving.survey(session, platform.storage, user_id)
    with platform.sessions.begin() as session:
        refused = LastAdmin() if repository.is_last_admin(session, user_id) else found.refused
        if not dry_run:
            if isinstance(refused, LastAdmin):
                raise refused
            leaving.begin(session, platform.bus, repository.user(session, user_id))
    if dry_run:
        response.status_code = 200
    return AccountDeletion(
        user_id=user_id,
        dry_run=dry_run,
        tasks=found.tasks,
        at_work=found.at_work,
        files=found.extent.files,
        bytes=found.extent.bytes,
        rows=found.rows,
        refused=refused.told(language_of(request)) if dry_run and refused else None,
    )
