"""Videos from S3-compatible storage: streamed by range, resumed under the same ETag."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from urllib3.exceptions import HTTPError

from services.video_processor.engines.part_file import Origin, PartFile, key_of
from services.video_processor.engines.port import SourceInfo, SourceSettings
from shared.errors import (
    ActverseError,
    BadInput,
    Conflict,
    Forbidden,
    NotFound,
    Retryable,
    Unavailable,
)
from shared.progress.report import Report

CHUNK_BYTES = 1 << 20
# A stream that broke in the middle: the next request continues it.
BROKEN = (
    IncompleteReadError,
    ResponseStreamingError,
    ConnectionClosedError,
    ReadTimeoutError,
    HTTPError,
    ConnectionError,
)


class S3Source:
    """`s3://bucket/key`, from the endpoint and with the key of the settings."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings

    def fetch(self, url: str, target: Path, *, max_bytes: int, report: Report) -> SourceInfo:
        """See `Source.fetch`."""
        bucket, key = self._parse(url)
        client = self._client()
        with PartFile(target, url, max_bytes=max_bytes, report=report) as part:
            origin = self._head(client, bucket, key, url)
            same = part.offset > 0 and part.origin == origin
            part.begin(origin, keep=same)
            resumes = 0
            while part.offset < (origin.total or 0):
                before = part.offset
                try:
                    self._stream(client, bucket, key, part)
                except BROKEN as error:
                    resumes += 1
                    if part.offset == before or resumes > self._settings.resumes:
                        raise Retryable(
                            f"The transfer of {url} broke ({type(error).__name__})."
                        ) from error
                except (ClientError, BotoCoreError) as error:
                    raise _explained(error, url) from error
            return part.finish()

    def _parse(self, url: str) -> tuple[str, str]:
        found = re.fullmatch(r"[sS]3://([a-z0-9][a-z0-9.\-]{1,61}[a-z0-9])/(.+)", url, re.DOTALL)
        if not found:
            raise BadInput(f"{url!r} is not an S3 address. Write s3://bucket/path/of/video.mp4.")
        bucket, key = found.groups()
        allowed = self._settings.s3_buckets
        if "*" not in allowed and bucket not in allowed:
            raise Forbidden(
                f"The bucket {bucket} is not open to this server. An operator can add it to the S3 buckets in the settings."
            )
        return bucket, key

    def _client(self) -> Any:
        s = self._settings
        return boto3.session.Session().client(
            "s3",
            endpoint_url=s.s3_endpoint,
            region_name=s.s3_region,
            aws_access_key_id=s.s3_access_key,
            aws_secret_access_key=s.s3_secret_key,
            config=Config(
                connect_timeout=s.connect_s,
                read_timeout=s.stall_s,
                retries={"mode": "standard", "max_attempts": 2},
            ),
        )

    def _head(self, client: Any, bucket: str, key: str, url: str) -> Origin:
        try:
            head = client.head_object(Bucket=bucket, Key=key)
        except (ClientError, BotoCoreError) as error:
            raise _explained(error, url) from error
        return Origin(
            key=key_of(url),
            etag=head["ETag"],
            total=head["ContentLength"],
            content_type=head.get("ContentType"),
        )

    def _stream(self, client: Any, bucket: str, key: str, part: PartFile) -> None:
        answer = client.get_object(
            Bucket=bucket, Key=key, Range=f"bytes={part.offset}-", IfMatch=part.origin.etag
        )
        with closing(answer["Body"]) as body:
            for chunk in body.iter_chunks(CHUNK_BYTES):
                part.write(chunk)


# (HTTP statuses, error codes, our class, sentence); the first row that fits speaks.
SENTENCES: tuple[tuple[set[int], set[str], type[ActverseError], str], ...] = (
    (
        {404},
        {"NoSuchKey", "NoSuchBucket"},
        NotFound,
        "{url} does not exist. Check bucket and path; S3 tells upper from lower case.",
    ),
    (
        set(),
        {"InvalidObjectState"},
        Conflict,
        "{url} lies in an archive class. Restore the object first, then retry.",
    ),
    ({401, 403}, set(), Forbidden, "{url} may not be read with this server's key ({code})."),
    (
        {412},
        {"PreconditionFailed"},
        Retryable,
        "{url} was replaced during the transfer. The new file is fetched from its start.",
    ),
    (
        {408, 429, 500, 502, 503, 504},
        {"SlowDown", "RequestTimeout", "Throttling"},
        Retryable,
        "{url}: the storage is busy just now ({code}).",
    ),
)


def _explained(error: Exception, url: str) -> ActverseError:
    """A boto error as one of ours."""
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return Forbidden(
            f"{url} needs a key, and this server has none. Set the S3 access key in the settings."
        )
    if not isinstance(error, ClientError):
        return Unavailable(f"{url} cannot be reached ({error}).")
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    for statuses, codes, ours, sentence in SENTENCES:
        if status in statuses or code in codes:
            return ours(sentence.format(url=url, code=code or status))
    return BadInput(f"{url} was refused by the storage ({code or status}).")
