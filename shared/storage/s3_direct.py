"""Files that a client sends straight to the bucket, by a signed address made for exactly that file.

They arrive under `incoming/` and get their key by a copy inside the storage, made from the very
object that was checked. So an address that is used a second time, by whomever, changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared.errors import Conflict, Invalid, NotFound, TooLarge, Unavailable
from shared.storage.content import CHUNK_BYTES
from shared.storage.port import INCOMING, Announced, UploadLink
from shared.storage.s3_client import Reading
from shared.storage.s3_errors import answers

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_PUT_BYTES = 5 << 30  # the limit of S3 for one request
MAX_LINK_S = 7 * 24 * 3600  # the limit of signature version 4


@dataclass(frozen=True)
class DirectUploads:
    """The two halves of a direct upload: the address, and what is done when the file is there."""

    client: S3Client
    link_client: S3Client  # signs for the address under which clients reach the server
    bucket: str
    prefix: str  # of every key, "" or "tenants/one/"
    where: str  # for sentences

    def link(self, announced: Announced, expires_s: int) -> UploadLink:
        """Size, type and checksum are signed, so the server refuses any other file."""
        require_life(expires_s)
        if announced.bytes > MAX_PUT_BYTES:
            raise TooLarge(
                f"{announced.bytes / 2**30:.1f} GiB are more than the {MAX_PUT_BYTES >> 30} GiB that "
                "can be sent to the storage at once. Send the file to POST /uploads/."
            )
        headers = {
            "Content-Type": announced.content_type,
            "x-amz-checksum-sha256": _base64(announced.sha256),
            "x-amz-meta-sha256": announced.sha256,
        }
        with answers(self.where):
            url = self.link_client.generate_presigned_url(
                "put_object",
                Params={
                    "Bucket": self.bucket,
                    "Key": self._incoming(announced),
                    "ContentType": announced.content_type,
                    "ContentLength": announced.bytes,
                    "ChecksumSHA256": _base64(announced.sha256),
                    "Metadata": {"sha256": announced.sha256},
                },
                ExpiresIn=expires_s,
            )
        expires_at = datetime.now(UTC) + timedelta(seconds=expires_s)
        return UploadLink(url, "PUT", headers, expires_at)

    def receive(self, announced: Announced) -> None:
        """Check the file that was sent, and give it its key; the one in `incoming/` is removed."""
        sent = self._incoming(announced)
        try:
            with answers(self.where):
                head = self.client.head_object(Bucket=self.bucket, Key=sent, ChecksumMode="ENABLED")
        except NotFound as error:
            raise NotFound(
                f"Nothing has arrived for {announced.key!r}. Send the file to the address first; "
                "when that has expired, ask for another."
            ) from error
        if head["ContentLength"] != announced.bytes:
            raise Conflict(
                f"{announced.bytes} bytes were announced for {announced.key!r} and "
                f"{head['ContentLength']} have arrived. Send the file again."
            )
        etag = head["ETag"]
        # most servers compare while they receive, and say so; else we read it once
        if head.get("ChecksumSHA256") != _base64(announced.sha256):
            self._compare(etag, announced)
        with answers(self.where):
            self.client.copy_object(
                Bucket=self.bucket,
                Key=self.prefix + announced.key,
                CopySource={"Bucket": self.bucket, "Key": sent},
                CopySourceIfMatch=etag,
                MetadataDirective="REPLACE",
                ContentType=announced.content_type,
                Metadata={"sha256": announced.sha256},
            )
            kept = self.client.head_object(Bucket=self.bucket, Key=self.prefix + announced.key)
            if kept["ContentLength"] != announced.bytes:
                raise Unavailable(f"{self.where} did not copy {announced.key!r} whole; try again.")
            self.client.delete_object(Bucket=self.bucket, Key=sent)

    def _compare(self, etag: str, announced: Announced) -> None:
        sha = hashlib.sha256()
        with answers(self.where):
            body = self.client.get_object(
                Bucket=self.bucket, Key=self._incoming(announced), IfMatch=etag
            )["Body"]
        with Reading(body, self.where) as stream:
            buffer = memoryview(bytearray(CHUNK_BYTES))
            while size := stream.readinto(buffer):
                sha.update(buffer[:size])
        if sha.hexdigest() != announced.sha256:
            raise Conflict(
                f"What has arrived for {announced.key!r} has the sha256 {sha.hexdigest()[:12]}..., "
                f"announced was {announced.sha256[:12]}.... Send the file again."
            )

    def _incoming(self, announced: Announced) -> str:
        return f"{self.prefix}{INCOMING}/{announced.key}"


def require_life(expires_s: int) -> None:
    """Refuse a life that no signature can have."""
    if not 1 <= expires_s <= MAX_LINK_S:
        raise Invalid(f"A link lives between 1 and {MAX_LINK_S} seconds, not {expires_s}.")


def _base64(hex_digest: str) -> str:
    """A digest as S3 writes it."""
    return base64.b64encode(bytes.fromhex(hex_digest)).decode()
