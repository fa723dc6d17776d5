"""The growing `<target>.part` of a download, and the record that allows it to be continued."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from services.video_processor.engines.port import SourceInfo
from shared.errors import OutOfSpace, Retryable, TooLarge, explained
from shared.progress.report import Report

READ_BYTES = 1 << 20
RESERVE_BYTES = 64 << 20  # left free on the disk: databases and logs live there too


@dataclass(frozen=True)
class Origin:
    """The identity of the file on the server: only the same one may be continued."""

    key: str  # sha256 of the URL: the URL itself may carry a signature and is not stored
    etag: str | None = None
    last_modified: str | None = None
    total: int | None = None  # bytes, if the server says
    content_type: str | None = None

    @property
    def validator(self) -> str | None:
        """What `If-Range` may carry: a strong tag, else a date; None: resuming would be a guess."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified


def key_of(url: str) -> str:
    """The identity of a URL, without the URL."""
    return hashlib.sha256(url.encode()).hexdigest()


class PartFile:
    """Bytes of one download; a context manager that leaves the part in place for the next call.

    It holds a lock while open, because a step may be run again while its first worker, thought
    dead, still writes.
    """

    def __init__(self, target: Path, url: str, *, max_bytes: int, report: Report) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self.record = target.with_name(target.name + ".part.json")
        self._scratch = target.with_name(target.name + ".part.new")
        self.origin = Origin(key_of(url))
        self.offset = 0
        self.resumed_from = 0
        self._key = self.origin.key
        self._max_bytes = max_bytes
        self._report = report
        self._digest = hashlib.sha256()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("ab", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise Retryable(
                f"{self.target.name} is being fetched by another worker; this one waits.",
                retry_after_s=10,
            ) from None
        self._take_up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del kind, error, trace
        if self._file:
            self._file.close()

    @property
    def complete(self) -> bool:
        """True if all announced bytes are here: the last call died just before the end."""
        return self.origin.total is not None and self.offset == self.origin.total > 0

    def begin(self, origin: Origin, *, keep: bool) -> None:
        """The server has answered; `keep` when it continues at `offset`, else from the start."""
        if not keep:
            self.restart()
        total = origin.total
        if total is not None and total > self._max_bytes:
            self._refuse(total)
        free = shutil.disk_usage(self.path.parent).free - RESERVE_BYTES
        if total is not None and total - self.offset > free:
            raise OutOfSpace(
                f"{self.target.name} needs {total - self.offset:,} bytes and the disk has {max(free, 0):,} to "
                "spare. Free some space, then retry the step; the part already here is kept."
            )
        if origin != self.origin:
            self._note(origin)

    def _note(self, origin: Origin) -> None:
        """Write the record in one piece: whoever dies at it leaves the part as good as it was."""
        self.origin = origin
        self._scratch.write_text(json.dumps(asdict(origin)))
        self._scratch.replace(self.record)

    def write(self, chunk: bytes) -> None:
        """Append; over the limit it raises `TooLarge` and drops the part."""
        assert self._file
        if self.offset + len(chunk) > self._max_bytes:
            self._refuse(self.offset + len(chunk))
        try:
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            error.filename = error.filename or self.target.name
            raise explained(error) from error
        self._digest.update(chunk)
        self.offset += len(chunk)
        total = self.origin.total
        self._report(
            self.offset / total if total else 0.0,
            f"{self.offset / 1e6:.1f} MB" + (f" of {total / 1e6:.1f} MB" if total else ""),
            bytes=self.offset,
        )

    def restart(self) -> None:
        """Forget what is here."""
        assert self._file
        if self.offset:
            os.ftruncate(self._file.fileno(), 0)
        self._digest = hashlib.sha256()
        self.offset = self.resumed_from = 0

    def finish(self) -> SourceInfo:
        """Move the whole file to its name."""
        assert self._file
        self._file.close()
        self.path.replace(self.target)
        self.record.unlink(missing_ok=True)
        self._scratch.unlink(missing_ok=True)
        return SourceInfo(
            bytes=self.offset,
            sha256=self._digest.hexdigest(),
            content_type=self.origin.content_type,
            etag=self.origin.etag,
            resumed_from=self.resumed_from,
        )

    def discard(self) -> None:
        """Remove what is here; for a file that will never be wanted."""
        self.path.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)

    def _take_up(self) -> None:
        """Continue an earlier part of the same origin; its bytes are hashed again from disk."""
        try:
            origin = Origin(**json.loads(self.record.read_text()))
        except (OSError, ValueError, TypeError):
            origin = Origin(self._key)
        self.offset = self.path.stat().st_size
        fits = origin.key == self._key and origin.validator is not None
        if not self.offset or not fits or self.offset > self._max_bytes:
            self.restart()
            return
        with self.path.open("rb") as stored:
            while chunk := stored.read(READ_BYTES):
                self._digest.update(chunk)
        self.origin = origin
        self.resumed_from = self.offset

    def _refuse(self, size: int) -> None:
        self.discard()
        raise TooLarge(
            f"The file has {size:,} bytes or more; the limit here is {self._max_bytes:,} bytes "
            f"({self._max_bytes / 1e9:.3g} GB). Shorten or compress the video, or raise the limit in the settings."
        )
