"""Videos that were uploaded here: files under the uploads folder and nowhere else."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from services.video_processor.engines.part_file import READ_BYTES, Origin, PartFile, key_of
from services.video_processor.engines.port import SourceInfo, SourceSettings
from shared.errors import Forbidden, NotFound
from shared.progress.report import Report
from shared.storage.paths import under


class UploadSource:
    """`upload://<id>`, or a path relative to the uploads folder.

    An id may name the file itself or a folder that holds exactly one file.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self._root = settings.uploads_root

    def fetch(self, url: str, target: Path, *, max_bytes: int, report: Report) -> SourceInfo:
        """See `Source.fetch`; the bytes are copied, so that removing the upload takes nothing away."""
        path = self.locate(url)
        with (
            _opened(path) as stored,
            PartFile(target, url, max_bytes=max_bytes, report=report) as part,
        ):
            size = os.fstat(stored.fileno()).st_size
            part.begin(Origin(key_of(url), total=size), keep=False)
            while chunk := stored.read(READ_BYTES):
                part.write(chunk)
            return part.finish()

    def locate(self, url: str) -> Path:
        """The file that `url` means. Raises `BadInput` outside the root, `NotFound` if absent."""
        name = url.removeprefix("upload://")
        path = under(self._root, name)
        if path.is_dir() and path != self._root.resolve():
            files = [file for file in path.iterdir() if file.suffix not in (".part", ".json")]
            if len(files) != 1:
                raise NotFound(
                    f"The upload {name!r} holds {len(files)} files; exactly one is needed. Name the file."
                )
            path = under(self._root, f"{name}/{files[0].name}")
        if not path.is_file():
            raise NotFound(
                f"There is no upload {name!r}. Upload the file first, or check its name."
            )
        return path


def _opened(path: Path) -> BinaryIO:
    """Open without following a link that was put there after the check."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise NotFound(f"The upload {path.name!r} cannot be opened ({error.strerror}).") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        with suppress(OSError):
            os.close(handle)
        raise Forbidden(f"{path.name!r} is not an ordinary file.")
    return os.fdopen(handle, "rb")
