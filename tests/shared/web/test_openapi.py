"""The table of endpoints, row by row, against what /openapi.json says."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.shared.web import openapi_speech

# method, path, fields of the body (or parameters), answers, fields of the first answer
TABLE = [
    ("post", "/tasks/", {"file_path", "user_id", "options"}, {202, 400, 401, 422}, {"task_id"}),
    ("get", "/tasks/", {"state", "pipeline", "cursor", "limit"}, {200, 401, 422}, {"items"}),
    ("get", "/tasks/{task_id}", set(), {200, 401, 404}, {"steps", "outputs"}),
    (
        "delete",
        "/tasks/{task_id}",
        {"dry_run", "model"},
        {200, 202, 401, 404, 409},
        {"files", "bytes", "rows", "models", "stays", "refused"},
    ),
    ("post", "/tasks/{task_id}/cancel", set(), {202, 404, 409}, {"task_id"}),
    ("post", "/tasks/{task_id}/retry", {"step"}, {202, 404, 409}, {"task_id"}),
    ("get", "/tasks/{task_id}/outputs/{name}", set(), {200, 404}, set()),
    ("post", "/uploads/", {"file"}, {201, 413, 415}, {"file_path", "sha256"}),
    (
        "post",
        "/uploads/direct",
        {"filename", "bytes", "sha256", "content_type"},
        {201, 409, 413, 415, 422},
        {"upload_id", "url", "method", "headers", "expires_at"},
    ),
    (
        "post",
        "/uploads/direct/{upload_id}/complete",
        set(),
        {201, 404, 409},
        {"file_path", "sha256"},
    ),
    ("get", "/status/{task_id}", set(), {200, 404}, {"process_status"}),
    ("get", "/status/{task_id}/events", {"last-event-id"}, {200, 404}, set()),
    (
        "post",
        "/video/download",
        {"file_path", "download_path", "prefer"},
        {200, 202, 400, 404, 500},
        {"download_path"},
    ),
    (
        "post",
        "/video/extract-frames",
        {"file_path", "num_frames", "prefer"},
        {200, 202, 400, 404, 500},
        {"frame_path"},
    ),
    ("post", "/video/upload", {"file_path", "upload_path", "prefer"}, {204, 202, 404, 500}, set()),
    (
        "post",
        "/labeling",
        {"folder_path", "task_id", "user_id", "prefer"},
        {202, 400, 404, 500},
        {"task_id"},
    ),
    ("get", "/labeling/{task_id}", set(), {200, 404}, {"total", "done", "skipped", "rate"}),
    ("get", "/labeling/{task_id}/board", {"tab"}, {200, 404}, {"classes", "frames", "states"}),
    ("get", "/labeling/{task_id}/progress", {"tab"}, {200, 404}, {"remaining", "taken"}),
    ("post", "/labeling/{task_id}/frames/next", {"tab", "after"}, {200, 404, 409}, {"frame"}),
    ("get", "/labeling/{task_id}/frames/{frame}", {"tab"}, {200, 404}, {"boxes", "suggested"}),
    (
        "put",
        "/labeling/{task_id}/frames/{frame}",
        {"tab", "revision", "state", "boxes", "seconds", "release"},
        {200, 404, 409, 422},
        {"revision"},
    ),
    ("put", "/labeling/{task_id}/frames/{frame}/lease", {"tab"}, {200, 404, 409}, {"revision"}),
    ("delete", "/labeling/{task_id}/frames/{frame}/lease", {"tab"}, {204, 404}, set()),
    ("get", "/labeling/{task_id}/frames/{frame}/image", set(), {200, 304, 404}, set()),
    ("post", "/labeling/{task_id}/finish", {"tab"}, {202, 404, 409}, {"open", "remaining"}),
    (
        "post",
        "/labeling/webhook/label-studio",
        {"task_id", "x-actverse-webhook-secret"},
        {202, 401, 422},
        set(),
    ),
    ("get", "/frames/{signature}/{rest}", set(), {200, 403, 404}, set()),
    (
        "post",
        "/training",
        {"data_path", "mode_train_info", "prefer"},
        {202, 400, 422, 500},
        {"model_path"},
    ),
    (
        "post",
        "/tasks/{task_id}/rounds",
        {"num_frames", "seed", "budget", "labeler", "training", "promotion", "idempotency-key"},
        {202, 404, 409, 422},
        {"task_id"},
    ),
    (
        "get",
        "/tasks/{task_id}/rounds",
        set(),
        {200, 404},
        {"root_task_id", "current_model", "rounds", "curve"},
    ),
    (
        "put",
        "/tasks/{task_id}/triggers",
        {"new_labels", "drift", "every_h", "cooldown_h", "round"},
        {200, 404, 409, 422},
        {"settings", "would_fire", "told"},
    ),
    ("get", "/tasks/{task_id}/triggers", set(), {200, 404}, {"would_fire", "last_reason"}),
    ("delete", "/tasks/{task_id}/triggers", set(), {204, 404}, set()),
    (
        "post",
        "/labels/{task_id}/import",
        {"format", "dry_run", "file"},
        {200, 400, 404, 409, 413, 422},
        {"labelled", "empty", "changed", "stored", "told"},
    ),
    ("post", "/labeling/webhook/cvat", {"x-signature-256"}, {202, 401}, set()),
    ("get", "/datasets/{task_id}", set(), {200, 404}, {"task_id", "versions"}),
    ("get", "/datasets/{task_id}/{sha256}/diff", set(), {200, 404}, {"diff"}),
    ("get", "/datasets/{task_id}/{sha256}/export", {"format"}, {200, 404, 409}, set()),
    ("get", "/training/{task_id}", set(), {200, 404}, {"current_epoch", "epochs", "metrics"}),
    (
        "post",
        "/deployments",
        {"task_id", "model_path", "prefer"},
        {202, 400, 404, 500},
        {"deployment_id"},
    ),
    ("delete", "/deployments/{deployment_id}", {"prefer"}, {202, 204, 404}, set()),
    ("get", "/models", set(), {200, 500}, {"name", "version", "state"}),
    (
        "get",
        "/models/{task_id}/versions",
        set(),
        {200, 404},
        {"model", "current", "versions"},
    ),
    (
        "post",
        "/models/{task_id}/promote",
        {"version", "reason"},
        {200, 404, 409, 422},
        {"model", "version", "before", "reason"},
    ),
    (
        "post",
        "/models/{task_id}/rollback",
        set(),
        {200, 404, 409},
        {"model", "version", "before", "reason"},
    ),
    (
        "post",
        "/models/{task_id}/inference",
        {
            "data_path",
            "confidence",
            "iou",
            "batch_size",
            "frame_skip",
            "max_frames",
            "version",
            "prefer",
        },
        {202, 400, 404, 422, 500},
        {"inference_result_path", "outputs"},
    ),
    ("get", "/notifications", set(), {200, 401}, {"urls", "language"}),
    ("put", "/notifications", {"urls", "steps", "language"}, {200, 403, 422}, {"urls", "language"}),
    ("post", "/notifications/test", set(), {200, 409}, {"delivered", "error"}),
    ("post", "/webhooks", {"url", "events"}, {201, 403, 409, 422}, {"id", "secret"}),
    ("get", "/webhooks", set(), {200, 401}, {"items"}),
    ("delete", "/webhooks/{webhook_id}", set(), {204, 404}, set()),
    (
        "get",
        "/webhooks/{webhook_id}/deliveries",
        {"cursor", "limit"},
        {200, 404, 422},
        {"items", "next"},
    ),
    (
        "post",
        "/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
        set(),
        {202, 404, 409},
        {"state", "tries"},
    ),
    ("post", "/webhooks/{webhook_id}/test", set(), {200, 404, 409}, {"state", "status"}),
    (
        "post",
        "/auth/register",
        {"name", "email", "password"},
        {201, 403, 409, 422, 429},
        {"id", "name", "email", "role"},
    ),
    (
        "post",
        "/auth/login",
        {"username", "password"},
        {200, 401, 422, 429},
        {"access_token", "token_type", "expires_in", "refresh_token"},
    ),
    (
        "post",
        "/auth/refresh",
        {"refresh_token"},
        {200, 401, 422, 429},
        {"access_token", "token_type", "expires_in", "refresh_token"},
    ),
    ("post", "/auth/logout", {"refresh_token"}, {204, 422}, set()),
    ("post", "/auth/logout-all", set(), {204, 401}, set()),
    ("get", "/auth/me", set(), {200, 401}, {"id", "name", "role", "by"}),
    (
        "put",
        "/auth/password",
        {"current_password", "new_password"},
        {204, 401, 403, 422, 429},
        set(),
    ),
    ("get", "/auth/keys", set(), {200, 401}, {"items"}),
    ("post", "/auth/keys", {"label"}, {201, 401, 409, 422}, {"id", "label", "prefix", "key"}),
    ("delete", "/auth/keys/{key_id}", set(), {204, 401, 404}, set()),
    ("get", "/auth/users", {"q", "role", "cursor", "limit"}, {200, 401, 403}, {"items", "next"}),
    (
        "post",
        "/auth/users",
        {"name", "email", "password", "role"},
        {201, 401, 403, 409, 422},
        {"id", "role"},
    ),
    (
        "patch",
        "/auth/users/{user_id}",
        {"role", "password"},
        {200, 401, 403, 404, 409},
        {"id", "role"},
    ),
    (
        "delete",
        "/auth/users/{user_id}",
        {"dry_run"},
        {200, 202, 403, 404, 409},
        {"tasks", "files", "bytes", "rows", "refused"},
    ),
    ("get", "/mypage", set(), {200, 401}, {"name", "email", "tasks", "sessions"}),
    ("patch", "/mypage", {"name", "email", "language"}, {200, 401, 409, 422}, {"name"}),
    (
        "delete",
        "/mypage",
        {"dry_run"},
        {200, 202, 401, 409},
        {"tasks", "at_work", "files", "bytes", "rows", "refused"},
    ),
    ("get", "/pipelines", set(), {200, 401}, {"name", "steps", "options"}),
    ("get", "/health", set(), {200, 503}, {"cpu_percent", "memory_percent", "disk_percent"}),
    ("get", "/health/ready", set(), {200, 503}, {"ready"}),
    *openapi_speech.TABLE,
]
rows = pytest.mark.parametrize(
    ("method", "path", "fields", "answers", "given"), TABLE, ids=lambda v: v or None
)


@pytest.fixture(scope="module")
def document(admin: httpx.Client) -> dict[str, Any]:
    return httpx.get(f"{admin.base_url}/openapi.json").json()


def schema_of(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, behind references, lists and optional things."""
    while True:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        elif schema.get("type") == "array" and "prefixItems" not in schema:  # a tuple has those
            schema = schema["items"]
        elif "anyOf" in schema:
            schema = next(s for s in schema["anyOf"] if s.get("type") != "null")
        else:
            return schema


def _body(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    return schema_of(document, next(iter(content.values()))["schema"]) if content else {}


def _answer(document: dict[str, Any], operation: dict[str, Any], status: str) -> dict[str, Any]:
    content = operation["responses"][status].get("content", {})
    found = next(iter(content.values()), {}).get("schema", {}) if content else {}
    return schema_of(document, found)


@rows
def test_a_row_is_there(document, method, path, fields, answers, given) -> None:
    operation = document["paths"][path][method]
    known = {p["name"] for p in operation.get("parameters", ())}
    known |= set(_body(document, operation).get("properties", {}))
    assert fields <= known
    listed = {int(status) for status in operation["responses"]}
    assert answers <= listed
    first = min(s for s in operation["responses"])
    assert given <= set(_answer(document, operation, first).get("properties", {}))


@rows
def test_every_error_is_a_problem(document, method, path, fields, answers, given) -> None:
    for status, answer in document["paths"][path][method]["responses"].items():
        if int(status) >= 400:
            (media_type, content), *more = answer["content"].items()
            assert (media_type, more) == ("application/problem+json", [])
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert content["example"]["status"] == int(status)


def test_no_endpoint_is_left_out_of_the_table(document) -> None:
    there = {(m, p) for p, operations in document["paths"].items() for m in operations}
    assert there == {(method, path) for method, path, *_ in TABLE}


def _without_example(document: dict[str, Any], schema: dict[str, Any], where: str) -> list[str]:
    """Fields of which a reader does not see what they may look like."""
    schema = schema_of(document, schema)
    missing = []
    for name, field in schema.get("properties", {}).items():
        inner = schema_of(document, field)
        if "properties" in inner:
            missing += _without_example(document, inner, f"{where}.{name}")
        elif not {"examples", "example", "enum"} & {*field, *inner} and not field.get("default"):
            values = inner.get("additionalProperties")
            if isinstance(values, dict) and "properties" in schema_of(document, values):
                continue
            missing.append(f"{where}.{name}")
    return missing


@rows
def test_bodies_and_answers_have_examples(document, method, path, fields, answers, given) -> None:
    operation = document["paths"][path][method]
    contents = [("body", operation.get("requestBody", {}).get("content", {}))]
    contents += [
        (status, answer.get("content", {}))
        for status, answer in operation["responses"].items()
        if int(status) < 300
    ]
    for where, content in contents:
        for shown in content.values():
            if "example" not in shown and "schema" in shown:
                assert _without_example(document, shown["schema"], where) == []
    assert operation.get("description")


def test_waiting_is_documented(document) -> None:
    answers = document["paths"]["/video/download"]["post"]["responses"]
    assert "Location" in answers["202"]["headers"]
    assert "Preference-Applied" in answers["200"]["headers"]


def test_the_document_tells_how_to_show_a_key(document) -> None:
    schemes = document["components"]["securitySchemes"].values()
    assert {"http", "apiKey", "oauth2"} == {scheme["type"] for scheme in schemes}
    assert document["paths"]["/models"]["get"]["security"]
    assert "security" not in document["paths"]["/health/ready"]["get"]
