"""The rows of the table of endpoints that are about lines, and how learners say them."""

from __future__ import annotations

READING = {"q", "actor_id", "state", "cursor", "limit"}
LINE = {"id", "actor", "text", "state", "problem", "duration_s", "audio_url", "feature_version"}
OWN = {"bookmarked", "best_score"}

CATALOGUE = [
    ("get", "/actors", {"q", "cursor", "limit"}, {200, 304, 401, 422}, {"items", "next"}),
    ("post", "/actors", {"name", "about", "image_url"}, {201, 403, 409, 422}, {"id", "tokens"}),
    ("get", "/actors/{actor_id}", set(), {200, 304, 404}, {"name", "tokens", "scripts"}),
    ("put", "/actors/{actor_id}", {"name"}, {200, 403, 404, 409, 412, 422}, {"name"}),
    ("delete", "/actors/{actor_id}", set(), {204, 403, 404, 409, 412}, set()),
    ("get", "/tokens", READING | {"film"}, {200, 304, 401, 422}, {"items", "next"}),
    ("post", "/tokens", {"actor_id", "film", "text"}, {201, 403, 404, 422}, LINE | {"film"}),
    ("get", "/tokens/{token_id}", set(), {200, 304, 404}, LINE | OWN | {"film"}),
    ("put", "/tokens/{token_id}", {"actor_id", "film", "text"}, {200, 403, 404, 412, 422}, LINE),
    ("delete", "/tokens/{token_id}", set(), {204, 403, 404, 412}, set()),
    ("put", "/tokens/{token_id}/audio", {"file"}, {202, 400, 403, 404, 413, 415}, LINE),
    ("get", "/tokens/{token_id}/audio", set(), {200, 206, 304, 307, 404, 416}, set()),
    ("get", "/scripts", READING, {200, 304, 401, 422}, {"items", "next"}),
    ("post", "/scripts", {"actor_id", "title", "text"}, {201, 403, 404, 422}, LINE | {"words"}),
    ("get", "/scripts/{script_id}", set(), {200, 304, 404}, LINE | OWN | {"title", "words"}),
    ("put", "/scripts/{script_id}", {"title", "text"}, {200, 403, 404, 412, 422}, LINE),
    ("delete", "/scripts/{script_id}", set(), {204, 403, 404, 412}, set()),
    ("put", "/scripts/{script_id}/audio", {"file"}, {202, 400, 403, 404, 413, 415}, LINE),
    ("get", "/scripts/{script_id}/audio", set(), {200, 206, 304, 307, 404, 416}, set()),
]
MYPAGE = [
    (
        "get",
        "/mypage/history",
        {"token_id", "script_id", "cursor", "limit"},
        {200, 401, 422},
        {"items", "next"},
    ),
    (
        "get",
        "/mypage/trends",
        {"token_id", "script_id", "limit"},
        {200, 401, 422},
        {"points", "first", "latest", "gain"},
    ),
    ("get", "/mypage/best", {"cursor", "limit"}, {200, 401, 422}, {"items", "next"}),
    ("get", "/mypage/bookmarks", {"cursor", "limit"}, {200, 401, 422}, {"items", "next"}),
    ("put", "/mypage/bookmarks/tokens/{token_id}", set(), {204, 401, 404}, set()),
    ("delete", "/mypage/bookmarks/tokens/{token_id}", set(), {204, 401}, set()),
    ("put", "/mypage/bookmarks/scripts/{script_id}", set(), {204, 401, 404}, set()),
    ("delete", "/mypage/bookmarks/scripts/{script_id}", set(), {204, 401}, set()),
]
WISHED = {"job_id", "audio_url", "reference_url", "text", "webhook_url", "webhook_secret"}
ACCEPTED = {"job_id", "status", "task_id", "status_url", "webhook_secret"}
CALLED = {"job_id", "webhook-id", "webhook-timestamp", "webhook-signature", "status", "result"}
BETWEEN_MESHES = [
    ("post", "/analyze-voice", WISHED, {202, 400, 401, 403, 404, 422, 429}, ACCEPTED),
    ("post", "/analyze-script", WISHED | {"words"}, {202, 400, 401, 403, 404, 422, 429}, ACCEPTED),
    *(
        (
            "post",
            f"/{kind}/webhook/analysis-complete",
            CALLED,
            {204, 400, 401, 404, 413, 422},
            set(),
        )
        for kind in ("tokens", "scripts")
    ),
    ("get", "/analyses/{key}", {"key"}, {200, 401, 404}, {"status", "result", "message"}),
    ("get", "/audio/{signature}/{key}", set(), {200, 206, 403, 404, 416}, set()),
]
RESULT = {"status", "progress", "result", "message"}
COMPARISONS = [
    row
    for line in ("token", "script")
    for row in (
        (
            "post",
            f"/{line}s/{{{line}_id}}/upload-audio",
            {"file"},
            {202, 400, 404, 409, 413, 415, 422, 429},
            {"message", "job_id", "status"},
        ),
        (
            "get",
            f"/{line}s/analysis-result/{{job_id}}",
            set(),
            {200, 401, 404},
            RESULT | {f"{line}_id"},
        ),
        (
            "get",
            f"/{line}s/analysis-result/{{job_id}}/recording",
            set(),
            {200, 206, 304, 307, 404, 416},
            set(),
        ),
        (
            "get",
            f"/{line}s/analysis-progress/{{job_id}}",
            {"last-event-id"},
            {200, 401, 404},
            set(),
        ),
    )
]
TABLE = [*COMPARISONS, *CATALOGUE, *MYPAGE, *BETWEEN_MESHES]
