"""The connection to an S3 server: time-outs, signatures, streams."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from shared.storage.s3_errors import answers

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def connect(
    endpoint: str | None, region: str | None, access_key: str | None, secret_key: str | None
) -> S3Client:
    """A client for Amazon (`endpoint` None) or another server; safe to share between threads."""
    session = boto3.Session(access_key, secret_key, region_name=region or "us-east-1")
    client: S3Client = session.client("s3", endpoint_url=endpoint, config=_config(endpoint))
    return client


def _config(endpoint: str | None) -> Config:
    """Time-outs and checksums.

    Servers other than Amazon's often refuse the CRC trailers that boto3 sends by default; the
    signature over each part's sha256 makes them check the content all the same.
    """
    own: dict[str, Any] = {}
    if endpoint is not None:
        own = {
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
            "s3": {"addressing_style": "path", "payload_signing_enabled": True},
        }
    return Config(
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 4},
        **own,
    )


def end_stale_uploads(client: S3Client, bucket: str, prefix: str, older_s: float) -> int:
    """End uploads in parts that were begun so long ago: their parts cost space; how many."""
    before = datetime.now(UTC) - timedelta(seconds=older_s)
    count = 0
    pages = client.get_paginator("list_multipart_uploads")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix):
        for upload in page.get("Uploads", []):
            if upload["Initiated"] <= before:
                client.abort_multipart_upload(
                    Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
                count += 1
    return count


class Reading(io.RawIOBase):
    """A streamed answer as a raw file, so that a broken connection has our own error."""

    def __init__(self, body: Any, where: str) -> None:
        self._body = body
        self._where = where

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`; 0 at the end, `Unavailable` when the connection breaks."""
        with answers(self._where):
            data: bytes = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Give the connection back."""
        self._body.close()
        super().close()
