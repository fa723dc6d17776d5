"""Lines of actors, what learners' recordings of them are worth, and who asks for that."""

from __future__ import annotations

from fastapi import APIRouter

from services.audio_analyzer import (
    actors_api,
    audio_links_api,
    mypage_api,
    results_api,
    scripts_api,
    service_api,
    tokens_api,
    upload_api,
    webhook_api,
)

router = APIRouter()
router.include_router(actors_api.router)
router.include_router(upload_api.router)
router.include_router(results_api.router)
router.include_router(webhook_api.router)
router.include_router(service_api.router)
router.include_router(audio_links_api.router)
router.include_router(tokens_api.router)
router.include_router(scripts_api.router)
router.include_router(mypage_api.router)
