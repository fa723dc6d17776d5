"""Storage in an S3 bucket, with a local cache: `s3://bucket/prefix?endpoint=http://minio:9000`."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import parse_qs, urlsplit

from boto3.s3.transfer import TransferConfig

from shared.errors import BadInput, NotFound, Unavailable
from shared.messages import Sentence
from shared.settings import Settings, revealed
from shared.storage.cache import Cache
from shared.storage.content import CHUNK_BYTES, content_type, digest
from shared.storage.disk import (
    explaining,
    named,
    remove_half_written,
    replacing,
    require_file,
    require_same,
)
from shared.storage.paths import checked_key, checked_prefix
from shared.storage.port import STALE_S, Announced, Extent, Stored, UploadLink
from shared.storage.s3_client import Reading, connect, end_stale_uploads
from shared.storage.s3_direct import DirectUploads, require_life
from shared.storage.s3_errors import answers
from shared.storage.s3_listing import Listed, listed, newest_by_folder, sha256_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MULTIPART_BYTES = 16 << 20  # larger files go up in parts of this size, several at a time
PARTS_IN_FLIGHT = 4
DELETES_IN_FLIGHT = 8
OPTIONS = {"endpoint", "link_endpoint", "region"}
NOWHERE = "none"  # as `link_endpoint`: browsers do not reach it, the gateway serves its files


class S3Storage:
    """Every key is an object `prefix/key`; its sha256 travels in the object's metadata.

    `endpoint` is a server other than Amazon's (MinIO, Swift, Ceph); `link_endpoint` is the address
    under which a browser reaches that server, where it is another one. Keys and secrets come from
    the arguments, or else from boto3's usual places (environment, profile, instance role).
    `work` holds the local copies; `cache_bytes` bounds them, None lets them grow.
    """

    def __init__(
        self,
        bucket: str,
        *,
        work: Path,
        prefix: str = "",
        endpoint: str | None = None,
        link_endpoint: str | None = None,
        region: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.cache = Cache(work, limit_bytes=cache_bytes)
        self._where = f"s3://{bucket}" + (f" at {endpoint}" if endpoint else "")

        def client(address: str | None) -> S3Client:
            return connect(address, region, access_key, secret_key)

        self._client = client(endpoint)
        self._gives_links = link_endpoint != NOWHERE
        other = link_endpoint if self._gives_links else None
        links = self._link_client = client(other) if other else self._client
        self._direct = DirectUploads(self._client, links, bucket, self.prefix, self._where)
        self._transfer = TransferConfig(
            multipart_threshold=MULTIPART_BYTES,
            multipart_chunksize=MULTIPART_BYTES,
            max_concurrency=PARTS_IN_FLIGHT,
        )

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        work: Path,
        access_key: str | None = None,
        secret_key: str | None = None,
        cache_bytes: int | None = None,
    ) -> S3Storage:
        """`s3://bucket/prefix?endpoint=http://minio:9000&link_endpoint=https://files.example&region=..`."""
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if "@" in parts.netloc:  # and do not repeat it: whoever reads the log would have it
            raise BadInput(
                "The keys of the storage do not belong in its address, where they are shown. Set "
                "ACTVERSE_STORAGE_S3__ACCESS_KEY and ACTVERSE_STORAGE_S3__SECRET_KEY."
            )
        if parts.scheme != "s3" or not parts.netloc or options.keys() - OPTIONS:
            raise BadInput(
                f"The storage address {url!r} is not one of S3. Write "
                "s3://bucket/prefix?endpoint=http://host:9000 (endpoint, link_endpoint and region "
                "may be left out; the keys come from the environment)."
            )
        return cls(
            parts.netloc,
            work=work,
            prefix=parts.path,
            access_key=access_key,
            secret_key=secret_key,
            cache_bytes=cache_bytes,
            **options,
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> S3Storage:
        """The bucket of the settings; its copies lie in the data folder."""
        own = settings.storage_s3
        return cls.from_url(
            settings.storage_url,
            work=settings.data_dir,
            access_key=revealed(own.access_key),
            secret_key=revealed(own.secret_key),
            cache_bytes=own.cache_bytes,
        )

    def local(self, key: str) -> Path:
        """The path of the key in the local cache."""
        return self.cache.path(key)

    def keep(self, source: Path | str, key: str | None = None) -> Stored:
        """Upload, in parts when large; nothing is sent when the bucket has the same content."""
        key = checked_key(named(source, key))
        path = source if isinstance(source, Path) else self.local(checked_key(source))
        require_file(path)
        with explaining():
            sha256, size = digest(path)
        kind = content_type(key)
        head = self._head(key)
        if head is None or sha256_of(head) != sha256 or head["ContentLength"] != size:
            self._upload(path, key, sha256, size, kind)
        if path.resolve() == self.local(key):
            self.cache.note(key, sha256)
        return Stored(key, self._uri(key), size, sha256, kind)

    def fetch(self, key: str, sha256: str | None = None) -> Path:
        """The cached copy when it is the one in the bucket, else a fresh download, checked."""
        if (head := self._head(checked_key(key))) is None:
            raise self._missing(key)
        expected = sha256_of(head)
        if sha256 is not None and expected:
            require_same(key, expected, sha256)
        path = self.local(key)
        if expected and self.cache.holds(key, expected):
            return path
        with explaining(path), replacing(path) as temporary:
            with answers(self._where):
                self._client.download_file(
                    self.bucket, self.prefix + key, str(temporary), Config=self._transfer
                )
            found, size = digest(temporary)
            if size != head["ContentLength"] or (expected and found != expected):
                raise Unavailable(
                    f"{self._uri(key)} arrived damaged or was replaced during the download."
                )
            if sha256 is not None:
                require_same(key, found, sha256)
        self.cache.note(key, found)
        return path

    def open(self, key: str) -> BinaryIO:
        """The object as a stream; reading it raises `Unavailable` when the connection breaks."""
        name = self.prefix + checked_key(key)
        try:
            with answers(self._where):
                body = self._client.get_object(Bucket=self.bucket, Key=name)["Body"]
        except NotFound as error:
            raise self._missing(key) from error
        return cast("BinaryIO", io.BufferedReader(Reading(body, self._where), CHUNK_BYTES))

    def exists(self, key: str) -> bool:
        """Whether the bucket has the object."""
        return self._head(checked_key(key)) is not None

    def list(self, prefix: str = "") -> tuple[str, ...]:
        """The objects of the bucket, page by page."""
        return tuple(sorted(self._sizes(prefix)))

    def measure(self, prefix: str) -> Extent:
        """The same pages tell the sizes."""
        sizes = self._sizes(checked_prefix(prefix)).values()
        return Extent(len(sizes), sum(sizes))

    def last_written(self, folder: str) -> dict[str, datetime]:
        """When the newest object of each came."""
        return newest_by_folder(self._listed(checked_prefix(folder)), folder)

    def delete(self, prefix: str) -> int:
        """Delete the objects and the cached copies; may be called again after a failure."""
        keys = self.list(checked_prefix(prefix))

        def one(key: str) -> None:
            with answers(self._where):
                self._client.delete_object(Bucket=self.bucket, Key=self.prefix + key)

        # One by one: the bulk call needs a checksum header on which S3 servers do not agree.
        with ThreadPoolExecutor(DELETES_IN_FLIGHT) as pool:
            list(pool.map(one, keys))
        self.cache.drop(prefix)
        return len(keys)

    def key_of(self, uri: str) -> str:
        """`s3://bucket/prefix/videos/1/a.mp4` -> `videos/1/a.mp4`."""
        if not uri.startswith("s3://"):
            return checked_key(uri)
        start = f"s3://{self.bucket}/{self.prefix}"
        if not uri.startswith(start):
            raise BadInput(f"{uri!r} does not lie in the storage at {start}.")
        return checked_key(uri.removeprefix(start))

    def link(self, key: str, expires_s: int = 3600) -> str | None:
        """A presigned address."""
        require_life(expires_s)
        if not self.exists(key):
            raise self._missing(key)
        asked = {"Bucket": self.bucket, "Key": self.prefix + key}
        with answers(self._where):
            link = self._link_client.generate_presigned_url("get_object", asked, expires_s)
        return link if self._gives_links else None

    def upload_link(self, announced: Announced, expires_s: int = 3600) -> UploadLink | None:
        """A presigned PUT."""
        checked_key(announced.key)
        return self._direct.link(announced, expires_s) if self._gives_links else None

    def receive(self, announced: Announced) -> Stored:
        """The checksum that the server kept, or else one reading; then a copy inside the bucket."""
        key, sha256, size = checked_key(announced.key), announced.sha256, announced.bytes
        head = self._head(key)
        if head is None or sha256_of(head) != sha256 or head["ContentLength"] != size:
            self._direct.receive(announced)
        return Stored(key, self._uri(key), size, sha256, announced.content_type)

    def working(self) -> AbstractContextManager[None]:
        """Holds the copies in the cache."""
        return self.cache.working()

    def tidy(self, older_s: float = STALE_S) -> int:
        """Ends uploads in parts whose sender was killed, and removes half downloads."""
        with answers(self._where):
            count = end_stale_uploads(self._client, self.bucket, self.prefix, older_s)
        return count + remove_half_written(self.cache.root, older_s)

    def _upload(self, path: Path, key: str, sha256: str, size: int, kind: str) -> None:
        name = self.prefix + key
        with explaining(), answers(self._where):
            self._client.upload_file(
                str(path),
                self.bucket,
                name,
                ExtraArgs={"ContentType": kind, "Metadata": {"sha256": sha256}},
                Config=self._transfer,
            )
            arrived = self._client.head_object(Bucket=self.bucket, Key=name)["ContentLength"]
        if arrived != size:
            raise Unavailable(
                f"{path} changed while it was stored: {size} bytes before, {arrived} in "
                f"{self._uri(key)}."
            )

    def _head(self, key: str) -> Any | None:
        try:
            with answers(self._where):
                return self._client.head_object(Bucket=self.bucket, Key=self.prefix + key)
        except NotFound:
            return None

    def _sizes(self, prefix: str) -> dict[str, int]:
        found = {each.key: each.bytes for each in self._listed(prefix)}
        if "/" in prefix and (head := self._head(prefix)) is not None:
            found[prefix] = head["ContentLength"]
        return {key: size for key, size in found.items() if "/" in key and key[-1] != "/"}

    def _listed(self, prefix: str) -> tuple[Listed, ...]:
        start = self.prefix + (f"{checked_prefix(prefix)}/" if prefix else "")
        with answers(self._where):
            return tuple(listed(self._client, self.bucket, self.prefix, start))

    def _uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{key}"

    def _missing(self, key: str) -> NotFound:
        return NotFound(Sentence("error.not_made_yet", key=key))
