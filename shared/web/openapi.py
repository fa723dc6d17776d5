"""The OpenAPI document: what the routes declare, with the errors that every route can give."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from shared.web.gate import OPEN
from shared.web.problems import MEDIA_TYPE, Problem, title

PROBLEM = "#/components/schemas/Problem"
SAID = {
    400: ("BadInput", "The storage key 'a/../b' has an empty, '.' or '..' part."),
    401: ("Unauthorised", "This needs an API key: send it as 'Authorization: Bearer <key>'."),
    403: ("Forbidden", "Your key belongs to 'ann'; it cannot act for 'bob'."),
    404: ("NotFound", "There is no task 7f0c; GET /tasks/ lists yours."),
    409: ("Conflict", "Task 7f0c is already succeeded; nothing to cancel."),
    412: ("Changed", "Somebody changed this after you read it."),
    413: ("UploadTooLarge", "The file is larger than 8192 MB, the limit here."),
    415: ("NotMedia", "The upload is a PDF document; send one media file."),
    416: (
        "RangeNotSatisfiable",
        "The range 'bytes=900-' lies outside the file, which has 800 bytes.",
    ),
    422: ("Invalid", "body.num_frames: Input should be greater than or equal to 1"),
    429: ("TooManyRequests", "More requests than one user may make; come back in 2 s."),
    500: ("Internal", "An unexpected error; the log of the gateway has the details."),
    503: ("Unavailable", "The database does not answer; try again in a moment."),
    507: ("OutOfSpace", "The disk is full. Free some space, then try again."),
}
EVERYWHERE = (401, 429, 500, 503)
WITH_A_KEY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})
WITH_BODY = (400, 413)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route beside those that every route has."""
    return {status: _problem(status) for status in statuses}


def file_body(example: str) -> dict[str, Any]:
    """The body of a route that reads a form with one `file` itself, piece by piece."""
    schema = {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}},
    }
    form = {"schema": schema, "example": {"file": example}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": form}}}


def read_body(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    """The JSON body of a route that reads it itself, byte by byte as it was signed."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def _problem(status: int) -> dict[str, Any]:
    code, detail = SAID[status]
    phrase = title(status)
    example = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "instance": "/tasks/",
    }
    return {
        "description": phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": PROBLEM}, "example": example}},
    }


def install(app: FastAPI) -> None:
    """Replace the document that FastAPI makes; made once, at the first request for it."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    description=app.description,
                    routes=app.routes,
                )
            )
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = Problem.model_json_schema()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            listed = operation["responses"]
            body = "requestBody" in operation
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schemas.update(content["schema"].get("$defs", {}))  # of `read_body`
            told = any(p["in"] != "path" for p in operation.get("parameters", ()))
            if "422" in listed and not (body or told):
                del listed["422"]
            elif "422" in listed:
                listed["422"] = _problem(422)
            for status in (*EVERYWHERE, *(WITH_BODY if body else ())):
                if path not in OPEN or status not in WITH_A_KEY:
                    listed.setdefault(str(status), _problem(status))
            if "{task_id}" in path:  # it may be being deleted
                listed.setdefault("409", _problem(409))
            operation["responses"] = dict(sorted(listed.items()))
    return document
