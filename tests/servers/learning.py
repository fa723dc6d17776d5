"""Where the learning loop runs in production: rows in PostgreSQL, files in S3."""

from __future__ import annotations

from typing import Any

from tests.servers.postgres import Postgres
from tests.servers.s3 import S3Server


def on_s3(server: S3Server) -> dict[str, Any]:
    """Settings for files in an empty bucket."""
    return {
        "storage": f"s3://{server.bucket()}/mesh?endpoint={server.url}&region={server.region}",
        "storage_s3": {"access_key": server.access_key, "secret_key": server.secret_key},
    }


def on_servers(postgres: Postgres, s3_server: S3Server) -> dict[str, Any]:
    """Settings for an empty database and an empty bucket."""
    return {"database": postgres.fresh(), **on_s3(s3_server)}
