"""What boto3 raises, as our errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import Boto3Error
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from shared.errors import ActverseError, NotFound, OutOfSpace, Terminal, Unavailable
from shared.messages import Sentence

FULL = {
    "InsufficientStorage",
    "QuotaExceeded",
    "XMinioStorageFull",
    "XMinioAdminBucketQuotaExceeded",
}
BUSY = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling"}
MISSING = {"404", "NoSuchKey", "NotFound"}
HTTP_FULL = 507
HTTP_SERVER_ERROR = 500


@contextmanager
def answers(where: str) -> Iterator[None]:
    """Turn the errors of boto3 into sentences about the bucket `where`."""
    try:
        yield
    except ClientError as error:
        raise _refused(where, error) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise Terminal(
            f"There are no keys for the storage {where}. "
            "Set ACTVERSE_STORAGE_S3__ACCESS_KEY and ACTVERSE_STORAGE_S3__SECRET_KEY, or what boto3 reads."
        ) from error
    except Boto3Error as error:  # an upload or download of several parts wraps the true cause
        cause = error.__cause__ or error.__context__
        if isinstance(cause, ClientError):
            raise _refused(where, cause) from error
        raise Unavailable(f"The storage {where} did not take the file: {error}") from error
    except BotoCoreError as error:  # no route, refused, time-out, broken in the middle
        given = {"where": where, "why": type(error).__name__}
        raise Unavailable(Sentence("error.storage_away", **given)) from error


def _refused(where: str, error: ClientError) -> ActverseError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in MISSING:
        return NotFound(f"The storage {where} has no such object.")
    if code == "NoSuchBucket":
        return Terminal(
            f"The storage {where} has no such bucket. Create it, or correct the address."
        )
    if code in FULL or status == HTTP_FULL:
        return OutOfSpace(
            f"The storage {where} is full ({code}). Free some space, then retry the step; nothing finished is lost."
        )
    if code in BUSY or status >= HTTP_SERVER_ERROR:
        return Unavailable(Sentence("error.storage_busy", where=where, why=code or status))
    return Terminal(
        f"The storage {where} refused the request ({code or status}): "
        f"{error.response.get('Error', {}).get('Message', '')}. Check the keys and their rights."
    )
