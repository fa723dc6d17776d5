"""What lies in a bucket, page by page: how large, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Listed(NamedTuple):
    """One object."""

    key: str
    bytes: int
    at: datetime  # by the server's clock; of one sent in parts when that began


def listed(client: S3Client, bucket: str, root: str, start: str) -> Iterator[Listed]:
    """Every object whose name begins with `start`, its key being what follows `root`."""
    pages = client.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=start):
        for item in page.get("Contents", []):
            key = item["Key"].removeprefix(root)
            yield Listed(key, item["Size"], item["LastModified"])


def newest_by_folder(found: Iterable[Listed], folder: str) -> dict[str, datetime]:
    """When the newest object of each folder directly in `folder` came."""
    newest: dict[str, datetime] = {}
    for each in found:
        name, inside, _ = each.key.removeprefix(f"{folder}/").partition("/")
        if inside:
            path = f"{folder}/{name}"
            newest[path] = max(newest.get(path, each.at), each.at)
    return newest


def sha256_of(head: Any) -> str:
    """The sha256 in an object's metadata; empty for one that somebody else put there."""
    return str(head.get("Metadata", {}).get("sha256", ""))
