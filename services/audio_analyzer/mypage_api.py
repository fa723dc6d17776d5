"""A learner's own recordings, best scores and bookmarks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from services.audio_analyzer import mypage
from services.audio_analyzer.mypage_repository import Said
from services.audio_analyzer.mypage_schemas import BestPage, BookmarkPage, HistoryPage, Trends
from shared.web.access import InCaller, InPlatform
from shared.web.openapi import responses

router = APIRouter(prefix="/mypage", tags=["mypage"])
LineId = Annotated[str, Path(max_length=255)]
CursorText = Annotated[str | None, Query(max_length=1000, description="`next` of a page")]
Limit = Annotated[int, Query(ge=1, le=100)]


def said_by(
    caller: InCaller,
    token_id: Annotated[str | None, Query(max_length=255)] = None,
    script_id: Annotated[str | None, Query(max_length=255)] = None,
) -> Said:
    """The caller's recordings: of the named line, or all."""
    return Said(caller.user_id, token_id, script_id)


InSaid = Annotated[Said, Depends(said_by)]


@router.get("/history", responses=responses(422))
def my_history(
    platform: InPlatform, said: InSaid, cursor: CursorText = None, limit: Limit = 20
) -> HistoryPage:
    """Your recordings with their scores, newest first."""
    return mypage.history(platform, said, cursor, limit)


@router.get("/trends", responses=responses(422))
def my_trends(
    platform: InPlatform, said: InSaid, limit: Annotated[int, Query(ge=2, le=200)] = 50
) -> Trends:
    """How your scores have changed over the newest recordings, of one line or of all."""
    return mypage.trends(platform, said, limit)


@router.get("/best", responses=responses(422))
def my_best(
    platform: InPlatform, caller: InCaller, cursor: CursorText = None, limit: Limit = 20
) -> BestPage:
    """Your best recording of each line, the best of all first."""
    return mypage.best(platform, caller.user_id, cursor, limit)


@router.get("/bookmarks", responses=responses(422))
def my_bookmarks(
    platform: InPlatform, caller: InCaller, cursor: CursorText = None, limit: Limit = 20
) -> BookmarkPage:
    """The lines that you want to find again, newest first."""
    return mypage.bookmarks(platform, caller.user_id, cursor, limit)


@router.put("/bookmarks/tokens/{token_id}", status_code=204, responses=responses(404))
def bookmark_token(platform: InPlatform, caller: InCaller, token_id: LineId) -> None:
    """Remember a quote; harmless when repeated."""
    mypage.bookmark(platform, caller.user_id, "token", token_id)


@router.delete("/bookmarks/tokens/{token_id}", status_code=204)
def forget_token(platform: InPlatform, caller: InCaller, token_id: LineId) -> None:
    """Do not remember a quote any more; harmless when repeated."""
    mypage.forget(platform, caller.user_id, "token", token_id)


@router.put("/bookmarks/scripts/{script_id}", status_code=204, responses=responses(404))
def bookmark_script(platform: InPlatform, caller: InCaller, script_id: LineId) -> None:
    """Remember a script; harmless when repeated."""
    mypage.bookmark(platform, caller.user_id, "script", script_id)


@router.delete("/bookmarks/scripts/{script_id}", status_code=204)
def forget_script(platform: InPlatform, caller: InCaller, script_id: LineId) -> None:
    """Do not remember a script any more; harmless when repeated."""
    mypage.forget(platform, caller.user_id, "script", script_id)
